"""Text read whole, or line by line, with the faults of its encoding."""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO

from biobert_jax.errors import InputError
from biobert_jax.io import storage

Source = str | os.PathLike[str] | IO[bytes] | IO[str]


def read_lines(
  source: Source, counts: Counter[str]
) -> Iterator[tuple[int, str]]:
  """The lines of a UTF-8 text, one at a time, cut at newlines only.

  A byte-order mark and the carriage return of a CRLF are taken off and
  counted (`byte_order_marks`, `crlf_lines`). Other separators (U+0085,
  U+2028, form feed) are text.

  Yields:
    (line number from 1, the line without its end).

  Raises:
    InputError: the file cannot be opened or is not UTF-8.
  """
  name = source_name(source)
  with contextlib.ExitStack() as stack:
    stream: Iterable[bytes | str]
    if source == '-':
      stream = sys.stdin.buffer
    elif isinstance(source, str | os.PathLike):
      try:
        place = storage.local_file(source)
        stream = stack.enter_context(open(place, 'rb'))
      except OSError as error:
        raise InputError(f'{name}: cannot read: {error.strerror}') from error
    else:
      stream = source
    for number, raw in enumerate(stream, 1):
      try:
        line = raw.decode() if isinstance(raw, bytes) else raw
      except UnicodeDecodeError as error:
        what = f'byte {error.object[error.start]:#04x} is not UTF-8: convert'
        raise InputError.at(name, number, f'{what} the file') from error
      if number == 1 and line.startswith('\ufeff'):
        line = line[1:]
        counts['byte_order_marks'] += 1
      line = line.removesuffix('\n')
      if line.endswith('\r'):
        line = line[:-1]
        counts['crlf_lines'] += 1
      yield number, line


def source_name(source: Source) -> str:
  """The name of a source in error messages."""
  if isinstance(source, str | os.PathLike):
    return '<stdin>' if source == '-' else os.fspath(source)
  return str(getattr(source, 'name', '<stream>'))


def read_text(path: str) -> str:
  """The text of a UTF-8 file ('-': stdin) without a BOM; else an InputError."""
  try:
    if path == '-':
      content = sys.stdin.buffer.read()
    else:
      with open(storage.local_file(path), 'rb') as file:
        content = file.read()
  except OSError as error:
    what = f'{path}: cannot be read ({error.strerror}); name a file that can'
    raise InputError(what) from error
  try:
    return content.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    line = content.count(b'\n', 0, error.start) + 1
    what = 'is not UTF-8; convert the file with iconv'
    raise InputError.at(path, line, what) from error
