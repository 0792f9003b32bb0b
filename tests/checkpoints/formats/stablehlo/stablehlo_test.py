"""The StableHLO file, also where nothing but JAX and NumPy is installed.

Also of `checkpoints/formats/stablehlo/loader.py`.
"""

import os
import re
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax import export

from biobert_jax.checkpoints.formats.stablehlo.stablehlo import (
  StableHloProgram,
  write,
)
from biobert_jax.errors import InputError
from biobert_jax.models.hf_signature import unpacked
from tests.fixtures.random_models import (
  CONFIG,
  LABELS,
  assert_same,
  batch,
  expected,
  flat_params,
)

FILES = {'model.stablehlo', 'model.stablehlo.npz', 'load.py'}
BARE = """
import sys
for name in ('biobert_jax', 'flax', 'tensorflow', 'safetensors', 'jaxtyping'):
  sys.modules[name] = None  # Importing it raises.
import numpy as np
from load import Model
model = Model('.')
for i in range(2):
  given = np.load(f'given_{i}.npz')
  outputs = model(*(given[name] for name in ('ids', 'mask', 'types')))
  np.savez(f'outputs_{i}.npz', **outputs)
"""


def write_model(folder, head):
  flat = flat_params(head)
  write(folder, flat, unpacked(head, CONFIG, LABELS), 64)
  return flat


@pytest.fixture(scope='module')
def token(tmp_path_factory):
  folder = tmp_path_factory.mktemp('token')
  write_model(folder, 'token')
  return folder


@pytest.fixture
def copy(token, tmp_path):
  return shutil.copytree(token, tmp_path / 'copy')


@pytest.mark.parametrize('head', ['encoder', 'pretraining', 'span'])
def test_outputs_equal_those_of_our_model(tmp_path, head):
  flat = write_model(tmp_path, head)
  assert {path.name for path in tmp_path.iterdir()} == FILES
  given = batch(5, 7)
  wanted = expected(head, flat, given)
  assert_same(StableHloProgram(tmp_path)(*given), wanted, given[1], 1e-6)


def test_it_runs_without_this_package(copy):
  flat, tmp_path = flat_params('token'), copy
  batches = [batch(5, 7), batch(2, 64)]
  for i, (ids, mask, types) in enumerate(batches):
    np.savez(tmp_path / f'given_{i}.npz', ids=ids, mask=mask, types=types)
  environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
  child = subprocess.run(
    [sys.executable, '-W', 'error', '-c', BARE],
    cwd=tmp_path,
    env=environment,
    capture_output=True,
    text=True,
  )
  assert child.returncode == 0, child.stderr
  for i, given in enumerate(batches):
    with np.load(tmp_path / f'outputs_{i}.npz') as arrays:
      outputs = dict(arrays)
    assert_same(outputs, expected('token', flat, given), given[1], 1e-6)


def test_it_is_for_every_platform_and_shape(tmp_path):
  write_model(tmp_path, 'pretraining')
  program = bytearray((tmp_path / 'model.stablehlo').read_bytes())
  exported = export.deserialize(program)
  assert exported.platforms == ('cpu', 'cuda', 'tpu')
  # What is called by name exists on one platform only; except this one,
  # which JAX checks and takes away when the shapes are known.
  called = re.findall(r'custom_call @([\w.$]+)', exported.mlir_module())
  assert set(called) <= {'shape_assertion'}
  assert 'dot_general' in exported.mlir_module()  # It is text.
  outputs = jax.tree.unflatten(exported.out_tree, exported.out_avals)
  shapes = {name: str(aval.shape) for name, aval in outputs.items()}
  assert shapes == {
    'last_hidden_state': '(b, t, 24)',
    'prediction_logits': '(b, t, 50)',
    'seq_relationship_logits': '(b, 2)',
  }
  # The weights are not in it a second time.
  assert len(program) < 60_000


def test_vectors_come_in_float32_whatever_the_model_computes_in(tmp_path):
  flat = flat_params('encoder')
  config = CONFIG.replace(dtype='bfloat16')
  write(tmp_path, flat, unpacked('encoder', config), 64)
  outputs = StableHloProgram(tmp_path)(*batch(1, 7))
  assert {array.dtype for array in outputs.values()} == {np.dtype('float32')}


def test_a_batch_that_does_not_fit_is_refused(token):
  model = StableHloProgram(token)
  assert model.max_length == 64
  ids, mask, types = batch(5, 7)
  with pytest.raises(InputError, match='65 pieces, more than 64'):
    model(*(np.zeros((1, 65), np.int64),) * 3)
  with pytest.raises(InputError, match='three arrays of one shape'):
    model(ids, mask[:1], types)
  with pytest.raises(InputError, match='three arrays of one shape'):
    model(ids[0], mask[0], types[0])
  with pytest.raises(InputError, match='three arrays of one shape'):
    model(ids[:0], mask[:0], types[:0])


def test_a_folder_without_a_model_is_named(tmp_path, copy):
  with pytest.raises(InputError, match='model.stablehlo: no such file'):
    StableHloProgram(tmp_path)
  (copy / 'model.stablehlo.npz').unlink()
  with pytest.raises(InputError, match='model.stablehlo.npz: no such file'):
    StableHloProgram(copy)


@pytest.mark.parametrize('name', ['model.stablehlo', 'model.stablehlo.npz'])
def test_a_damaged_file_is_named(copy, name):
  path = copy / name
  whole = path.read_bytes()
  half = len(whole) // 2
  for content in (b'', b'junk' * 100, whole[:half], whole[:-100]):
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f'{path}: damaged')):
      StableHloProgram(copy)
  if name.endswith('npz'):  # It has checksums.
    path.write_bytes(
      whole[:half] + bytes([whole[half] ^ 255]) + whole[half + 1 :]
    )
    with pytest.raises(InputError, match='damaged'):
      StableHloProgram(copy)
