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
_FREE = 2**24  # Bytes that may unpack before the ratio is looked at.
MAX_BYTES = 2**40  # Bytes that one file may unpack to.
MAX_LINE = 2**22  # Bytes; JSON takes up to 30 times as much memory.
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


class Stream:
  """Bytes of a file, or of a member of an archive, read once and in order.

  `name` is for error messages; `packed` says whether it was gzip.
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
    content = self._ahead or self._read(size)
    taken, self._ahead = content[:size], content[size:]
    return taken

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
    # What a pipe has, as soon as it has it.
    self._read = getattr(file, 'read1', file.read)
    self._start = self._read(1)
    self._start += self._read(1)
    self.packed = self._start == GZIP
    self.place = 0

  def read(self, size: int = -1) -> bytes:
    content = self._start or self._read(size)
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
  unpacked = 0
  with contextlib.ExitStack() as stack:
    try:
      file: Any = sys.stdin.buffer
      if source != '-':
        place = storage.local_file(source)
        file = stack.enter_context(open(place, 'rb'))
      counted = _Counted(file)
    except OSError as error:
      raise InputError(f'{name}: cannot read: {error.strerror}') from error
    packed, content = counted.packed, cast(IO[bytes], counted)
    if packed:
      content = cast(IO[bytes], gzip.GzipFile(fileobj=content))

    def read(size: int) -> bytes:
      nonlocal unpacked
      try:
        chunk = content.read(size)
      except _DAMAGED as error:
        what = f'cut or damaged after {unpacked} bytes of content ({error})'
        raise InputError(f'{name}: {what}; download it again') from error
      except OSError as error:
        raise InputError(f'{name}: cannot read: {error.strerror}') from error
      unpacked += len(chunk)
      if packed and unpacked > min(
        max(_FREE, MAX_RATIO * counted.place), MAX_BYTES
      ):
        what = f'unpacks to more than {MAX_RATIO} times its size'
        raise InputError(f'{name}: {what}; leave it out')
      return chunk

    yield Stream(name, read, packed)
