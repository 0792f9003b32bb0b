"""Files as bounded streams: gzip and tar unpacked on the way, bombs refused.

Nothing is written to disk and nothing is read whole, so that memory is the
same for any size of file. Whatever is wrong is an InputError that names it;
what came before the wrong place has been handed on by then.
"""

import contextlib
import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar, cast

from biobert_jax.errors import InputError

_T = TypeVar('_T')

CHUNK = 2**16  # Bytes read at a time.
GZIP = b'\x1f\x8b'
# PubMed and PMC unpack to 5 to 15 times their size.
MAX_RATIO = 100
_FREE = 2**24  # Bytes that may unpack before the ratio is looked at.
MAX_BYTES = 2**40  # Bytes that one file may unpack to.
MAX_LINE = 2**22  # Bytes; JSON takes up to 30 times as much memory.
_MAX_HEADER = 2**20  # Bytes that a tar header may claim for a long name.
_MAX_PADDING = 2**24  # Bytes of zeros at the end of a tar file.
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


class Stream:
  """Bytes of a file, or of a member of an archive, read once and in order.

  Attributes:
    name: What error messages call it.
    packed: Whether it was gzip and is unpacked here.
  """

  def __init__(
    self, name: str, read: Callable[[int], bytes], packed: bool = False
  ) -> None:
    self.name = name
    self.packed = packed
    self._read = read
    self._ahead = b''

  def read(self, size: int = CHUNK) -> bytes:
    """At most `size` of the next bytes, fewer at times; b'' at the end."""
    if self._ahead:
      taken, self._ahead = self._ahead[:size], self._ahead[size:]
      return taken
    return self._read(size)

  def head(self, size: int) -> bytes:
    """The next bytes, which `read` will give again; fewer at the end."""
    while len(self._ahead) < size:
      more = self._read(size - len(self._ahead))
      if not more:
        break
      self._ahead += more
    return self._ahead[:size]

  def chunks(self) -> Iterator[bytes]:
    """All bytes that are left."""
    while chunk := self.read():
      yield chunk

  def lines(self) -> IO[bytes]:
    """Lines with their ends, for `documents.read_lines`; none is too long."""
    return cast(IO[bytes], _Lines(self))


class _Lines:
  """Iterates over lines and has a name, as an open file does."""

  def __init__(self, stream: Stream) -> None:
    self.name = stream.name
    self._stream = stream

  def __iter__(self) -> Iterator[bytes]:
    rest = b''
    for number, line in enumerate(self._cut(), 1):
      rest = line
      if len(rest) > MAX_LINE:
        what = f'a line of more than {MAX_LINE} bytes: write one document a'
        raise InputError.at(self.name, number, f'{what} line, and no longer')
      yield rest

  def _cut(self) -> Iterator[bytes]:
    """Lines; of one that is too long, as much as shows that."""
    parts: list[bytes] = []
    size = 0
    for chunk in self._stream.chunks():
      *whole, last = chunk.split(b'\n')
      for piece in whole:
        parts.append(piece + b'\n')
        yield b''.join(parts)
        parts, size = [], 0
      if last:
        parts.append(last)
        size += len(last)
        if size > MAX_LINE:
          yield b''.join(parts)
          return
    if parts:
      yield b''.join(parts)


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Stream]:
  """Opens a file; gzip is told by its first bytes and unpacked.

  Raises:
    InputError: The file cannot be read, is cut or damaged, or unpacks to more
      than a corpus does; the last three while it is read.
  """
  name = os.fspath(path)
  with contextlib.ExitStack() as stack:
    try:
      file = stack.enter_context(open(path, 'rb'))
      packed = file.peek(2)[:2] == GZIP
    except OSError as error:
      raise InputError(f'{name}: cannot read: {error.strerror}') from error
    read = _plain(name, file)
    if packed:
      read = stack.enter_context(_Unpacked(name, file)).read
    yield Stream(name, read, packed)


def _plain(name: str, file: io.BufferedReader) -> Callable[[int], bytes]:
  def read(size: int) -> bytes:
    try:
      return file.read(size)
    except OSError as error:
      raise InputError(f'{name}: cannot read: {error.strerror}') from error

  return read


class _Unpacked(contextlib.AbstractContextManager['_Unpacked']):
  """A gzip file that stops before it fills a machine."""

  def __init__(self, name: str, file: io.BufferedReader) -> None:
    self._name = name
    self._file = file
    self._gzip = gzip.GzipFile(fileobj=file)
    self._bytes = 0

  def __exit__(self, *_: object) -> None:
    self._gzip.close()

  def read(self, size: int) -> bytes:
    try:
      chunk = self._gzip.read(size)
    except _DAMAGED as error:
      what = f'cut or damaged after {self._bytes} bytes of content ({error})'
      raise InputError(f'{self._name}: {what}; download it again') from error
    except OSError as error:
      what = f'{self._name}: cannot read: {error.strerror}'
      raise InputError(what) from error
    self._bytes += len(chunk)
    most = max(_FREE, MAX_RATIO * self._file.tell())
    if self._bytes > min(most, MAX_BYTES):
      what = f'unpacks to more than {MAX_RATIO} times its size'
      raise InputError(f'{self._name}: {what}, as no corpus does; leave it out')
    return chunk


def is_tar(stream: Stream) -> bool:
  """Whether a stream is a tar archive, by its first header."""
  return stream.head(262)[257:262] == b'ustar'


def members(stream: Stream) -> Iterator[tuple[str, Stream]]:
  """The plain files of a tar archive, one after another, as they come.

  Each is to be read before the next is asked for; what is not read is passed
  over. Folders and the `._NAME` that macOS adds are not handed on.

  Args:
    stream: The archive, unpacked from gzip.

  Yields:
    (name in the archive, its bytes).

  Raises:
    InputError: An archive that is cut or damaged, or a member that is a link,
      a device or sparse, or named to lie outside: archives of articles have
      none, so this one is not what it claims.
  """
  forward = _Forward(stream)
  tar = _guarded(stream.name, lambda: _open_tar(forward))
  while True:
    forward.budget = _MAX_HEADER
    member = _guarded(stream.name, tar.next)
    tar.members.clear()  # type: ignore[attr-defined]  # Else it keeps all.
    if member is None:
      break
    what = f'{stream.name}: member {member.name[:200]!r}'
    _check(what, member)
    if member.isdir() or os.path.basename(member.name).startswith('._'):
      continue
    forward.budget = None
    _guarded(stream.name, _seeker(forward, member.offset_data))
    reader = _member(what, forward, member.size)
    yield member.name, Stream(f'{stream.name}:{member.name}', reader)
  _check_end(stream, forward)


def _open_tar(forward: '_Forward') -> tarfile.TarFile:
  return tarfile.TarFile(fileobj=cast(Any, forward))


def _seeker(forward: '_Forward', place: int) -> Callable[[], int]:
  return lambda: forward.seek(place)


def _guarded(name: str, call: Callable[[], _T]) -> _T:
  """What the call returns, tarfile's many errors made one."""
  try:
    return call()
  except InputError:
    raise
  except (
    tarfile.TarError,
    EOFError,
    ValueError,
    OverflowError,
    RecursionError,
  ) as error:
    what = f'cut or damaged ({str(error)[:100]}); download it again'
    raise InputError(f'{name}: {what}') from error


class _Forward:
  """A stream with the `seek` that tarfile asks for: forwards only.

  Attributes:
    budget: Bytes that a header may still claim; None while data are read.
    block: The bytes that were read last.
  """

  def __init__(self, stream: Stream) -> None:
    self.budget: int | None = _MAX_HEADER
    self.block = b''
    self._stream = stream
    self._place = 0

  def tell(self) -> int:
    return self._place

  def read(self, size: int) -> bytes:
    if self.budget is not None:
      if not 0 <= size <= self.budget:
        raise tarfile.ReadError(f'a header claims {size} bytes')
      self.budget -= size
    parts = []
    while size and (chunk := self._stream.read(min(size, CHUNK))):
      parts.append(chunk)
      size -= len(chunk)
    self.block = b''.join(parts)
    self._place += len(self.block)
    return self.block

  def seek(self, place: int) -> int:
    left = place - self._place
    if left < 0:
      raise tarfile.ReadError('a member reaches back')
    while left and (chunk := self._stream.read(min(left, CHUNK))):
      self._place += len(chunk)
      left -= len(chunk)
    return self._place


def _check(what: str, member: tarfile.TarInfo) -> None:
  if not (member.isreg() or member.isdir()) or member.issparse():
    raise InputError(
      f'{what} is a link, a device or a sparse file, and articles are plain '
      'files; pack them with tar --dereference'
    )
  if '..' in member.name.split('/') or member.name.startswith('/'):
    raise InputError(
      f'{what} would lie outside of its folder; take the archive from a source '
      'you trust'
    )
  if member.size < 0:
    raise InputError(f'{what} has a negative size; download it again')


def _member(what: str, forward: _Forward, size: int) -> Callable[[int], bytes]:
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
