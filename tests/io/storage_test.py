"""Places on a disk, by the functions that serve buckets too.

What they do in buckets, with `io/buckets/cache.py`, `io/buckets/objects.py`,
`io/buckets/request.py` and `io/buckets/trees.py`, is tested by `tests/gcs`.
"""

import pathlib

import pytest

from biobert_jax.errors import BucketChangedError, InputError
from biobert_jax.io import storage


def test_a_file_is_written_read_and_removed(tmp_path: pathlib.Path) -> None:
  place = tmp_path / 'new' / 'a.txt'
  assert storage.generation(place) == 0
  first = storage.write(place, 'one\r\n', match=0)
  assert storage.read_bytes(place) == b'one\r\n'
  assert first == storage.generation(place) > 0
  with pytest.raises(BucketChangedError):
    storage.write(place, 'two', match=0)
  second = storage.write(str(place), b'two', match=first)
  assert second != first
  with pytest.raises(OSError, match='changed by another process'):
    storage.write(place, 'three', match=first)
  assert storage.read_text(place) == 'two'
  assert storage.is_file(place)
  assert not storage.is_dir(place)
  assert storage.local(place) == place
  storage.remove(place)
  storage.remove(place)
  assert not storage.exists(place)


def test_folders_are_listed_moved_and_removed(tmp_path: pathlib.Path) -> None:
  for name in ('b.txt', 'a.txt', 'sub/deep/c.txt', '.hidden.txt'):
    storage.write(tmp_path / 'x' / name, name)
  folder = tmp_path / 'x'
  assert storage.names(folder) == ['.hidden.txt', 'a.txt', 'b.txt', 'sub']
  assert storage.names(tmp_path / 'none') == []
  found = storage.files(folder)
  assert {str(file.place.relative_to(folder)): file.size for file in found} == {
    '.hidden.txt': 11,
    'a.txt': 5,
    'b.txt': 5,
    'sub/deep/c.txt': 14,
  }
  assert storage.glob(folder / '*.txt') == [folder / 'a.txt', folder / 'b.txt']
  assert storage.glob(folder / '**' / 'c.txt') == [folder / 'sub/deep/c.txt']
  storage.move_tree(folder, tmp_path / 'aside' / 'x')
  assert not folder.exists()
  with pytest.raises(FileExistsError):
    storage.move_tree(tmp_path / 'aside', tmp_path / 'aside')
  with pytest.raises(InputError, match='one is in a bucket'):
    storage.move_tree(tmp_path / 'aside', 'gs://my-bucket/x')
  storage.remove_tree(tmp_path / 'aside')
  storage.remove_tree(tmp_path / 'aside')
  assert list(tmp_path.iterdir()) == []


def test_a_name_with_marks_of_a_pattern_names_itself(
  tmp_path: pathlib.Path,
) -> None:
  for name in ('a[1].txt', 'a1.txt'):
    storage.write(tmp_path / name, name)
  assert storage.glob(tmp_path / 'a[1].txt') == [tmp_path / 'a[1].txt']


def test_lines_are_appended_and_a_truncated_one_is_dropped(
  tmp_path: pathlib.Path,
) -> None:
  place = tmp_path / 'metrics.jsonl'
  log = storage.Lines(place)
  log.add('{"step": 1}')
  assert place.read_text() == '{"step": 1}\n'
  with place.open('a') as file:
    file.write('{"st')
  log = storage.Lines(place)
  log.add('{"step": 2}')
  assert place.read_text() == log.text == '{"step": 1}\n{"step": 2}\n'
  log.rewrite(['{"step": 3}'])
  assert place.read_text() == '{"step": 3}\n'
