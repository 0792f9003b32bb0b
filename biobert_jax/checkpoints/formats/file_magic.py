"""Tensors not yet read, and files refused before they are parsed."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from biobert_jax.errors import InputError

_LONGEST = 200  # Characters of a stored name that a message repeats.


@dataclasses.dataclass(frozen=True)
class LazyTensor:
  """A tensor of a file, not yet read."""

  shape: tuple[int, ...]
  dtype: str  # NumPy's name of the stored type ('bfloat16', 'int64').
  read: Callable[[], np.ndarray]  # `InputError` where the file is damaged.
  also: tuple[str, ...] = ()  # Other names that the file gives it.


def read_start(path: pathlib.Path) -> bytes:
  """Up to 64 bytes at the start of a file, by which its format is told.

  Absent and empty files are refused, and what a failed download left.
  """
  try:
    with path.open('rb') as file:
      start = file.read(64)
  except OSError as error:
    raise InputError(f'{path}: {error.strerror}') from error
  if not start:
    raise InputError(f'{path}: empty; copy it again')
  if start.startswith(b'version https://git-lfs'):
    message = f'{path}: a pointer of Git LFS, not the weights; run git lfs pull'
    raise InputError(message)
  if start.lstrip().lower().startswith((b'<!doctype html', b'<html')):
    raise InputError(f'{path}: a web page, not weights; download it again')
  return start


def refuse_nonfinite(source: object, name: str, array: np.ndarray) -> None:
  """Raises where a tensor holds NaN or infinity: no comparison would tell."""
  if wrong := np.size(array) - np.count_nonzero(np.isfinite(array)):
    raise InputError(
      f'{source}: {wrong} of {np.size(array)} numbers of {shown(name)} are not '
      'finite (NaN or infinity); take the weights from an earlier checkpoint, '
      'or copy them again'
    )


def shown(name: object) -> str:
  """A name out of a file, made fit for a one-line message."""
  text = str(name)
  if len(text) > _LONGEST or not text.isprintable():
    return ascii(text[:_LONGEST])
  return text


@contextlib.contextmanager
def refused(
  what: str,
  errors: tuple[type[Exception], ...],
  end: str = '; copy it again',
  text: Callable[[object], str] = str,
) -> Iterator[None]:
  """Turns errors of a reader or writer into one line for the user."""
  try:
    yield
  except InputError:
    raise
  except errors as error:
    raise InputError(f'{what} ({text(error)}){end}') from error
