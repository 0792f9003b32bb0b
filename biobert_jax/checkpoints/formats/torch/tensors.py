"""The tensors that a PyTorch file describes, checked before one is read."""

import math
import pathlib
from typing import Any, NamedTuple

# Teaches NumPy bfloat16 and the 8-bit floats.
import ml_dtypes  # noqa: F401
import numpy as np

from biobert_jax.checkpoints.formats.file_magic import shown
from biobert_jax.errors import InputError

_MAX_DIMENSIONS = 64  # As in NumPy.
_MAX_EXPANDED = 2**20  # Elements of a tensor that repeats its storage.


# Tuples, because a pickle could set the attributes of other objects.
class Storage(NamedTuple):
  """A run of bytes in the file, which tensors view.

  Attributes:
    key: its name in the file.
    dtype: NumPy's name of the elements' type.
    elements: how many.
  """

  key: str
  dtype: str
  elements: int

  @property
  def nbytes(self) -> int:
    return self.elements * np.dtype(self.dtype).itemsize


class Tensor(NamedTuple):
  """A view of a storage; `state_dict` checks that it stays inside.

  Attributes:
    storage: what it views.
    offset: of its first element, in elements.
    shape: of every axis.
    strides: of every axis, in elements.
    dtype: NumPy's name.
  """

  storage: Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]
  dtype: str


class Symbol(NamedTuple):
  """A name that the pickle uses; it stands for itself."""

  name: str


def type_name(value: Any) -> str:
  """The type of a value, in words for a message."""
  if isinstance(value, Symbol):
    return value.name
  return 'dict' if isinstance(value, dict) else type(value).__name__


def state_dict(path: pathlib.Path, value: Any) -> dict[str, Tensor]:
  """Checks that a pickle describes a state dict, and every tensor in it.

  Args:
    path: for messages.
    value: the value that `restricted_pickle.Machine` returned.

  Returns:
    name -> tensor; each lies inside its storage.

  Raises:
    InputError: something else, or a tensor that reaches beyond its storage.
  """
  if not isinstance(value, dict):
    raise InputError(
      f'{path}: holds a {type_name(value)}, not a state dict; save one with '
      'torch.save(model.state_dict(), FILE)'
    )
  others = [k for k, v in value.items() if not isinstance(v, Tensor)]
  if others or not value:
    held = ', '.join(f'{shown(k)} ({type_name(v)})' for k, v in value.items())
    inner = [k for k in others if isinstance(value[k], dict)]
    remedy = repr(inner[0]) if inner else '...'
    raise InputError(
      f'{path}: not a state dict of tensors alone (it holds '
      f'{shown(held[:190]) or "nothing"}); save the inner one: '
      f'torch.save(torch.load(FILE, weights_only=True)[{remedy}], NEW_FILE)'
    )
  for name, tensor in value.items():
    fault = 'has no name' if not isinstance(name, str) else _fault(tensor)
    if fault:
      raise InputError(f'{path}: tensor {shown(name)} {fault}; copy it again')
  return value


def _fault(tensor: Tensor) -> str:
  """The fault of a tensor; '' if it has none."""
  axes = (tensor.shape, tensor.strides)
  if not all(isinstance(axis, tuple) for axis in axes):
    return 'has no shape'
  numbers = (tensor.offset, *tensor.shape, *tensor.strides)
  if any(type(number) is not int or number < 0 for number in numbers):
    return 'has a size, stride or offset that is not a number from 0 up'
  if len(tensor.shape) != len(tensor.strides):
    return f'has {len(tensor.shape)} axes and {len(tensor.strides)} strides'
  if len(tensor.shape) > _MAX_DIMENSIONS:
    return f'has {len(tensor.shape)} axes'
  available = tensor.storage.nbytes // np.dtype(tensor.dtype).itemsize
  elements = math.prod(tensor.shape)
  if elements > max(available, _MAX_EXPANDED):
    return f'claims {elements} elements of a storage of {available}'
  pairs = zip(tensor.shape, tensor.strides, strict=True)
  end = tensor.offset + sum((size - 1) * stride for size, stride in pairs) + 1
  if elements and end > available:
    return f'reaches to element {end} of a storage of {available}'
  return ''
