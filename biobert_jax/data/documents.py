"""Documents with entities: the record, its words, and reading it.

Offsets are in code points of `Document.text`, end exclusive. A file holds
plain text, one document a line, or PubTator: `id|t|title`, `id|a|abstract`
and a line for each entity, with a blank line between documents, or JSONL:
{"id", "text", "entities": [{"start", "end", "type"}, ...]} a line, with
"title_length" where there is a title. The forms that are written are in
`annotations.py`.
"""

import bisect
import contextlib
import dataclasses
import itertools
import json
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from biobert_jax.errors import InputError

Source = str | os.PathLike[str] | IO[bytes] | IO[str]

PUBTATOR_LINE = re.compile(r'([^|\t]+)\|([ta])\|')
# Raw text may hold a bar; only a number in front of it makes a PubTator file.
PUBTATOR_START = re.compile(r'[0-9]+\|[ta]\|')
# Nor does a brace alone make JSONL.
JSONL_START = re.compile(r'\s*\{\s*"(?:id|text|entities)"\s*:')


@dataclasses.dataclass(frozen=True)
class Entity:
  """One mention: `text` is the document's `text[start:end]`."""

  start: int
  end: int
  type: str
  text: str
  score: float = 1.0


@dataclasses.dataclass(frozen=True)
class Document:
  """A text with its entities.

  Attributes:
    id: Its name; the line number for plain text.
    text: The text; a PubTator title and abstract are joined by a newline.
    entities: Its mentions, in any order.
    title_length: Code points of the title, which one blank or newline
      follows; None where title and body are not told apart.
    path: The file it was read from, for error messages; never compared.
    line: The line of that file where it starts; never compared.
  """

  id: str
  text: str
  entities: tuple[Entity, ...] = ()
  title_length: int | None = None
  path: str = dataclasses.field(default='', compare=False)
  line: int = dataclasses.field(default=0, compare=False)


class _CharacterClasses(dict[int, str]):
  """Code point -> w (word), s (space), c (control) or x (stands alone)."""

  def __missing__(self, point: int) -> str:
    char = chr(point)
    category = unicodedata.category(char)
    if char.isspace():
      kind = 's'
    elif category[0] in 'LNM':
      kind = 'w'
    else:
      kind = 'c' if category in ('Cc', 'Cf') else 'x'
    self[point] = kind
    return kind


_CLASSES = _CharacterClasses()
_WORD = re.compile('w(?:[wc]*w)?|x')


def split_words(text: str) -> list[tuple[int, int]]:
  """The words of raw text, cut as the benchmark corpora are.

  Letters, digits and marks (categories L, N, M) join; white space separates;
  control and format characters (Cc, Cf) belong to a word only inside it (a
  soft hyphen), else to none; any other character is a word by itself.

  Args:
    text: Any text.

  Returns:
    (start, end) of each word, in code points, in order.
  """
  return [m.span() for m in _WORD.finditer(text.translate(_CLASSES))]


def without_overlaps(entities: Iterable[Entity]) -> list[Entity]:
  """Entities in order of start; of overlapping ones the longest is kept."""
  kept: list[Entity] = []
  for entity in sorted(entities, key=lambda e: (e.start - e.end, e.start)):
    place = bisect.bisect(kept, entity.start, key=lambda e: e.start)
    clear_before = not place or kept[place - 1].end <= entity.start
    clear_after = place == len(kept) or entity.end <= kept[place].start
    if clear_before and clear_after:
      kept.insert(place, entity)
  return kept


def tag_words(
  words: Sequence[tuple[int, int]],
  entities: Iterable[Entity],
  counts: Counter[str],
) -> list[str]:
  """BIO tags of words; an entity that ends inside a word takes all of it.

  Args:
    words: Spans from `split_words`.
    entities: Mentions of the same text; of overlapping ones the longest wins.
      An empty type gives the tags `B` and `I`; blanks in a type become `_`.
    counts: Takes `entities_widened_to_words`, `entities_without_words` and
      `entities_sharing_a_word` (dropped: the word is another entity's).

  Returns:
    One tag a word.
  """
  tags = ['O'] * len(words)
  word = 0
  for entity in without_overlaps(entities):
    while word < len(words) and words[word][1] <= entity.start:
      word += 1
    last = word
    while last < len(words) and words[last][0] < entity.end:
      last += 1
    if word == last:
      counts['entities_without_words'] += 1
      continue
    if tags[word] != 'O':
      counts['entities_sharing_a_word'] += 1
      continue
    if words[word][0] < entity.start or entity.end < words[last - 1][1]:
      counts['entities_widened_to_words'] += 1
    suffix = '-' + '_'.join(entity.type.split()) if entity.type.split() else ''
    tags[word:last] = ['B' + suffix] + ['I' + suffix] * (last - word - 1)
  return tags


def read_lines(
  source: Source, counts: Counter[str]
) -> Iterator[tuple[int, str]]:
  """The lines of a UTF-8 text, one at a time, cut at newlines only.

  A byte-order mark and the carriage return of a CRLF are taken off and
  counted (`byte_order_marks`, `crlf_lines`). Other separators (U+0085,
  U+2028, form feed) are text.

  Args:
    source: A path, `-` for standard input, or an open stream.
    counts: Takes the exceptions.

  Yields:
    (line number from 1, the line without its end).

  Raises:
    InputError: The file cannot be opened or is not UTF-8.
  """
  name = source_name(source)
  with contextlib.ExitStack() as stack:
    stream: Iterable[bytes | str]
    if source == '-':
      stream = sys.stdin.buffer
    elif isinstance(source, str | os.PathLike):
      try:
        stream = stack.enter_context(open(source, 'rb'))
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
  """What error messages call a source."""
  if isinstance(source, str | os.PathLike):
    return '<stdin>' if source == '-' else os.fspath(source)
  return str(getattr(source, 'name', '<stream>'))


def read_documents(
  source: Source, counts: Counter[str] | None = None
) -> Iterator[Document]:
  """Documents of plain text, PubTator or JSONL, read as they come.

  The first line that is not blank tells which. A document of plain text is
  named by its line number; blank lines hold none and are counted.

  Args:
    source: A path, `-` for standard input, or an open stream; any length.
    counts: Takes the exceptions, also those of `read_pubtator`, but repeated
      ids are kept here: remembering millions of them is the writer's choice.

  Yields:
    One document after another; of a plain line, no entities.

  Raises:
    InputError: With file and line: not UTF-8, or a malformed line of PubTator
      or JSONL.
  """
  counts = Counter() if counts is None else counts
  name = source_name(source)
  lines = read_lines(source, counts)
  blank: list[tuple[int, str]] = []
  jsonl = False
  for numbered in lines:
    if not numbered[1].strip():
      blank.append(numbered)
      continue
    lines = itertools.chain(blank, [numbered], lines)
    if PUBTATOR_START.match(numbered[1]):
      yield from _pubtator(lines, name, counts)
      return
    jsonl = JSONL_START.match(numbered[1]) is not None
    break
  for number, line in lines:
    if not line.strip():
      counts['blank_lines'] += 1
    elif jsonl:
      yield _json_document(line, name, number)
    else:
      yield Document(str(number), line, path=name, line=number)


def _json_document(line: str, name: str, number: int) -> Document:
  """A line of what `annotations.write_jsonl` writes."""
  try:
    row = json.loads(line)
    # Half of a surrogate pair is no text: it cannot be written anywhere.
    json.dumps(row, ensure_ascii=False).encode()
  except (ValueError, RecursionError) as error:
    what = ' '.join(str(error).split())
    raise InputError.at(name, number, f'no JSON object: {what:.80}') from error
  defaults: dict[str, Any] = {'id': number, 'text': None, 'entities': []}
  defaults['title_length'] = None
  row = defaults | (row if isinstance(row, dict) else {})
  text, entities = row['text'], row['entities']
  if not (isinstance(text, str) and isinstance(entities, list)):
    what = 'want {"id": ..., "text": "...", "entities": [...]}'
    raise InputError.at(name, number, f'{what}; got {line:.80}')
  cut = row['title_length']
  if not (cut is None or (type(cut) is int and 0 <= cut <= len(text))):
    what = f'title_length {cut!r:.80} is no place in its text'
    raise InputError.at(name, number, f'{what}: mend it or leave it out')
  kept = tuple(_json_entity(entity, text, name, number) for entity in entities)
  return Document(str(row['id']), text, kept, cut, name, number)


def _json_entity(given: Any, text: str, name: str, line: int) -> Entity:
  entity = given if isinstance(given, dict) else {}
  start, end, kind, score = (
    entity.get(key) for key in ('start', 'end', 'type', 'score')
  )
  if not (type(start) is type(end) is int and isinstance(kind, str)):
    what = 'an entity needs numbers "start" and "end" and a text "type"'
    raise InputError.at(name, line, f'{what}; got {given!r:.80}')
  if not 0 <= start < end <= len(text):
    what = f'{start} to {end} is no place in a text of {len(text)} characters'
    raise InputError.at(name, line, what)
  found = text[start:end]
  if entity.get('text', found) != found:
    what = f'offsets {start} to {end} hold {found[:60]!r}, not'
    hint = 'offsets count code points of "text"'
    raise InputError.at(name, line, f'{what} {entity["text"]!r:.60}: {hint}')
  score = score if isinstance(score, float) else 1.0
  return Entity(start, end, kind, found, score)


@dataclasses.dataclass
class PubtatorBlock:
  """The lines of one PubTator document, not yet made sense of.

  Attributes:
    id: The document's.
    line: Where it starts.
    parts: `t` and `a` -> title and abstract.
    rows: Line and fields of each entity and relation.
  """

  id: str
  line: int
  parts: dict[str, str] = dataclasses.field(default_factory=dict)
  rows: list[tuple[int, list[str]]] = dataclasses.field(default_factory=list)

  def document(self, name: str) -> Document:
    """Its text, without entities; `name` is the file's."""
    if 't' not in self.parts:
      what = f'document {self.id} has no `{self.id}|t|` line'
      raise InputError.at(name, self.line, what)
    text, abstract = self.parts['t'], self.parts.get('a', '')
    title_length = len(text) if abstract else None
    if abstract:
      text = f'{text}\n{abstract}'
    return Document(self.id, text, (), title_length, name, self.line)


def pubtator_blocks(
  lines: Iterable[tuple[int, str]], name: str
) -> Iterator[PubtatorBlock]:
  """The documents of PubTator, each with its lines.

  Args:
    lines: Of the file, as `read_lines` gives them.
    name: The file, for messages.

  Raises:
    InputError: A part that comes twice, or a line of no document.
  """
  block: PubtatorBlock | None = None
  for number, line in lines:
    match = PUBTATOR_LINE.match(line)
    if block and (not line.strip() or match and match[1] != block.id):
      yield block
      block = None
    if match:
      block = block or PubtatorBlock(match[1], number)
      if match[2] in block.parts or block.rows:
        what = f'document {block.id} has this part already'
        raise InputError.at(name, number, f'{what}: put a blank line between')
      block.parts[match[2]] = line[match.end() :]
    elif line.strip():
      fields = line.split('\t')
      if block is None or fields[0] != block.id:
        what = f'{line[:60]!r} belongs to no document: `id|t|` and `id|a|`'
        raise InputError.at(name, number, f'{what} lines come first')
      block.rows.append((number, fields))
  if block:
    yield block


def is_relation(fields: Sequence[str]) -> bool:
  """Whether the fields of a PubTator line are a relation, not an entity."""
  return len(fields) > 3 and bool(re.fullmatch(r'[A-Za-z]\w*', fields[1]))


def _pubtator(
  lines: Iterable[tuple[int, str]], name: str, counts: Counter[str]
) -> Iterator[Document]:
  for block in pubtator_blocks(lines, name):
    document = block.document(name)
    entities = []
    for number, fields in block.rows:
      if is_relation(fields):
        counts['relation_lines_skipped'] += 1
      else:
        entity = pubtator_entity(fields, document.text, name, number, counts)
        entities.append(entity)
    kept = without_overlaps(entities)
    if len(kept) < len(entities):
      counts['overlapping_mentions_dropped'] += len(entities) - len(kept)
    yield dataclasses.replace(document, entities=tuple(kept))


def flat(text: str) -> str:
  """The text with what would break a line or a column made a blank."""
  return text.translate({9: ' ', 10: ' ', 13: ' '})


def pubtator_entity(
  fields: Sequence[str], text: str, name: str, line: int, counts: Counter[str]
) -> Entity:
  """The entity of a PubTator line.

  Args:
    fields: id, start, end, mention, type, and whatever follows.
    text: Of its document.
    name: The file, for messages.
    line: Its line there.
    counts: Takes `mentions_with_trailing_blanks`.

  Raises:
    InputError: Its mention is not the text at its offsets.
  """
  if len(fields) < 5 or not all(
    re.fullmatch('[0-9]{1,9}', field) for field in fields[1:3]
  ):
    what = 'want id, start, end, mention, type, separated by tabs'
    raise InputError.at(name, line, f'{what}; got {fields!r:.80}')
  start, end, mention = int(fields[1]), int(fields[2]), fields[3]
  found = text[start:end]
  if flat(found) != mention:
    # One mention of the NCBI corpus carries blanks that its offsets leave out.
    trimmed = found.rstrip()
    if flat(trimmed) != mention.rstrip():
      what = f'offsets {start} to {end} hold {found[:60]!r}, not'
      hint = 'offsets count code points of title, one blank, abstract'
      raise InputError.at(name, line, f'{what} {mention[:60]!r}: {hint}')
    counts['mentions_with_trailing_blanks'] += 1
    found, end = trimmed, start + len(trimmed)
  if not found or end > len(text):
    what = f'{start} to {end} is no place in a text of {len(text)} characters'
    raise InputError.at(name, line, what)
  return Entity(start, end, fields[4], found)


def read_pubtator(
  path: str | os.PathLike[str], counts: Counter[str]
) -> list[Document]:
  """All documents of a PubTator file; the first of each id.

  Args:
    path: The file.
    counts: Takes `relation_lines_skipped`, `overlapping_mentions_dropped`
      (the longest is kept), `mentions_with_trailing_blanks` and
      `repeated_documents_dropped` (the NCBI training file holds one).

  Returns:
    Documents with entities, title and abstract joined by a newline.

  Raises:
    InputError: With file and line, for any other departure from the form,
      above all a mention that is not the text at its offsets.
  """
  documents: dict[str, Document] = {}
  name = source_name(path)
  for document in _pubtator(read_lines(path, counts), name, counts):
    if document.id in documents:
      counts['repeated_documents_dropped'] += 1
    documents.setdefault(document.id, document)
  return list(documents.values())
