"""Files as bounded streams: gzip is unpacked on the way, bombs are refused.

Whatever is wrong is an InputError that names it; what came before the wrong
place has been handed on by then.
"""

import contextlib
import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, cast

from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.lines import Source, source_name

CHUNK = 2**16  # Bytes read at a time.
GZIP = b'\x1f\x8b'
# PubMed and PMC unpack to 5 to 15 times their size.
MAX_RATIO = 100
_FREE = 2**20
_PACKED_CHUNK = 2**10  # Packed bytes taken at a time: the ratio is of them.
MAX_BYTES = 2**40  # Bytes that one file may unpack to.
MAX_LINE = 2**22  # Bytes; JSON takes up to 30 times as much memory.
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


class _BombError(InputError):
  """A file unpacks to more than any corpus does."""


class Stream:
  """Bytes of a file, or of a member of an archive, read once and in order.

  `name` is for error messages; `packed` says whether it was gzip. So many
  bytes as `free` says may unpack before their ratio is looked at.
  """

  def __init__(
    self, name: str, read: Callable[[int], bytes], packed: bool = False
  ) -> None:
    self.name = name
    self.packed = packed
    self.free = _FREE
    self._read = read
    self._ahead, self._taken = b'', 0  # Bytes read, and how many are given.

  def read(self, size: int = CHUNK) -> bytes:
    """At most `size` of the next bytes, fewer at times; b'' at the end."""
    self._ahead = self._ahead or self._read(size)
    given = self._ahead[self._taken : self._taken + size]
    self._taken += len(given)
    if self._taken == len(self._ahead):
      self._ahead, self._taken = b'', 0
    return given

  def head(self, size: int) -> bytes:
    """The next bytes, which `read` will give again; fewer at the end."""
    parts = [self._ahead[self._taken :]]
    missing = size - len(parts[0])
    try:
      while missing > 0 and (more := self._read(min(missing, CHUNK))):
        parts.append(more)
        missing -= len(more)
    finally:  # What came before damage is read all the same.
      self._ahead, self._taken = b''.join(parts), 0
    return self._ahead[:size]

  def chunks(self) -> Iterator[bytes]:
    """All bytes that are left."""
    if self.packed:  # A bomb is told before its first record, not damage.
      try:
        self.head(_FREE + 1)
      except _BombError:
        raise
      except InputError:
        pass
    while chunk := self.read():
      yield chunk

  def lines(self) -> IO[bytes]:
    """Lines with their ends, for `io.lines.read_lines`; none is too long."""
    return cast(IO[bytes], self)

  def __iter__(self) -> Iterator[bytes]:
    for number, line in enumerate(self._cut(), 1):
      if len(line) > MAX_LINE:
        what = f'a line of more than {MAX_LINE} bytes: write one document a'
        raise InputError.at(self.name, number, f'{what} line, and no longer')
      yield line

  def _cut(self) -> Iterator[bytes]:
    """Lines; of one that is too long, as much as shows that."""
    begun = b''
    for chunk in self.chunks():
      *whole, begun = (begun + chunk).split(b'\n')
      yield from (line + b'\n' for line in whole)
      if len(begun) > MAX_LINE:
        break
    if begun:
      yield begun


class _Counted:
  """A file that counts the bytes it gave; a pipe cannot tell its place."""

  def __init__(self, file: Any) -> None:
    """Takes the first two bytes, which `read` will give again."""
    # What a pipe has, as soon as it has it.
    self._read = getattr(file, 'read1', file.read)
    self._start = self._read(1)
    self._start += self._read(1)
    self.packed = self._start == GZIP
    self.place = 0

  def read(self, size: int = -1) -> bytes:
    step = min(size, _PACKED_CHUNK) if self.packed else size
    content = self._start or self._read(step)
    self._start = b''
    self.place += len(content)
    return content


def _of_lines(name: str, lines: Iterable[str | bytes]) -> Stream:
  """A stream of lines that are there or come, which are never packed."""
  encoded = (one.encode() if isinstance(one, str) else one for one in lines)
  return Stream(name, lambda _: next(encoded, b''))


@contextlib.contextmanager
def open_stream(source: Source) -> Iterator[Stream]:
  """Opens a file; gzip is told by its first bytes and unpacked.

  `-` is standard input; lines may be given in place of a file. An InputError:
  the file cannot be read, is cut or damaged, or unpacks to more than a corpus
  does; the last three while it is read.
  """
  name = source_name(source)
  if not isinstance(source, str | os.PathLike):
    yield _of_lines(name, source)
    return
  with contextlib.ExitStack() as stack:
    try:
      file: Any = sys.stdin.buffer
      if source != '-':
        place = storage.local_file(source)
        file = stack.enter_context(open(place, 'rb'))
      counted = _Counted(file)
    except OSError as error:
      raise InputError(f'{name}: cannot read: {error.strerror}') from error
    yield _content(name, counted)


def unpacked(stream: Stream) -> Stream:
  """A member of an archive; one that is gzip is unpacked on the way, too."""
  if stream.head(2) != GZIP:
    return stream
  return _content(stream.name, _Counted(stream))


def _content(name: str, counted: _Counted) -> Stream:
  """What a file holds, unpacked, within the bounds."""
  packed, content = counted.packed, cast(IO[bytes], counted)
  if packed:
    content = cast(IO[bytes], gzip.GzipFile(fileobj=content))
  total = 0
  failure: InputError | None = None

  def read(size: int) -> bytes:
    nonlocal total, failure
    if failure:
      raise failure
    try:
      chunk = content.read(size)
    except _DAMAGED as error:
      what = f'cut or damaged after {total} bytes of content ({error})'
      failure = InputError(f'{name}: {what}; download it again')
      raise failure from error
    except OSError as error:
      raise InputError(f'{name}: cannot read: {error.strerror}') from error
    total += len(chunk)
    most = min(max(stream.free, MAX_RATIO * counted.place), MAX_BYTES)
    if packed and total > most:
      what = f'unpacks to more than {MAX_RATIO} times its size'
      raise _BombError(f'{name}: {what}; leave it out')
    return chunk

  stream = Stream(name, read, packed)
  return stream
