"""What PyTorch saves, we read: both forms, bit for bit, or a clear refusal."""

import pathlib
from collections.abc import Iterator

import numpy as np
import pytest

from biobert_jax.checkpoints.formats.torch import file as torch_file
from biobert_jax.errors import InputError
from tests.comparison import baseline
from tests.fixtures import torch_files

pytestmark = pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON)

DTYPES = {'brain': 'bfloat16', 'eight': 'float8_e4m3fn'}


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> pathlib.Path:
  folder = tmp_path_factory.mktemp('torch')
  baseline.run(baseline.script('torch_save.py'), folder)
  return folder


@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.parametrize('form', torch_files.FORMS)
def test_odd_tensors_read_bit_equal(folder, form, protocol):
  tensors = torch_file.read(folder / f'{form}-{protocol}.bin')
  with np.load(folder / 'answers.npz', allow_pickle=False) as answers:
    assert set(tensors) == set(answers.files)
    assert len(tensors) == 18
    for name, stored in tensors.items():
      found, expected = stored.read(), answers[name]
      assert stored.dtype == found.dtype.name
      assert stored.dtype == DTYPES.get(name, expected.dtype.name)
      assert stored.shape == found.shape == expected.shape
      # float32 holds the narrow types without loss.
      assert found.astype(expected.dtype).tobytes() == expected.tobytes(), name


@pytest.mark.parametrize(
  ('name', 'what'),
  [
    ('module', 'refuses torch.nn.modules.linear.Linear'),
    ('sparse', 'refuses torch._utils._rebuild_sparse_tensor'),
  ],
)
def test_other_things_that_are_saved(folder, name, what):
  with pytest.raises(InputError, match=what):
    torch_file.read(folder / f'{name}.bin')


def test_a_state_dict_beside_others_is_read(folder):
  tensors = torch_file.read(folder / 'nested.bin')
  alone = torch_file.read(folder / f'{torch_files.FORMS[0]}-2.bin')
  assert tensors.keys() == alone.keys()
  for name, stored in tensors.items():
    assert stored.read().tobytes() == alone[name].read().tobytes(), name


LOAD = """
import sys, torch
found = torch.load(sys.argv[1], weights_only=True)
for name, tensor in found.items():
  content = bytes(tensor.reshape(-1).view(torch.uint8).tolist())
  print(name, tensor.dtype, tuple(tensor.shape), content.hex())
"""


@pytest.mark.parametrize('form', torch_files.FORMS)
def test_the_tests_write_as_pytorch_does(tmp_path, form):
  """tests/fixtures/torch_files.py makes files that PyTorch reads."""
  arrays = torch_files.examples()
  path = torch_files.write_arrays(tmp_path / 'x.bin', form, arrays)
  lines = baseline.run('-c', LOAD, path).splitlines()
  assert [line.rstrip() for line in lines] == list(described(arrays))


def described(arrays: dict[str, np.ndarray]) -> Iterator[str]:
  for name, array in arrays.items():
    content = array.tobytes().hex()
    yield f'{name} torch.{array.dtype.name} {array.shape} {content}'.rstrip()
