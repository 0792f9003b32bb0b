"""Tar archives, read as a stream: every member is a plain file and is bounded.

Everything that is not a plain file inside the archive's own folder is refused,
by stricter rules than those of `tarfile.data_filter`, which allows links.
"""

import contextlib
import os
import tarfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from biobert_jax.errors import InputError
from biobert_jax.io.streams import CHUNK, Stream

_MAX_HEADER = 2**20  # Bytes that a header may claim for a long name.
_MAX_PADDING = 2**24  # Bytes of zeros at the end of an archive.
_FREE = 2**24  # Bytes of gzip: plain figures, say, unpack to a thousand times.


class Member(NamedTuple):
  """A plain file of an archive."""

  name: str  # Relative to the archive's folder, with slashes.
  size: int  # Its bytes, as the header claims them.
  stream: Stream  # To be read before the next member is taken.


def is_tar(stream: Stream) -> bool:
  """Whether a stream is a tar archive, by its first header."""
  return stream.head(262)[257:262] == b'ustar'


def members(stream: Stream) -> Iterator[Member]:
  """The plain files of a tar archive that is unpacked, as they come.

  Content that is not read is passed over. Folders and the `._NAME` that macOS
  adds are not handed on. An InputError: an archive that is cut or damaged, or a
  member that is no plain file, or would lie outside of the archive's folder.
  """
  stream.free = _FREE
  forward = _Forward(stream)
  with _guarded(stream.name):
    tar = tarfile.TarFile(fileobj=cast(Any, forward))
  while True:
    forward.budget = _MAX_HEADER
    with _guarded(stream.name):
      member = tar.next()
    tar.members.clear()  # type: ignore[attr-defined]  # Else it keeps all.
    tar.pax_headers.clear()  # type: ignore[attr-defined]
    if member is None:
      break
    what = f'{stream.name}: member {member.name[:200]!r}'
    name = _checked_name(what, member)
    if member.isdir() or os.path.basename(name).startswith('._'):
      continue
    forward.budget = None
    with _guarded(stream.name):
      forward.seek(member.offset_data)
    read = _reader(what, forward, member.size)
    content = Stream(f'{stream.name}:{member.name}', read)
    yield Member(name, member.size, content)
  _check_end(stream, forward)


@contextlib.contextmanager
def _guarded(name: str) -> Iterator[None]:
  """Makes tarfile's many errors one."""
  try:
    yield
  except InputError:
    raise
  except (
    *(tarfile.TarError, EOFError, ValueError),
    *(OverflowError, RecursionError),
  ) as error:
    what = f'cut or damaged ({str(error)[:100]}); download it again'
    raise InputError(f'{name}: {what}') from error


class _Forward:
  """A stream with the `seek` that tarfile asks for: forwards only."""

  def __init__(self, stream: Stream) -> None:
    # Bytes that a header may still claim; None while data are read.
    self.budget: int | None = _MAX_HEADER
    self.block = b''  # What was read last.
    self._stream = stream
    self._place = 0

  def tell(self) -> int:
    return self._place

  def read(self, size: int) -> bytes:
    if self.budget is not None:
      if not 0 <= size <= self.budget:
        raise tarfile.ReadError(f'a header claims {size} bytes')
      self.budget -= size
    self.block = b''.join(self._chunks(size))
    return self.block

  def seek(self, place: int) -> int:
    if place < self._place:
      raise tarfile.ReadError('a member reaches back')
    for _ in self._chunks(place - self._place):
      pass
    return self._place

  def _chunks(self, left: int) -> Iterator[bytes]:
    while left and (chunk := self._stream.read(min(left, CHUNK))):
      self._place += len(chunk)
      left -= len(chunk)
      yield chunk


def _checked_name(what: str, member: tarfile.TarInfo) -> str:
  """The name of a plain file or folder, below the archive's folder."""
  if not (member.isreg() or member.isdir()) or member.issparse():
    raise InputError(
      f'{what} is a link, a device or a sparse file, and only plain files are '
      'read; pack them with tar --dereference'
    )
  parts = member.name.split('/')
  if '..' in parts or member.name.startswith('/') or '\\' in member.name:
    problem = f'{what} would lie outside of its folder'
    raise InputError(f'{problem}; take the archive from a source you trust')
  if member.size < 0:
    raise InputError(f'{what} has a negative size; download it again')
  name = '/'.join(part for part in parts if part not in ('', '.'))
  if '\0' in name or not (name or member.isdir()):
    raise InputError(f'{what} has no usable name; download the archive again')
  return name


def _reader(what: str, forward: _Forward, size: int) -> Callable[[int], bytes]:
  left = size

  def read(wanted: int) -> bytes:
    nonlocal left
    chunk = forward.read(min(wanted, left))
    if left and not chunk:
      raise InputError(f'{what} is cut; download the archive again')
    left -= len(chunk)
    return chunk

  return read


def _check_end(stream: Stream, forward: _Forward) -> None:
  """Raises unless the archive ends as one does; gzip checks its sum here."""
  # tarfile stops without a word at a cut between members and at a header that
  # is damaged: then the block that it saw last is no block of zeros.
  if forward.block != bytes(tarfile.BLOCKSIZE):
    what = 'cut or damaged between two members; download it again'
    raise InputError(f'{stream.name}: {what}')
  padding = 0
  for chunk in stream.chunks():
    padding += len(chunk)
    if padding > _MAX_PADDING or any(chunk):
      what = 'something follows the end of the archive; download it again'
      raise InputError(f'{stream.name}: {what}')
