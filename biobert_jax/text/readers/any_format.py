"""Raw corpora of any kind: one reader for PubMed, PMC, text and JSON lines.

What a file is, its first bytes say; a name that says otherwise is an error.
Files are read as streams. What is dropped or fixed is counted by name.
"""

import glob
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io import streams, tar_archives
from biobert_jax.io.lines import Source, read_lines, source_name
from biobert_jax.io.streams import Stream
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers import jats, jsonl, pubmed, xml_stream
from biobert_jax.text.readers.article import (
  Article,
  Deletion,
  Notes,
  Options,
  Reading,
  Section,
  clean,
)
from biobert_jax.text.readers.pubtator import PUBTATOR_START, iter_pubtator

# What a file is, in words, and how its name may end, without .gz.
_KINDS = {
  'pubmed': ('PubMed XML', ('.xml',)),
  'jats': ('JATS XML', ('.xml', '.nxml')),
  'json': ('JSON lines', ('.jsonl', '.json', '.ndjson')),
  'text': ('plain text', ('.txt', '.text')),
  'tar': ('a tar archive', ('.tar', '.tgz')),
}
_MARKUP = re.compile(rb'<(?:\?xml|!DOCTYPE|Pubmed|Medline|article\b)')
_HEAD = 2**12  # Bytes by which plain text is told.
_MAX_SENTENCES = 2**17  # Of one document of plain text.


def expand_globs(patterns: Sequence[str]) -> list[str]:
  """The files that paths or patterns (`**` too) name, sorted, each once.

  An InputError: a pattern names no file; a folder is none.
  """
  found: set[str] = set()
  for pattern in patterns:
    paths = [pattern] if os.path.exists(pattern) else []
    paths = paths or glob.glob(pattern, recursive=True)
    files = [path for path in paths if not os.path.isdir(path)]
    if not files:
      folder = f'name its files: {pattern.rstrip("/")}/*'
      hint = folder if paths else 'check the path'
      raise InputError(f'--input {pattern!r}: no file matches; {hint}')
    found.update(files)
  return sorted(found)


def short_names(paths: Sequence[str]) -> dict[str, str]:
  """Path -> the end of it that no other path has.

  The ids of texts that state none are made of it: they stay the same where a
  corpus is moved as a whole.
  """
  names: dict[str, str] = {}
  left, length = list(paths), 0
  while left:
    length += 1
    ends = {path: '/'.join(path.split('/')[-length:]) for path in left}
    count = Counter(ends.values())
    names |= ends
    left = [path for path in left if count[ends[path]] > 1]
  return names


def documents(article: Article) -> Iterator[tuple[str, tuple[str, ...]]]:
  """(id, paragraphs) of an article's documents.

  Under the article's id stand its title and abstract, the title being a
  paragraph; under `id#1`, `id#2`, ... a section, its heading first.
  """
  for index, section in enumerate(article.sections):
    heading = (section.heading,) if section.heading else ()
    if section.paragraphs:
      name = f'{article.id}#{index}' if index else article.id
      yield name, heading + section.paragraphs


def read_file(
  path: str | os.PathLike[str],
  counts: Counter[str],
  notes: Notes,
  options: Options = Options(),  # noqa: B008  # It is frozen.
  name: str | None = None,
) -> Iterator[Article | Deletion]:
  """Articles of one file of any kind, in its order.

  Args:
    path: PubMed XML, JATS, JSON lines, plain text, or a tar of JATS; each
      may be packed by gzip.
    counts: takes what was read, fixed and dropped; articles that BERT's English
      vocabulary would take apart letter by letter are `not_latin_script`.
    notes: takes reason and id of every record dropped, and some others.
    options: what is wanted.
    name: what ids are made of where the file states none; the file's name.

  Raises:
    InputError: damaged, not what its name says, or endless; yielded first is
      what is there before it.
  """
  path = os.fspath(path)
  reading = Reading(name or PurePosixPath(path).name, counts, notes, options)
  readers = {'tar': _archive, 'json': jsonl.read, 'text': _plain_text}
  with streams.open_stream(path) as stream:
    read = readers.get(_kind(stream, path), _xml)
    for one in read(stream, reading):
      if isinstance(one, Deletion):
        yield one
      elif _is_latin(one):
        counts['articles'] += 1
        yield one
      else:
        reading.drop('not_latin_script', one.id)


def _kind(stream: Stream, path: str) -> str:
  """The format of the content, which the name must not contradict."""
  stem = path.lower()
  if stem.endswith(('.gz', '.tgz')) and not stream.packed:
    what = 'is not packed by gzip as its name says: rename it, or download it'
    raise InputError(f'{path}: {what} again; it begins with {_shown(stream)}')
  stem = stem.removesuffix('.gz')
  ending = os.path.splitext(stem)[1]
  said = [kind for kind, (_, endings) in _KINDS.items() if ending in endings]
  kind = _content(stream, path, said == ['text'])
  if said and kind not in said:
    names = ' or '.join(_KINDS[one][0] for one in sorted(said))
    what = f'is named as {names}, but holds {_KINDS[kind][0]}: rename it'
    raise InputError(f'{path}: {what}; it begins with {_shown(stream)}')
  return kind


def _content(stream: Stream, path: str, text: bool) -> str:
  """The format; `text` says that the file is named as plain text."""
  head = stream.head(_HEAD)
  start = head.removeprefix(b'\xef\xbb\xbf').lstrip()
  if not head:
    raise InputError(f'{path}: the file is empty; download it again')
  if head.startswith(streams.GZIP):
    raise InputError(f'{path}: packed by gzip twice: unpack it once')
  if tar_archives.is_tar(stream):
    return 'tar'
  if re.match(rb'(?i)<(?:!doctype\s+)?html\b', start):
    what = 'a web page, not a corpus: the download failed'
    raise InputError(f'{path}: {what}; it begins with {_shown(stream)}')
  if start[:1] == b'<' and (not text or _MARKUP.match(start)):
    root = xml_stream.root(stream)
    if root in pubmed.ROOTS | jats.ROOTS:
      return 'pubmed' if root in pubmed.ROOTS else 'jats'
    what = f'XML of <{root[:60]}>, and want PubmedArticleSet or article'
    raise InputError(f'{path}: {what}: leave the file out')
  if start[:1] in (b'{', b'[') and (not text or _is_object(start)):
    return 'json'
  # A character may be cut at the end.
  if b'\0' in head or '\ufffd' in head[:-4].decode(errors='replace')[:-1]:
    what = 'neither XML, JSON lines, tar nor text in UTF-8'
    raise InputError(f'{path}: {what}; it begins with {_shown(stream)}')
  return 'text'


def _is_object(start: bytes) -> bool:
  try:
    return isinstance(json.loads(start.split(b'\n')[0]), dict)
  except (ValueError, RecursionError):
    return False


def _shown(stream: Stream) -> str:
  return repr(stream.head(40)[:40])[1:]


def _xml(stream: Stream, reading: Reading) -> Iterator[Article | Deletion]:
  if xml_stream.root(stream) in pubmed.ROOTS:
    return pubmed.read(stream, reading)
  return jats.read(stream, reading)


def _archive(stream: Stream, reading: Reading) -> Iterator[Article | Deletion]:
  """Articles of the XML files in a tar archive."""
  for member, _, content in tar_archives.members(stream):
    if not member.lower().endswith(('.xml', '.nxml')):
      reading.counts['archive_members_skipped'] += 1
      continue
    reading.counts['files_in_archives'] += 1
    kind = _content(content, content.name, False)
    if kind not in ('jats', 'pubmed'):
      what = f'is named as XML, but holds {_KINDS[kind][0]}: leave it out'
      raise InputError(f'{content.name}: {what}')
    name = f'{reading.name}/{PurePosixPath(member).name}'
    yield from _xml(content, reading._replace(name=name))


def _plain_text(stream: Stream, reading: Reading) -> Iterator[Article]:
  """Documents of one sentence per line, blank lines between them."""
  counts = reading.counts
  lines: list[str] = []
  size = 0
  ordinal = 0
  # A blank line ends the last document too.
  rows = itertools.chain(read_lines(stream.lines(), counts), [(0, '')])
  for number, line in rows:
    line = clean(line, counts)
    if line:
      size += len(line)
      lines.append(line)
      if size > xml_stream.MAX_TEXT or len(lines) > _MAX_SENTENCES:
        what = 'a document of more than any article: put blank lines between'
        raise InputError.at(stream.name, number, f'{what} documents')
    elif lines:
      ordinal += 1
      counts['text_documents'] += 1
      sections = (Section('', tuple(lines)),)
      yield Article(f'{reading.name}:{ordinal}', 1, sections, stream.name, True)
      lines, size = [], 0


# Letters that are not of the Latin script, phonetic or Greek: the last two
# stand in English texts.
_FOREIGN = re.compile('[\u0400-\u1cff\u2c00-\u2dff\u3040-\ud7ff\uf900-\ufaff]')


def _is_latin(article: Article) -> bool:
  """Whether most of the text is in letters that English has."""
  foreign = letters = 0
  for text in (one for part in article.sections for one in part.paragraphs):
    letters += len(text)
    # Such letters take two bytes or three.
    if not text.isascii() and len(text.encode()) > 1.2 * len(text):
      foreign += len(_FOREIGN.findall(text))
  return 3 * foreign <= letters


# Nor does a brace alone make JSONL.
JSONL_START = re.compile(r'\s*\{\s*"(?:id|text|entities)"\s*:')


def read_documents(
  source: Source, counts: Counter[str] | None = None
) -> Iterator[Document]:
  """Documents of plain text, PubTator or JSONL, read as they come.

  The first line that is not blank tells which. A document of plain text is
  named by its line number; blank lines hold none and are counted. Repeated ids
  are kept: remembering millions of them is the writer's choice.

  Raises:
    InputError: not UTF-8, or a malformed line of PubTator or JSONL.
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
      yield from iter_pubtator(lines, name, counts)
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
  """A line of `documents.write_jsonl`."""
  try:
    row = json.loads(line)
    # Half of a surrogate pair is not text: it cannot be written anywhere.
    json.dumps(row, ensure_ascii=False).encode()
  except (ValueError, RecursionError) as error:
    what = ' '.join(str(error).split())
    raise InputError.at(name, number, f'no JSON object: {what:.80}') from error
  row = row if isinstance(row, dict) else {}
  text, entities = row.get('text'), row.get('entities', [])
  if not (isinstance(text, str) and isinstance(entities, list)):
    what = 'want {"id": ..., "text": "...", "entities": [...]}'
    raise InputError.at(name, number, f'{what}; got {line:.80}')
  cut = row.get('title_length')
  if not (cut is None or (type(cut) is int and 0 <= cut <= len(text))):
    what = f'title_length {cut!r:.80} is not inside its text'
    raise InputError.at(name, number, f'{what}: fix it or leave it out')
  kept = tuple(_json_entity(entity, text, name, number) for entity in entities)
  return Document(str(row.get('id', number)), text, kept, cut, name, number)


def _json_entity(given: Any, text: str, name: str, line: int) -> Entity:
  entity = given if isinstance(given, dict) else {}
  start, end, kind = map(entity.get, ('start', 'end', 'type'))
  if not (type(start) is type(end) is int and isinstance(kind, str)):
    what = 'an entity needs numbers "start" and "end" and a text "type"'
    raise InputError.at(name, line, f'{what}; got {given!r:.80}')
  if not 0 <= start < end <= len(text):
    what = f'{start} to {end} is not inside a text of {len(text)} characters'
    raise InputError.at(name, line, what)
  found = text[start:end]
  if entity.get('text', found) != found:
    what = f'offsets {start} to {end} hold {found[:60]!r}, not'
    hint = 'offsets count code points of "text"'
    raise InputError.at(name, line, f'{what} {entity["text"]!r:.60}: {hint}')
  score = entity.get('score')
  score = score if isinstance(score, float) else 1.0
  return Entity(start, end, kind, found, score)
