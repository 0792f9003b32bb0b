"""Tensors in `flax_model.msgpack`, as transformers wrote Flax models."""

import os
import pathlib

import numpy as np
from flax import serialization
from flax.traverse_util import flatten_dict

from biobert_jax.checkpoints.formats import sharded_index
from biobert_jax.checkpoints.formats.file_magic import (
  LazyTensor,
  read_start,
  refused,
  shown,
)
from biobert_jax.errors import InputError

WEIGHTS_FILE = 'flax_model.msgpack'
# Those of msgpack are ValueErrors.
_DAMAGED = (
  *(ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError),
)


def read(path: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """Reads the arrays, by the path of each with `/` between.

  The path is a file, an index of shards, or a folder that holds one of them.
  """
  return sharded_index.read(pathlib.Path(path), WEIGHTS_FILE, _read_file)


def _read_file(path: pathlib.Path) -> dict[str, LazyTensor]:
  read_start(path)
  with refused(f'{path}: cut or damaged, or not msgpack', _DAMAGED, text=shown):
    tree = serialization.msgpack_restore(path.read_bytes())
    flat = flatten_dict(tree, sep='/') if isinstance(tree, dict) else {'': tree}
  others = [n for n, array in flat.items() if not isinstance(array, np.ndarray)]
  if others:
    what = f'{path}: {shown(others[0])} is not an array'
    raise InputError(f'{what}; give the parameters alone, as save_pretrained')
  return {name: _held(array) for name, array in flat.items()}


def _held(array: np.ndarray) -> LazyTensor:
  return LazyTensor(array.shape, array.dtype.name, lambda: array)
