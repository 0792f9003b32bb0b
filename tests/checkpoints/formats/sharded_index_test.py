"""Shards and their index: all of it, or one line that says what is wrong."""

import json

import numpy as np
import pytest

from biobert_jax.checkpoints.formats import sharded_index
from biobert_jax.checkpoints.formats.file_magic import LazyTensor
from biobert_jax.errors import InputError

HELD = {'one.bin': ('a', 'b'), 'two.bin': ('c',)}


def tensors(path):
  """The tensors of a shard; reading one of them tells its name."""
  return {
    name: LazyTensor((), 'str', lambda name=name: np.asarray(name))
    for name in HELD[path.name]
  }


@pytest.fixture
def index(tmp_path):
  """Writes an index beside two shards; returns its path."""

  def write(where):
    for name in HELD:
      (tmp_path / name).write_bytes(b'x')
    path = tmp_path / f'weights{sharded_index.SUFFIX}'
    text = where if isinstance(where, str) else json.dumps(where)
    path.write_text(text)
    return path

  return write


def test_shards_are_joined(index):
  where = {'a': 'one.bin', 'b': 'one.bin', 'c': 'two.bin'}
  path = index({'weight_map': where})
  for given in (path, path.parent):
    found = sharded_index.read(given, 'weights', tensors)
    assert {name: str(found[name].read()) for name in found} == {
      name: name for name in 'abc'
    }
  with pytest.raises(InputError, match='holds neither other nor other.index'):
    sharded_index.read(path.parent, 'other', tensors)


@pytest.mark.parametrize(
  ('where', 'said'),
  [
    ('{', 'not an index'),
    ('{"a": 1, "a": 2}', 'a is there twice'),
    ({'weight_map': {}}, 'has no weight_map'),
    ({'weight_map': {'a': '../one.bin'}}, 'not the name of a file'),
    ({'weight_map': {'a': 'three.bin'}}, 'three.bin missing beside it'),
    ({'weight_map': {'c': 'one.bin'}}, 'lacks c'),
  ],
)
def test_faults_are_one_line(where, said, index):
  with pytest.raises(InputError, match=said) as caught:
    sharded_index.read(index(where), 'weights', tensors)
  assert '\n' not in str(caught.value)
