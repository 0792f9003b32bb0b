"""Values of flags and config keys, and the nearest to a mistyped word."""

import contextlib
import difflib
import os
import pathlib
from collections.abc import Iterable
from typing import Any

from biobert_jax.errors import InputError

BOOLEANS = {'true': True, 'false': False}


def typed(said: str, text: str, wanted: type) -> Any:
  """A text as a value of a type.

  Args:
    said: how the value was given; begins the message of the error.
    text: the value as it was typed.
    wanted: bool, int or float; of other types the text stays as it is.

  Raises:
    InputError: the text is no value of the type.
  """
  names = {bool: 'true or false', int: 'a whole number', float: 'a number'}
  if wanted not in names:
    return text
  with contextlib.suppress(KeyError, ValueError):
    value = BOOLEANS[text.lower()] if wanted is bool else wanted(text)
    if value == value:  # Every comparison with NaN is false.
      return value
  raise InputError(f'{said}; give {names[wanted]}')


def nearest(word: str, known: Iterable[str]) -> str:
  """The known word that looks most like a given one; '' where none does."""
  found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
  return found[0] if found else ''


def did_you_mean(word: str, known: Iterable[str], mark: str = '') -> str:
  """`; did you mean WORD?` with a mark before the nearest known word, or ''."""
  found = nearest(word, known)
  return f'; did you mean {mark}{found}?' if found else ''


def nearest_path(path: str) -> str:
  """The existing path that differs from a missing one in one mistyped name.

  It is '' where the path exists, is a pattern or the beginning of file names
  (a checkpoint's prefix), or nothing there looks like it.
  """
  if '://' in path or any(mark in path for mark in '*?['):
    return ''
  whole = pathlib.Path(path)
  parent = pathlib.Path(whole.anchor)
  for part in whole.parts[bool(whole.anchor) :]:
    if os.path.lexists(parent / part):
      parent /= part
      continue
    try:
      names = os.listdir(parent)
    except OSError:
      return ''
    if any(name.startswith(part) for name in names):
      return ''
    # A file is not mistyped as a folder.
    has_suffix = bool(pathlib.Path(part).suffix)
    like = [n for n in names if bool(pathlib.Path(n).suffix) == has_suffix]
    found = nearest(part, like)
    return str(parent / found) if found else ''
  return ''
