"""Files and folders that appear under their names only when they are whole.

Links stay: what they name is replaced. Pipes, devices and open descriptors are
written through, as the bytes come.
"""

import contextlib
import errno
import os
import pathlib
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from typing import IO, Any

from biobert_jax.errors import InputError, disk_full

StrPath = str | os.PathLike[str]
_STANDARD = {'-': 1, '/dev/stdout': 1, '/dev/stderr': 2}
_DESCRIPTOR = re.compile(r'/(?:dev|proc/self)/fd/(\d+)')


def _resolved(path: StrPath) -> str:
  """The path that links lead to; a descriptor's is one itself."""
  found = os.fspath(path)
  for _ in range(40):
    if _descriptor(found) is not None or not os.path.islink(found):
      return found
    found = os.path.join(os.path.dirname(found), os.readlink(found))
  what = os.strerror(errno.ELOOP)
  raise InputError(f'{path}: cannot write: {what}')


def _descriptor(path: str) -> int | None:
  match = _DESCRIPTOR.fullmatch(path)
  return int(match[1]) if match else _STANDARD.get(path)


def is_stdout(path: StrPath) -> bool:
  """Whether what is written there goes to standard output."""
  return _descriptor(_resolved(path)) == 1


def is_stream(path: StrPath) -> bool:
  """Whether it is written through: a descriptor, a pipe or a device."""
  if _descriptor(found := _resolved(path)) is not None:
    return True
  try:
    mode = os.stat(found).st_mode
  except OSError:
    return False
  return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextlib.contextmanager
def named_when_full(name: StrPath, aside: StrPath = '') -> Iterator[None]:
  """Names a file in the error of a full disk, which a write leaves open.

  It is in place of the name `aside`, or of one in there, which no user knows.
  """
  try:
    yield
  except Exception as error:  # Libraries have errors of their own.
    known = str(getattr(error, 'filename', None) or '')
    hidden = bool(aside) and known.startswith(os.fspath(aside))
    if disk_full(error) and (hidden or not known):
      setattr(error, 'filename', os.fspath(name))  # noqa: B010
    raise


@contextlib.contextmanager
def staged(path: StrPath, marker: str = '') -> Iterator[pathlib.Path]:
  """Gives a place for a file or a folder, which is then renamed to `path`.

  The place is beside `path`: `PATH.tmp`, or `PATH.MARKER.tmp` where processes
  may write the same file at once. If anything fails, what was written there is
  deleted, and what stands at `path` stays.
  """
  target = _resolved(path)
  aside = pathlib.Path(target + (f'.{marker}.tmp' if marker else '.tmp'))
  try:
    with named_when_full(path, aside):
      yield aside
      publish(aside, target)
  finally:
    with contextlib.suppress(OSError):  # It was renamed, or never written.
      shutil.rmtree(aside) if aside.is_dir() else aside.unlink()


def publish(aside: StrPath, target: StrPath) -> None:
  """Puts a finished file or folder in the place of `target`.

  The files of a folder that stands there are deleted last.
  """
  old = f'{os.fspath(aside)}.old'
  swaps = os.path.isdir(aside) and os.path.isdir(target)
  if swaps:
    os.replace(target, old)
  try:
    os.replace(aside, target)
  except OSError:
    if swaps:
      os.replace(old, target)
    raise
  if swaps:
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def atomic_write(
  path: StrPath, binary: bool = False, marker: str = ''
) -> Iterator[IO[Any]]:
  """Opens a file to write, which is renamed into place if nothing fails.

  Its folder is made where it is missing; '-' is standard output; streams are
  written through. Text is UTF-8, with newlines as they are given. For the
  marker see `staged`.

  Raises:
    InputError: it cannot be written.
  """
  if is_stdout(path):
    with named_when_full('standard output'):
      yield sys.stdout.buffer if binary else sys.stdout
      sys.stdout.flush()
    return
  how: dict[str, Any] = {'mode': 'wb'}
  if not binary:
    how = {'mode': 'w', 'encoding': 'utf-8', 'newline': '\n'}
  target = pathlib.Path(path)
  place: pathlib.Path | int
  with contextlib.ExitStack() as stack:
    try:
      if through := is_stream(path):
        descriptor = _descriptor(_resolved(path))
        place = target if descriptor is None else os.dup(descriptor)
      else:
        if target.is_dir():
          raise InputError(f'{target}: is a folder; name a file')
        target.parent.mkdir(parents=True, exist_ok=True)
        place = stack.enter_context(staged(path, marker))
      file = open(place, **how)  # noqa: SIM115
    except OSError as error:
      raise InputError(f'{target}: cannot write: {error.strerror}') from error
    with named_when_full(path), file:
      yield file
      if not through:  # A full disk may say so only now.
        file.flush()
        os.fsync(file.fileno())


def write_text(path: StrPath, text: str) -> None:
  """Writes a UTF-8 file, whole or not at all; newlines stay as they are."""
  write_bytes(path, text.encode())


def write_bytes(path: StrPath, content: bytes | bytearray) -> None:
  """Writes a file, whole or not at all."""
  with staged(path) as aside:
    aside.write_bytes(content)
