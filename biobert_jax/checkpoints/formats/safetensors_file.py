"""Tensors in `model.safetensors`, whole or in shards.

The format has no checksums: a flipped bit in the data passes for a weight.
"""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

# Teaches NumPy bfloat16, without which safetensors cannot give it.
import ml_dtypes  # noqa: F401
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from biobert_jax.checkpoints.formats import sharded_index
from biobert_jax.checkpoints.formats.file_magic import (
  LazyTensor,
  read_start,
  refused,
  shown,
)
from biobert_jax.errors import InputError
from biobert_jax.io.atomic import staged

WEIGHTS_FILE = 'model.safetensors'
_DAMAGED = (SafetensorError, OSError, ValueError)
# safetensors' names -> NumPy's. Others (8-bit floats, packed integers) keep
# the name that they have; they mean nothing without their scales.
_DTYPES = {'BF16': 'bfloat16', 'BOOL': 'bool'} | {
  f'{kind[0].upper()}{bits}': f'{kind}{bits}'
  for kind in ('float', 'int', 'uint')
  for bits in (8, 16, 32, 64)
}


def read(path: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """Reads names, shapes and types; the arrays are read on demand.

  The path is a file, an index of shards, or a folder that holds one of them.
  """
  return sharded_index.read(pathlib.Path(path), WEIGHTS_FILE, _read_file)


def _read_file(path: pathlib.Path) -> dict[str, LazyTensor]:
  read_start(path)
  with refused(f'{path}: cut or damaged, or not safetensors', _DAMAGED):
    # Read, not mapped: what is mapped counts as memory of the process.
    file = safe_open(path, framework='np', backend='pread')
    return {name: _stored(file, path, name) for name in file.keys()}  # noqa: SIM118


def _stored(file: Any, path: pathlib.Path, name: str) -> LazyTensor:
  found = file.get_slice(name)
  dtype = found.get_dtype()

  def read_tensor() -> np.ndarray:
    if dtype not in _DTYPES:
      what = f'{path}: {shown(name)} is stored as {dtype}, which is not read'
      raise InputError(f'{what}; save it as float32')
    with refused(f'{path}: {shown(name)} cannot be read', _DAMAGED):
      return file.get_tensor(name)

  shape = tuple(found.get_shape())
  return LazyTensor(shape, _DTYPES.get(dtype, dtype), read_tensor)


def write(
  path: pathlib.Path,
  arrays: Mapping[str, np.ndarray],
  metadata: Mapping[str, str] | None = None,
) -> None:
  """Writes one `.safetensors` file, whole or not at all."""
  # save_file writes memory as it lies: a transposed view would come out in
  # the wrong order. (np.ascontiguousarray would give a scalar a dimension.)
  tensors = {name: np.asarray(a, order='C') for name, a in arrays.items()}
  failed = (SafetensorError, OSError)
  with refused(f'{path}: cannot be written', failed, ''), staged(path) as aside:
    # The library makes files that only their owner reads: as others here.
    aside.touch()
    mode = aside.stat().st_mode
    save_file(tensors, aside, dict(metadata or {}))
    aside.chmod(mode)
