"""A tensor of a file, not yet read."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class LazyTensor:
  """Shape and type of a tensor, and a way to read it.

  Attributes:
    shape: as stored.
    dtype: NumPy's name of the stored type ('float32', 'bfloat16', 'int64').
    read: reads and returns the array; raises `InputError` where the file is
      damaged.
  """

  shape: tuple[int, ...]
  dtype: str
  read: Callable[[], np.ndarray]
