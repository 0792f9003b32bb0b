"""JSON is read strictly, and errors say where."""

import sys

import pytest

from biobert_jax.errors import InputError
from biobert_jax.io import strict_json

# Python 3.13 names the comma itself, where it stands.
TRAILING_COMMA = (
  'FILE:2: is not JSON (Illegal trailing comma before end of object, column 8)'
  if sys.version_info >= (3, 13)
  else 'FILE:3: is not JSON (Expecting property name'
)


@pytest.fixture
def read(tmp_path):
  def run(content, **options):
    file = tmp_path / 'FILE'
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return strict_json.read_object(str(file), **options)

  return run


def test_an_object_is_read(read):
  content = '\ufeff{"a": [1, 2.50, "\\u03b2", null, true], "b": {"a": -0}}'
  assert read(content) == {'a': [1, 2.5, 'β', None, True], 'b': {'a': 0}}
  texts = read(content, numbers_as_text=True)
  assert texts == {'a': ['1', '2.50', 'β', None, True], 'b': {'a': '-0'}}


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('', 'FILE:1: is not JSON (Expecting value, column 1); fix the file'),
    ('{\n "a": 1,\n}', TRAILING_COMMA),
    ('{"a": 1}\n{"b": 2}\n', 'FILE:2: is not JSON (Extra data, column 1)'),
    ('[{"a": 1}]', "FILE: holds no JSON object but \"[{'a': 1}]\""),
    ('{"a": 1, "b": 2, "a": 1}', "FILE: key 'a' stands twice in an object;"),
    ('[{"id": "7", "a": 1, "a": 2}]', "key 'a' stands twice in an object (id"),
    ('{"a": NaN}', 'FILE: NaN is not JSON'),
    ('{"a": -Infinity}', 'FILE: -Infinity is not JSON'),
    ('[' * 100000, 'FILE: is not JSON that can be read (maximum recursion'),
    ('{"a": ' + '9' * 5000 + '}', 'FILE: is not JSON that can be read (Exceed'),
    (b'{\n"\xff": 1}', 'FILE:2: is not UTF-8'),
  ],
)  # fmt: skip
def test_what_is_wrong_is_named(read, content, message):
  with pytest.raises(InputError) as caught:
    read(content)
  assert message in str(caught.value)
  assert '\n' not in str(caught.value)


def test_a_file_that_is_missing_is_named(tmp_path):
  with pytest.raises(InputError, match='none.json: cannot be read'):
    strict_json.read_object(str(tmp_path / 'none.json'))
