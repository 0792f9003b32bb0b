"""JSON of documents in every shape: lines, an array, one object of them all.

A shape is told by parsing, never by a key's place. Lines are read one by one,
an array element by element, so both take bounded memory.
"""

import codecs
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io import lines, streams
from biobert_jax.io.streams import Stream

# Keys by which an object is a document.
TEXTS = {'title', 'abstract', 'abstractText', 'text', 'body', 'passages'}
# Keys by which it is about questions, whatever else it has.
_QUESTIONS = {'question', 'questions', 'QUESTION', 'qas'}
_MAX_VALUE = 2**26  # Characters of one object that holds documents.
_SPACE = ' \t\r\n'
_DECODER = json.JSONDecoder()

# Half of a surrogate pair is not text: it cannot be written anywhere.
_SURROGATE = re.compile(r'\\u[dD][89a-fA-F]')

Numbered = tuple[int, Any]


class NotJsonError(ValueError):
  """A text that no further character can make JSON."""


def _decode(text: str, at: int) -> tuple[Any, int] | None:
  """A value and its end; None where the text may only be cut.

  Raises:
    NotJsonError: it is wrong before its end.
  """
  try:
    return _DECODER.raw_decode(text, at)
  except RecursionError:
    raise NotJsonError('nested too deep') from None
  except ValueError as error:
    place = getattr(error, 'pos', 0)
    # A string, an escape or a word such as `false` may be cut.
    if 'Unterminated' in str(error) or len(text) - place <= 12:
      return None
    raise NotJsonError(str(error)[:80]) from None


def first_document(stream: Stream) -> Any:
  """The first document of JSON, without reading on; None where it is too long.

  Raises:
    NotJsonError: the content is not JSON.
  """
  size = 2**12
  while True:
    head = stream.head(size)
    text = head.decode('utf-8-sig', 'ignore').lstrip()
    # The first object of an array, or all of what holds none.
    inner = text.lstrip(_SPACE + '[')
    text = inner if inner[:1] == '{' else text
    if found := _decode(text, 0):
      value, end = found
      rest = text[end:].lstrip(' \t\r')[:1]
      if rest and rest not in '\n,]{':
        raise NotJsonError('text stands behind it')
      return next(_documents(value), value)
    if len(head) < size:
      raise NotJsonError('it ends within a value')
    if size >= streams.MAX_LINE:
      return None
    size *= 4


def is_about_questions(value: Any) -> bool:
  """Whether an object is a record of a corpus of questions."""
  inner = [one for one in value.values() if isinstance(one, dict)]
  paragraphs = value.get('paragraphs') or [{}]
  is_squad = isinstance(paragraphs, list) and _are_objects(paragraphs[:1])
  return (
    is_squad
    and 'qas' in paragraphs[0]
    or any(one.keys() & _QUESTIONS for one in (value, *inner[:1]))
  )


def records(stream: Stream, counts: Counter[str]) -> Iterator[Numbered]:
  """(line, object) of each document; a document's own shape is the reader's.

  Yielded are the elements of arrays, and what an object without text holds: one
  list of objects (`{"documents": [...]}`), or objects by their id. Blank lines
  are counted.

  Raises:
    InputError: not JSON, with the line; or an object of more than 64 MB.
  """
  rows = lines.read_lines(stream.lines(), counts)
  if not _is_lines(stream):
    yield from _values(stream)
    return
  for number, line in rows:
    if not line.strip():
      counts['blank_lines'] += 1
      continue
    try:
      value = json.loads(line)
      _check_characters(value, line)
    except (ValueError, RecursionError) as error:
      said = ' '.join(str(error).split())
      what = f'not JSON ({said:.80}): write one object a line'
      raise InputError.at(stream.name, number, what) from error
    yield from ((number, one) for one in _documents(value))


def _is_lines(stream: Stream) -> bool:
  """Whether the first line that is not blank is a value by itself."""
  size = 2**12
  while True:
    head = stream.head(size)
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    line, newline, _ = start.partition(b'\n')
    if newline or len(head) < size:
      try:
        return isinstance(json.loads(line), dict)
      except (ValueError, RecursionError):
        # One broken line, or the first of several that make a value?
        return line.rstrip()[-1:] not in b'[{,:' and b'"' in line
    if size > streams.MAX_LINE:  # Collections of BioC stand on one line.
      return not re.match(
        rb'\[|.{,65536}"(?:documents|passages|resultList)"', start
      )
    size *= 4


def _check_characters(value: Any, text: str) -> None:
  """A UnicodeEncodeError: a string of the value has half a character."""
  if _SURROGATE.search(text):
    json.dumps(value, ensure_ascii=False).encode()


def _documents(value: Any) -> Iterator[Any]:
  """The documents in a value; itself where it holds none."""
  if isinstance(value, list):
    yield from itertools.chain.from_iterable(map(_documents, value))
    return
  if not isinstance(value, dict) or value.keys() & TEXTS:
    yield value
    return
  if isinstance(found := value.get('resultList'), dict):  # Of Europe PMC.
    for row in _documents(found.get('result')):
      yield {'abstractText': '', **row} if isinstance(row, dict) else row
    return
  inner = list(value.values())
  lists = [one for one in inner if _are_objects(one)]
  if len(lists) == 1 and not value.keys() & _QUESTIONS:
    yield from itertools.chain.from_iterable(map(_documents, lists[0]))
  elif _are_objects(inner) and all(one.keys() & TEXTS for one in inner):
    yield from ({'id': id, **one} for id, one in value.items())
  else:
    yield value


def _are_objects(value: Any) -> bool:
  is_list = isinstance(value, list) and bool(value)
  return is_list and all(isinstance(one, dict) for one in value)


def _values(stream: Stream) -> Iterator[Numbered]:
  """(line, document) of values that span lines, and of arrays' elements."""
  decode = codecs.getincrementaldecoder('utf-8-sig')().decode
  text, at, line, depth, ended = '', 0, 1, 0, False
  while True:
    start = at  # White space, and the commas and brackets of arrays.
    while at < len(text) and text[at] in _SPACE + '[],':
      depth += (text[at] == '[') - (text[at] == ']')
      at += 1
    line += text.count('\n', start, at)
    try:
      found = _decode(text, at) if at < len(text) else None
      if found:
        _check_characters(found[0], text[at : found[1]])
    except ValueError as error:
      what = f'not JSON ({error}): fix it, or write one object a line'
      raise InputError.at(stream.name, line, what) from error
    if found is not None:
      yield from ((line, one) for one in _documents(found[0]))
      line += text.count('\n', at, found[1])
      at = found[1]
      continue
    if ended:
      if at < len(text) or depth:
        what = 'not JSON: it is cut; download it again'
        raise InputError.at(stream.name, line, what)
      return
    text, at = text[at:], 0
    if len(text) > _MAX_VALUE:
      what = 'an object of more than 64 MB: write one document a line'
      raise InputError.at(stream.name, line, what)
    # Twice as much each time, so that long values stay linear.
    wanted = max(streams.CHUNK, 2 * len(text))
    chunks = []
    while wanted > 0 and (chunk := stream.read()):
      chunks.append(chunk)
      wanted -= len(chunk)
    ended = wanted > 0
    try:
      text += decode(b''.join(chunks), ended)
    except UnicodeDecodeError as error:
      what = f'byte {error.object[error.start]:#04x} is not UTF-8: convert'
      raise InputError.at(stream.name, line, f'{what} the file') from error
