"""Tests of JSON files."""

import pytest

from biobert_jax.errors import InputError
from biobert_jax.io import json_files


def test_keys_keep_their_order_or_are_sorted(tmp_path):
  path, value = tmp_path / 'x.json', {'b': 'ä', 'a': [1, None]}
  json_files.write_json(path, value)
  assert path.read_text('utf-8').startswith('{\n  "b": "ä",\n  "a"')
  assert json_files.read_json(path) == value
  json_files.write_json(path, value, sort_keys=True)
  assert path.read_text('utf-8').startswith('{\n  "a"')
  assert path.read_text('utf-8').endswith('}\n')
  assert [p.name for p in tmp_path.iterdir()] == ['x.json']


def test_no_file_is_an_empty_object(tmp_path):
  assert json_files.read_json(tmp_path / 'x.json') == {}


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    (b'{"a": ', 'x.json: not JSON'),
    (b'\xff', 'x.json: not JSON'),
    (b'[' * 100_000, 'x.json: not JSON'),
    (b'[1]', 'x.json: not a JSON object'),
  ],
)
def test_what_is_no_object_is_refused(content, message, tmp_path):
  path = tmp_path / 'x.json'
  path.write_bytes(content)
  with pytest.raises(InputError, match=message):
    json_files.read_json(path)


def test_a_value_that_json_lacks_leaves_the_old_file(tmp_path):
  path = tmp_path / 'x.json'
  json_files.write_json(path, {'a': 1})
  with pytest.raises(TypeError):
    json_files.write_json(path, {'a': {1, 2}})
  assert json_files.read_json(path) == {'a': 1}
  assert [p.name for p in tmp_path.iterdir()] == ['x.json']
