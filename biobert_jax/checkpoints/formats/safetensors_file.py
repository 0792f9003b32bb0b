"""Tensors in `model.safetensors`, whole or in shards.

The format has no checksums: a flipped bit in the data passes for a weight.
"""

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

# Teaches NumPy bfloat16, without which safetensors cannot give it.
import ml_dtypes  # noqa: F401
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from biobert_jax.checkpoints.formats import sharded_index
from biobert_jax.checkpoints.formats.file_magic import read_start, shown
from biobert_jax.checkpoints.formats.lazy_tensor import LazyTensor
from biobert_jax.errors import InputError
from biobert_jax.io.atomic import staged

WEIGHTS_FILE = 'model.safetensors'

# safetensors' names -> NumPy's. Others (8-bit floats, packed integers) keep
# the name that they have; they mean nothing without their scales.
_DTYPES = {
  'F64': 'float64',
  'F32': 'float32',
  'F16': 'float16',
  'BF16': 'bfloat16',
  'I64': 'int64',
  'I32': 'int32',
  'I16': 'int16',
  'I8': 'int8',
  'U64': 'uint64',
  'U32': 'uint32',
  'U16': 'uint16',
  'U8': 'uint8',
  'BOOL': 'bool',
}


def read(path: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """Reads names, shapes and types; the arrays are read on demand.

  Args:
    path: a `.safetensors` file, an index of shards
      (`model.safetensors.index.json`), or a folder that holds one of them.

  Returns:
    name -> tensor, not yet read.

  Raises:
    InputError: no such file, a damaged or a cut one, shards that do not fit
      their index.
  """
  found = sharded_index.locate(pathlib.Path(path), WEIGHTS_FILE)
  if found.name.endswith(sharded_index.SUFFIX):
    return sharded_index.read(found, _read_file)
  return _read_file(found)


def _read_file(path: pathlib.Path) -> dict[str, LazyTensor]:
  read_start(path)
  try:
    # Read, not mapped: what is mapped counts as memory of the process.
    file = safe_open(path, framework='np', backend='pread')
    return {name: _stored(file, path, name) for name in file.keys()}  # noqa: SIM118
  except (SafetensorError, OSError, ValueError) as error:
    raise InputError(
      f'{path}: cut or damaged, or not safetensors ({error}); copy it again'
    ) from error


def _stored(file: Any, path: pathlib.Path, name: str) -> LazyTensor:
  found = file.get_slice(name)
  dtype = found.get_dtype()

  def read_tensor() -> np.ndarray:
    if dtype not in _DTYPES:
      raise InputError(
        f'{path}: {shown(name)} is stored as {dtype}, which is not read; save '
        'it as float32'
      )
    try:
      return file.get_tensor(name)
    except (SafetensorError, OSError, ValueError) as error:
      raise InputError(
        f'{path}: {shown(name)} cannot be read ({error}); copy it again'
      ) from error

  return LazyTensor(
    tuple(found.get_shape()), _DTYPES.get(dtype, dtype), read_tensor
  )


def write(
  path: str | os.PathLike[str],
  arrays: Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]],
  metadata: Mapping[str, str] | None = None,
) -> None:
  """Writes one `.safetensors` file: complete, or not at all.

  Args:
    path: where to; a file that is there is replaced.
    arrays: name -> array; types are kept.
    metadata: text for the header. transformers asks for {'format': 'pt'}.

  Raises:
    InputError: the file cannot be written.
  """
  path = pathlib.Path(path)
  pairs = arrays.items() if isinstance(arrays, Mapping) else arrays
  # save_file writes memory as it lies: a transposed view would come out in
  # the wrong order. (np.ascontiguousarray would give a scalar a dimension.)
  tensors: dict[str, np.ndarray] = {}
  for name, array in pairs:
    if name in tensors:
      raise ValueError(f'{name} is given twice')
    tensors[name] = np.asarray(array, order='C')
  try:
    with staged(path) as aside:
      # The library makes files that only their owner reads: as others here.
      aside.touch()
      mode = aside.stat().st_mode
      save_file(tensors, aside, dict(metadata or {}))
      aside.chmod(mode)
  except (SafetensorError, OSError) as error:
    raise InputError(f'{path}: cannot be written ({error})') from error
