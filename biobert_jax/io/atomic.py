"""Files and folders that appear under their names only when they are whole.

Links stay: what they name is replaced. Pipes, devices and open descriptors are
written through, as the bytes come. What goes to a bucket is written to the
disk first.
"""

import contextlib
import errno
import os
import pathlib
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

from biobert_jax.errors import InputError, disk_full
from biobert_jax.io.buckets import bucket_path, objects, trees
from biobert_jax.io.buckets.bucket_path import AnyPath, BucketPath

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


def is_stdout(path: AnyPath) -> bool:
  """Whether what is written there goes to standard output."""
  return not isinstance(path, BucketPath) and _descriptor(_resolved(path)) == 1


def is_stream(path: AnyPath) -> bool:
  """Whether it is written through: a descriptor, a pipe or a device."""
  if isinstance(path, BucketPath):
    return False
  if _descriptor(found := _resolved(path)) is not None:
    return True
  try:
    mode = os.stat(found).st_mode
  except OSError:
    return False
  return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextlib.contextmanager
def named_when_full(name: AnyPath, aside: StrPath = '') -> Iterator[None]:
  """Names a file in the error of a full disk, which a write leaves open.

  It is in place of the name `aside`, or of one in there, which no user knows.
  """
  try:
    yield
  except Exception as error:  # Libraries have errors of their own.
    known = str(getattr(error, 'filename', None) or '')
    hidden = bool(aside) and known.startswith(os.fspath(aside))
    if disk_full(error) and (hidden or not known):
      setattr(error, 'filename', str(name))  # noqa: B010
    raise


@contextlib.contextmanager
def staged(
  path: AnyPath, marker: str = '', last: Sequence[str] = ()
) -> Iterator[pathlib.Path]:
  """Gives a place for a file or a folder, which is then renamed to `path`.

  The place is beside `path`: `PATH.tmp`, or `PATH.MARKER.tmp` where processes
  may write the same file at once. If anything fails, what was written there is
  deleted, and what stands at `path` stays. Of a `path` in a bucket it is a
  temporary folder of this machine; see `publish`.
  """
  place = bucket_path.path(path)
  if isinstance(place, BucketPath):
    objects.check_writable(place)
    with (
      named_when_full(f'{tempfile.gettempdir()} (for {path})'),
      tempfile.TemporaryDirectory(prefix='biobert-') as folder,
    ):
      yield (aside := pathlib.Path(folder, place.name))
      trees.upload(aside, place, last)
    return
  target = _resolved(place)
  aside = pathlib.Path(target + (f'.{marker}.tmp' if marker else '.tmp'))
  try:
    with named_when_full(path, aside):
      yield aside
      publish(aside, target)
  finally:
    with contextlib.suppress(OSError):  # It was renamed, or never written.
      shutil.rmtree(aside) if aside.is_dir() else aside.unlink()


def publish(aside: StrPath, target: AnyPath, last: Sequence[str] = ()) -> None:
  """Puts a finished file or folder in the place of `target`.

  The files of a folder that stands there are deleted last. In a bucket nothing
  is renamed: a file appears as a whole; of a folder those files that are named
  `last`, which make it valid, are deleted first and written last.
  """
  place = bucket_path.path(target)
  if isinstance(place, BucketPath):
    trees.upload(pathlib.Path(aside), place, last)
    shutil.rmtree(aside) if os.path.isdir(aside) else os.unlink(aside)
    return
  old = f'{os.fspath(aside)}.old'
  swaps = os.path.isdir(aside) and place.is_dir()
  if swaps:
    os.replace(place, old)
  try:
    os.replace(aside, place)
  except OSError:
    if swaps:
      os.replace(old, place)
    raise
  if swaps:
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def atomic_write(
  path: AnyPath, binary: bool = False, marker: str = ''
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
  target = bucket_path.path(path)
  if isinstance(target, BucketPath):
    trees.refuse_folder(target)
    with staged(target) as aside, open(aside, **how) as file:
      yield file
      file.close()
    return
  place: pathlib.Path | int
  with contextlib.ExitStack() as stack:
    try:
      if through := is_stream(path):
        descriptor = _descriptor(_resolved(target))
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


def write_text(path: AnyPath, text: str) -> None:
  """Writes a UTF-8 file, whole or not at all; newlines stay as they are."""
  write_bytes(path, text.encode())


def write_bytes(path: AnyPath, content: bytes | bytearray) -> None:
  """Writes a file, whole or not at all."""
  place = bucket_path.path(path)
  if isinstance(place, BucketPath):
    objects.write(place, bytes(content))
    return
  with staged(path) as aside:
    aside.write_bytes(content)
