"""model.safetensors, whole and in shards: what was written is read."""

import json
import pathlib
import struct
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from biobert_jax.checkpoints.formats import safetensors_file
from biobert_jax.errors import InputError

F32 = np.float32


def examples() -> dict[str, np.ndarray]:
  values = np.random.default_rng(0).normal(size=(3, 5))
  return {
    'dense.weight': values.astype(F32),
    'half': values.astype(np.float16),
    'brain': values.astype(ml_dtypes.bfloat16),
    'double': values,
    'position_ids': np.arange(7)[None],
    'step': np.array(12, np.int64),
    'empty': np.empty((0, 4), F32),
  }


def test_what_is_written_is_read_bit_equal(tmp_path):
  arrays = examples()
  path = tmp_path / 'model.safetensors'
  safetensors_file.write(path, arrays, {'format': 'pt'})
  for given in (path, tmp_path, str(tmp_path)):
    tensors = safetensors_file.read(given)
    assert tensors.keys() == arrays.keys()
    for name, array in arrays.items():
      stored, found = tensors[name], tensors[name].read()
      assert stored.shape == found.shape == array.shape
      assert stored.dtype == found.dtype.name == array.dtype.name
      assert found.tobytes() == array.tobytes()
  assert [p.name for p in tmp_path.iterdir()] == ['model.safetensors']
  (tmp_path / 'other').touch()
  assert path.stat().st_mode == (tmp_path / 'other').stat().st_mode


def test_the_library_reads_what_we_write(tmp_path):
  path = tmp_path / 'x.safetensors'
  weight = np.arange(6, dtype=F32).reshape(2, 3)
  # Transposed views, as exporting gives them.
  arrays = {'t': weight.T, 's': weight[:, ::2], 'w': weight}
  safetensors_file.write(path, arrays)
  found = load_file(path)
  np.testing.assert_array_equal(found['t'], weight.T)
  np.testing.assert_array_equal(found['s'], weight[:, ::2])
  np.testing.assert_array_equal(found['w'], weight)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
  path = tmp_path / 'x.safetensors'
  safetensors_file.write(path, {'w': np.zeros(2, F32)})
  before = path.read_bytes()
  (tmp_path / 'x.safetensors.tmp').mkdir()
  with pytest.raises(InputError, match='cannot be written'):
    safetensors_file.write(path, {'w': np.ones(2, F32)})
  assert path.read_bytes() == before


def header(tensors: dict[str, Any], data: bytes = b'') -> bytes:
  text = json.dumps(tensors).encode()
  return struct.pack('<Q', len(text)) + text + data


def test_types_without_meaning_keep_their_names(tmp_path):
  path = tmp_path / 'x.safetensors'
  tensors = {
    'eight': {'dtype': 'F8_E4M3', 'shape': [4], 'data_offsets': [0, 4]},
    'int': {'dtype': 'I8', 'shape': [4], 'data_offsets': [4, 8]},
  }
  path.write_bytes(header(tensors, bytes(8)))
  found = safetensors_file.read(path)
  assert found['eight'].dtype == 'F8_E4M3'
  assert found['int'].dtype == 'int8'
  np.testing.assert_array_equal(found['int'].read(), np.zeros(4, np.int8))
  with pytest.raises(InputError, match=r'x.safetensors: eight .*F8_E4M3'):
    found['eight'].read()


@pytest.mark.parametrize(
  ('content', 'what'),
  [
    (b'', 'empty'),
    (b'version https://git-lfs.github.com/spec/v1\n', 'Git LFS'),
    (b'\x07', 'cut or damaged'),
    (struct.pack('<Q', 2**60) + b'{}', 'cut or damaged'),
    (struct.pack('<Q', 2) + b'[]', 'cut or damaged'),
    (
      header({'w': {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}}),
      'cut or damaged',
    ),
    (
      header(
        {'w': {'dtype': 'F32', 'shape': [3], 'data_offsets': [0, 8]}},
        bytes(8),
      ),
      'cut or damaged',
    ),
  ],
)
def test_damaged_files(tmp_path, content, what):
  path = tmp_path / 'x.safetensors'
  path.write_bytes(content)
  with pytest.raises(InputError, match=f'x.safetensors: .*{what}'):
    safetensors_file.read(path)


def test_a_file_cut_anywhere(tmp_path):
  path = tmp_path / 'x.safetensors'
  safetensors_file.write(path, examples())
  content = path.read_bytes()
  for length in range(0, len(content), 31):
    path.write_bytes(content[:length])
    with pytest.raises(InputError, match=r'x.safetensors: '):
      safetensors_file.read(path)


def test_a_file_cut_after_it_was_opened(tmp_path):
  path = tmp_path / 'x.safetensors'
  safetensors_file.write(path, {'w': np.zeros(1000, F32)})
  stored = safetensors_file.read(path)['w']
  path.write_bytes(path.read_bytes()[:-100])
  with pytest.raises(InputError, match=r'x.safetensors: w cannot be read'):
    stored.read()


def test_folders_without_weights(tmp_path):
  with pytest.raises(InputError, match='holds nothing'):
    safetensors_file.read(tmp_path)
  (tmp_path / 'vocab.txt').touch()
  with pytest.raises(InputError, match=r'neither .*it holds vocab.txt'):
    safetensors_file.read(tmp_path)
  with pytest.raises(InputError, match='No such file'):
    safetensors_file.read(tmp_path / 'model.safetensors')


FIRST, SECOND = 'model-1-of-2.safetensors', 'model-2-of-2.safetensors'


def write_shards(folder: pathlib.Path, where: Any = None) -> None:
  """Two shards: a and b in the first, c in the second."""
  save_file({'a': np.zeros(2, F32), 'b': np.ones(3, F32)}, folder / FIRST)
  save_file({'c': np.full(4, 2, F32)}, folder / SECOND)
  where = where or {'a': FIRST, 'b': FIRST, 'c': SECOND}
  index = {'metadata': {'total_size': 36}, 'weight_map': where}
  path = folder / 'model.safetensors.index.json'
  path.write_text(json.dumps(index), 'utf-8')


def test_shards_are_joined(tmp_path):
  write_shards(tmp_path)
  for given in (tmp_path, tmp_path / 'model.safetensors.index.json'):
    tensors = safetensors_file.read(given)
    assert set(tensors) == {'a', 'b', 'c'}
    np.testing.assert_array_equal(tensors['c'].read(), np.full(4, 2, F32))


def test_a_missing_shard_is_named(tmp_path):
  write_shards(tmp_path)
  (tmp_path / SECOND).unlink()
  with pytest.raises(InputError, match=f'{SECOND} missing .*1 of 2 files'):
    safetensors_file.read(tmp_path)


def test_a_tensor_in_two_shards(tmp_path):
  write_shards(tmp_path)
  save_file({'c': np.ones(4, F32), 'a': np.ones(2, F32)}, tmp_path / SECOND)
  with pytest.raises(InputError, match=f'a lies in {FIRST} and in {SECOND}'):
    safetensors_file.read(tmp_path)


def test_a_cut_shard_is_named(tmp_path):
  write_shards(tmp_path)
  (tmp_path / SECOND).write_bytes((tmp_path / SECOND).read_bytes()[:-1])
  with pytest.raises(InputError, match=f'{SECOND}: cut or damaged'):
    safetensors_file.read(tmp_path)


@pytest.mark.parametrize(
  ('where', 'what'),
  [
    ({'a': FIRST, 'b': FIRST, 'c': FIRST}, f'{FIRST}: lacks c'),
    ({'a': FIRST, 'd': SECOND}, f'{SECOND}: lacks d'),
    ({'a': SECOND, 'b': FIRST, 'c': SECOND}, f'{SECOND}: lacks a'),
    ({'a': '../x.safetensors'}, r'places a in ../x.safetensors, which'),
    ({'a': '/x.safetensors'}, 'places a in /x.safetensors'),
    ({'a': '..\\x.safetensors'}, 'not the name of a file'),
    ({'a': '..'}, 'not the name of a file'),
    ({'a': ''}, 'not the name of a file'),
    ({'a': 'x\n'}, 'not the name of a file'),
    ({'a': 7}, 'not the name of a file'),
    (['a'], 'has no weight_map'),
  ],
)
def test_an_index_that_does_not_fit(tmp_path, where, what):
  write_shards(tmp_path, where)
  with pytest.raises(InputError, match=what) as caught:
    safetensors_file.read(tmp_path)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
  ('text', 'what'),
  [
    ('', 'empty'),
    ('{', 'not an index'),
    ('[]', 'no weight_map'),
    ('{"weight_map": {}}', 'no weight_map'),
    ('{"weight_map": {"a": "x", "a": "y"}}', 'a is there twice'),
    ('[' * 100_000, 'not an index'),
  ],
)
def test_a_damaged_index(tmp_path, text, what):
  path = tmp_path / 'model.safetensors.index.json'
  path.write_text(text, 'utf-8')
  with pytest.raises(InputError, match=f'index.json: .*{what}'):
    safetensors_file.read(tmp_path)
