"""Tensors in `tf_model.h5`, as transformers wrote Keras models."""

import os
import pathlib
from typing import Any

import numpy as np

from biobert_jax.checkpoints.formats import sharded_index
from biobert_jax.checkpoints.formats.file_magic import (
  LazyTensor,
  read_start,
  refused,
  shown,
)
from biobert_jax.errors import InputError

WEIGHTS_FILE = 'tf_model.h5'
_DAMAGED = (OSError, ValueError, KeyError, RuntimeError)


def read(path: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """Reads names, shapes and types; the arrays are read on demand.

  The path is a file, an index of shards, or a folder that holds one of them.
  """
  return sharded_index.read(pathlib.Path(path), WEIGHTS_FILE, _read_file)


def _read_file(path: pathlib.Path) -> dict[str, LazyTensor]:
  read_start(path)
  h5py = _h5py(path)
  found: dict[str, LazyTensor] = {}

  def visit(name: str, item: Any) -> None:
    if isinstance(item, h5py.Dataset):
      found[name] = LazyTensor(item.shape, item.dtype.name, reader(name))

  def reader(name: str) -> Any:
    def read_tensor() -> np.ndarray:
      what = f'{path}: {shown(name)} is cut or damaged'
      with refused(what, _DAMAGED, text=shown), h5py.File(path, 'r') as file:
        return np.asarray(file[name][()])

    return read_tensor

  damaged = f'{path}: cut or damaged, or not HDF5'
  with refused(damaged, _DAMAGED, text=shown), h5py.File(path, 'r') as file:
    file.visititems(visit)
  return found


def _h5py(path: pathlib.Path) -> Any:
  try:
    import h5py
  except ImportError as error:
    raise InputError(
      f'{path}: HDF5 needs h5py: pip install h5py; model.safetensors and '
      'pytorch_model.bin are read without it'
    ) from error
  return h5py
