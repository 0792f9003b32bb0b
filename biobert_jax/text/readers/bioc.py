"""BioC, XML and JSON: collections of documents of passages with annotations.

Both forms are read into the layout of BioC's JSON. Offsets count in code points
from the start of the document, so a passage's own are taken off first.
https://bioc.sourceforge.net and https://www.ncbi.nlm.nih.gov/research/bionlp
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io.streams import Stream
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers import article, json_stream, xml_stream

ROOTS = {'collection'}

_MAX_GAP = 8  # Characters between passages that are made up as blanks.
# Kinds of passages that no sentence is learned from, by what is counted.
_DROPPED = {
  'references_dropped': ('REF', 'ref'),
  'tables_dropped': ('TABLE', 'table'),
  'figures_dropped': ('FIG', 'fig'),
  'footnotes_dropped': ('footnote', 'FOOTNOTE'),
  'supplements_dropped': ('SUPPL', 'suppl'),
  'boilerplate_sections_dropped': (
    *('COMP_INT', 'ACK_FUND', 'AUTH_CONT', 'ABBR', 'KEYWORD', 'REVIEW_INFO'),
  ),
}

Record = dict[str, Any]  # A document of BioC's JSON.


def read(
  stream: Stream, reading: article.Reading, is_xml: bool
) -> Iterator[Document]:
  """The documents of a file of one collection or, in JSON, several."""
  for number, record in _records(stream, reading, is_xml):
    yield document_of(record, stream.name, number, reading)


def _records(
  stream: Stream, reading: article.Reading, is_xml: bool
) -> Iterator[tuple[int, Record]]:
  """(line, of XML the ordinal, and the record) of each document."""
  if is_xml:
    found = xml_stream.parse(stream, _Target(), reading.counts)
    yield from enumerate(found, 1)
    return
  for number, record in json_stream.records(stream, reading.counts):
    if not isinstance(record, dict) or 'passages' not in record:
      what = 'want BioC: an object with "passages"; got'
      shown = json.dumps(record)[:60]
      raise InputError.at(stream.name, number, f'{what} {shown}')
    yield number, record


class _Target:
  """Gathers one document after another in the layout of BioC's JSON."""

  def __init__(self) -> None:
    self.found: list[Record] = []
    self._open: list[Record] = [{}]
    self._inline = xml_stream.Inline()
    self._key = ''  # Of the infon that is open.

  def close(self) -> None:
    """lxml asks for it."""

  def start(self, tag: str, attributes: dict[str, str]) -> None:
    self._inline.count_tag()
    self._inline.take()
    if tag == 'infon':
      self._key = attributes.get('key', '')
    elif tag in ('location', 'node'):
      self._open[-1].setdefault(f'{tag}s', []).append(dict(attributes))
    elif tag in (
      *('document', 'passage', 'sentence', 'annotation', 'relation'),
    ):
      one: Record = {'infons': {}, **attributes}
      self._open[-1].setdefault(f'{tag}s', []).append(one)
      self._open.append(one)

  def data(self, text: str) -> None:
    self._inline.add(text)

  def end(self, tag: str) -> None:
    text, one = self._inline.take(), self._open[-1]
    if tag == 'infon':
      one.setdefault('infons', {})[self._key] = text
    elif tag in ('id', 'offset', 'text'):
      one[tag] = text
    elif tag in ('passage', 'sentence', 'annotation', 'relation'):
      self._open.pop()
    elif tag == 'document':
      self.found.append(self._open.pop())
      self._open = [{}]
      self._inline.next_record()


def document_of(
  record: Record, path: str, line: int, reading: article.Reading
) -> Document:
  """A document with the entities of its passages, at offsets in its text."""
  name = str(record.get('id') or reading.number(line))
  text, entities, cut = '', list[Entity](), None
  for passage in _objects(record, 'passages'):
    base = _offset(passage, name, path)
    if not isinstance(passage.get('text'), str):
      sentences = _objects(passage, 'sentences')
      body = _joined(sentences, base, name, path)
    else:
      body = passage['text']
    gap = max(0, base - len(text)) if text else 0
    if text:
      text += '\n' + ' ' * (gap - 1 if gap <= _MAX_GAP else 0)
    start = len(text)
    text += body
    if _is_title(passage) and not start:
      cut = len(body)
    inside = (passage, *_objects(passage, 'sentences'))
    rows = [row for part in inside for row in _objects(part, 'annotations')]
    for row in rows:
      if entity := _entity(row, text, start - base, name, path, reading):
        entities.append(entity)
  parts = (record, *_objects(record, 'passages'))
  skipped = sum(len(_objects(part, 'relations')) for part in parts)
  if skipped:
    reading.counts['relation_lines_skipped'] += skipped
  return Document(
    name,
    text,
    tuple(entities),
    cut if cut and cut < len(text) else None,
    path=path,
    line=line,
  )


def _objects(record: Record, key: str) -> list[Record]:
  """The objects of a list that may be missing."""
  found = record.get(key)
  return [one for one in found or () if isinstance(one, dict)]


def _infon(record: Record, key: str) -> str:
  infons = record.get('infons')
  return str(infons.get(key) or '') if isinstance(infons, dict) else ''


def _offset(record: Record, name: str, path: str) -> int:
  given = record.get('offset', 0)
  if isinstance(given, int | str) and str(given).strip().isdecimal():
    return int(given)
  what = f'document {name}: offset {given!r:.40} is no number: fix it'
  raise InputError(f'{path}: {what}')


def _joined(sentences: list[Record], base: int, name: str, path: str) -> str:
  """The text of a passage that only its sentences have."""
  text = ''
  for one in sentences:
    gap = _offset(one, name, path) - base - len(text)
    text += ' ' * min(max(gap, 1 if text else 0), _MAX_GAP)
    text += str(one.get('text') or '')
  return text


def _is_title(passage: Record) -> bool:
  kind, section = _infon(passage, 'type'), _infon(passage, 'section_type')
  return kind in ('title', 'front') or section.upper() == 'TITLE'


def _entity(
  row: Record,
  text: str,
  shift: int,
  name: str,
  path: str,
  reading: article.Reading,
) -> Entity | None:
  """The entity of an annotation; None where it has no place, or several."""
  places = _objects(row, 'locations')
  mention = str(row.get('text') or '')
  if not places:
    reading.counts['annotations_without_place_dropped'] += 1
    return None
  spans = []
  for place in places:
    length = str(place.get('length', '')).strip()
    start = _offset(place, name, path) + shift
    if not length.isdecimal() or not 0 <= start < start + int(length):
      what = f'annotation {row.get("id")!r:.40} has no length: fix it'
      raise InputError(f'{path}: document {name}: {what}')
    spans.append((start, start + int(length)))
  spans.sort()
  pairs = itertools.pairwise(spans)
  if any(text[a:b].strip() for (_, a), (b, _) in pairs):
    reading.counts['discontinuous_mentions_dropped'] += 1
    return None
  start, end = spans[0][0], spans[-1][1]
  found = text[start:end]
  if end > len(text) or ' '.join(found.split()) != ' '.join(mention.split()):
    what = f'offsets {start - shift} to {end - shift} hold {found[:60]!r}'
    hint = 'offsets count code points from the start of the document'
    what = f'{what}, not {mention[:60]!r}: {hint}'
    raise InputError(f'{path}: document {name}: {what}')
  return Entity(start, end, _infon(row, 'type'), found)


def articles(
  stream: Stream, reading: article.Reading, is_xml: bool
) -> Iterator[article.Article]:
  """The documents to learn from: title, abstract and sections of full texts."""
  for number, record in _records(stream, reading, is_xml):
    if one := _article(record, number, stream.name, reading):
      yield one


def _article(
  record: Record, number: int, path: str, reading: article.Reading
) -> article.Article | None:
  """The article of a document; None where nothing of it is kept."""
  dropped = {kind: name for name, kinds in _DROPPED.items() for kind in kinds}
  counts, title, abstract = reading.counts, '', list[str]()
  body: list[tuple[str, list[str]]] = []
  for passage in _objects(record, 'passages'):
    kind, section = _infon(passage, 'type'), _infon(passage, 'section_type')
    base = _offset(passage, str(record.get('id')), path)
    text = passage.get('text')
    if not isinstance(text, str):
      sentences = _objects(passage, 'sentences')
      text = _joined(sentences, base, str(record.get('id')), path)
    reason = dropped.get(section) or dropped.get(kind.partition('_')[0])
    paragraphs = [article.clean(one, counts) for one in text.split('\n')]
    if reason:
      counts[reason] += 1
    elif _is_title(passage) and not title:
      title = ' '.join(paragraphs).strip()
    elif kind.startswith(('abstract', 'title')) and 'title' in kind:
      if 'abstract' not in kind:
        body.append((' '.join(paragraphs), []))
    elif kind.startswith('abstract') or section == 'ABSTRACT':
      abstract += filter(None, paragraphs)
    else:
      body = body or [('', [])]
      body[-1][1].extend(filter(None, paragraphs))
  sections = article.full_text(
    title,
    abstract,
    [article.Section(heading, tuple(rows)) for heading, rows in body],
    reading,
  )
  name, *others = _ids(record) or [reading.number(number)]
  if sections:
    return article.Article(name, 1, sections, path, other_ids=tuple(others))
  reading.drop('title_without_abstract' if title else 'no_text', name)
  return None


def _ids(record: Record) -> list[str]:
  """The ids that a document states, as other readers write them."""
  first = _objects(record, 'passages')[:1] or [{}]
  given = str(record.get('id') or '').strip()
  pmc = _infon(first[0], 'article-id_pmc').removeprefix('PMC')
  pmid = _infon(first[0], 'article-id_pmid')
  found = [
    *([f'pmcid:PMC{pmc}'] if pmc.isdecimal() else []),
    *([f'pmid:{pmid}'] if pmid.isdecimal() else []),
  ]
  if given.startswith('PMC') and given[3:].isdecimal():
    found.append(f'pmcid:{given}')
  elif given.isdecimal():
    found.append(f'pmid:{given}' if given != pmc else f'pmcid:PMC{given}')
  elif given:
    found.append(given)
  return list(dict.fromkeys(found))
