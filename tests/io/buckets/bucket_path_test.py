"""Paths of a user: local, in a bucket, or refused in one line."""

import pathlib

import pytest

from biobert_jax.errors import InputError
from biobert_jax.io.buckets.bucket_path import BucketPath, path


def test_parts_of_a_name() -> None:
  place = path('gs://my-bucket/runs/x/vocab.txt')
  assert isinstance(place, BucketPath)
  assert (place.bucket, place.key) == ('my-bucket', 'runs/x/vocab.txt')
  assert (place.name, place.stem, place.suffix) == (
    'vocab.txt',
    'vocab',
    '.txt',
  )
  assert str(place.parent) == 'gs://my-bucket/runs/x'
  assert place.parent / 'a/b' == path('gs://my-bucket/runs/x/a/b')
  assert str(place.with_suffix('.json')) == 'gs://my-bucket/runs/x/vocab.json'
  assert str(place.relative_to(path('gs://my-bucket/runs'))) == 'x/vocab.txt'
  assert not place.is_relative_to(path('gs://my-bucket/run'))
  assert str(place.parent.parent.parent.parent) == 'gs://my-bucket'
  assert path('gs://my-bucket/').name == 'my-bucket'
  assert len({place, path(str(place))}) == 1
  assert path(place) is place


def test_it_is_no_local_path_by_accident(tmp_path: pathlib.Path) -> None:
  place = path('gs://my-bucket/x')
  for opens in (open, pathlib.Path):
    with pytest.raises(TypeError):
      opens(place)  # type: ignore[operator]
  assert path(tmp_path / 'x') == tmp_path / 'x'
  assert path('a:/b') == pathlib.Path('a:/b')


@pytest.mark.parametrize(
  'text',
  [
    'gs://my-bucket/a b#c?d*e[f]%20ü日',
    'gs://my-bucket/dir/',
    'gs://1a.example.com/x',
    f'gs://{"a" * 63}/x',
    f'gs://my-bucket/{"x" * 1024}',
  ],
)
def test_names_that_can_be(text: str) -> None:
  assert str(path(text)) == text.rstrip('/')


@pytest.mark.parametrize(
  ('text', 'said'),
  [
    ('gs:/bucket/x', 'did you mean gs://bucket/x?'),
    ('gs:bucket/x', 'did you mean gs://bucket/x?'),
    ('GS://bucket/x', 'did you mean gs://bucket/x?'),
    ('gs://', 'names no bucket'),
    ('gs:///x', 'names no bucket'),
    ('gs://ab/x', "no bucket can be named 'ab'"),
    ('gs://Bucket/x', "no bucket can be named 'Bucket'"),
    ('gs://bucket-/x', "no bucket can be named 'bucket-'"),
    ('gs://a..b/x', "no bucket can be named 'a..b'"),
    ('gs://10.0.0.1/x', "no bucket can be named '10.0.0.1'"),
    (f'gs://{"a" * 64}/x', 'no bucket can be named'),
    ('gs://my-bucket*/x', 'no bucket can be named'),
    ('gs://my-bucket//x', 'has an empty part'),
    ('gs://my-bucket/a/../x', 'has an empty part'),
    (f'gs://my-bucket/{"ü" * 513}', 'at most 1024 bytes, not 1026'),
    ('gs://my-bucket/a\nb', 'cannot hold a line break'),
    ('gs://my-bucket/\udcff', 'must be UTF-8'),
    ('s3://bucket/x', 'supported are local paths and gs://BUCKET/NAME'),
    ('s3:/bucket/x', 'supported are local paths and gs://BUCKET/NAME'),
    ('https://host/x', 'supported are local paths and gs://BUCKET/NAME'),
    ('az://c/x', 'supported are local paths and gs://BUCKET/NAME'),
    ('file:///x', 'supported are local paths and gs://BUCKET/NAME'),
  ],
)
def test_what_cannot_be_is_refused(text: str, said: str) -> None:
  with pytest.raises(InputError) as caught:
    path(text)
  assert said in str(caught.value)
  assert '\n' not in str(caught.value)


def test_what_pathlib_made_of_it_is_refused() -> None:
  with pytest.raises(InputError, match='did you mean gs://bucket/x'):
    path(pathlib.Path('gs://bucket/x'))
