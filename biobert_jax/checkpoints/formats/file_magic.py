"""Refuses files that cannot hold weights, before they are parsed."""

import pathlib

from biobert_jax.errors import InputError

_LFS = b'version https://git-lfs'
_HTML = (b'<!doctype html', b'<html')
_LONGEST = 200  # Characters of a stored name that a message repeats.


def read_start(path: pathlib.Path) -> bytes:
  """The first bytes of a file, by which its format is told.

  Args:
    path: the file.

  Returns:
    Up to 64 bytes.

  Raises:
    InputError: no such file, an empty one, or what a failed download left.
  """
  try:
    with path.open('rb') as file:
      start = file.read(64)
  except OSError as error:
    raise InputError(f'{path}: {error.strerror}') from error
  if not start:
    raise InputError(f'{path}: empty; copy it again')
  if start.startswith(_LFS):
    raise InputError(
      f'{path}: a pointer of Git LFS, not the weights; run git lfs pull'
    )
  if start.lstrip().lower().startswith(_HTML):
    raise InputError(f'{path}: a web page, not weights; download it again')
  return start


def shown(name: object) -> str:
  """A name out of a file, made fit for a one-line message."""
  text = str(name)
  if len(text) > _LONGEST or not text.isprintable():
    return ascii(text[:_LONGEST])
  return text
