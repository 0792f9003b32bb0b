"""Files that appear under their names only when they are whole."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import IO, Any

from biobert_jax.errors import InputError


@contextlib.contextmanager
def staged(
  path: str | os.PathLike[str], marker: str = ''
) -> Iterator[pathlib.Path]:
  """Gives a place to write a file, which is then renamed to `path`.

  The place is beside `path`: `PATH.tmp`, or `PATH.MARKER.tmp` where processes
  may write the same file at once. If anything fails, the half-written file is
  deleted, and a file that stands at `path` stays.
  """
  suffix = f'.{marker}.tmp' if marker else '.tmp'
  aside = pathlib.Path(os.fspath(path) + suffix)
  try:
    yield aside
    os.replace(aside, path)
  finally:
    with contextlib.suppress(OSError):  # It was renamed, or never written.
      aside.unlink()


@contextlib.contextmanager
def atomic_write(
  path: str | os.PathLike[str], binary: bool = False
) -> Iterator[IO[Any]]:
  """Opens a file to write, which is renamed into place if nothing fails.

  Its folder is made where it is missing; '-' is standard output. Text is
  UTF-8, with newlines as they are given. An InputError: it cannot be written.
  """
  if os.fspath(path) == '-':
    yield sys.stdout.buffer if binary else sys.stdout
    sys.stdout.flush()
    return
  target = pathlib.Path(path)
  how: dict[str, Any] = {'mode': 'wb'}
  if not binary:
    how = {'mode': 'w', 'encoding': 'utf-8', 'newline': '\n'}
  with contextlib.ExitStack() as stack:
    try:
      if target.is_dir():
        raise InputError(f'{target}: is a folder; name a file')
      target.parent.mkdir(parents=True, exist_ok=True)
      file = open(stack.enter_context(staged(path)), **how)  # noqa: SIM115
    except OSError as error:
      raise InputError(f'{target}: cannot write: {error.strerror}') from error
    with file:
      yield file


def write_text(path: str | os.PathLike[str], text: str) -> None:
  """Writes a UTF-8 file, whole or not at all; newlines stay as they are."""
  write_bytes(path, text.encode())


def write_bytes(
  path: str | os.PathLike[str], content: bytes | bytearray
) -> None:
  """Writes a file, whole or not at all."""
  with staged(path) as aside:
    aside.write_bytes(content)
