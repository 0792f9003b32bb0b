"""BioC, XML and JSON: documents of passages with annotations and relations.

Passages (or their sentences) are joined by a newline; offsets are mapped to the
joined text, in which an annotation must stand as it says. Read are `type`,
`identifier` and `score` of an annotation; other infons stay with it. Relations
are between annotations (nodes), or, as in BioRED, between concepts (`entity1`,
`entity2`). Counted are `passages_without_text`, `passage_infons_dropped`,
`annotations_without_a_place`, `discontinuous_mentions` (read from their first
character to their last; the parts stay as `fragments`), and
`relations_without_two_ends` (dropped).
"""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.sax import saxutils

from biobert_jax.errors import InputError
from biobert_jax.io.atomic import atomic_write
from biobert_jax.io.streams import Stream
from biobert_jax.text.documents import (
  Document,
  DocumentRelation,
  Entity,
  StrPath,
  concept_of,
  flat,
  hull,
  mention_ids,
)
from biobert_jax.text.readers import xml_stream

ROOT = 'collection'
_TITLES = {'title', 'front', 'article-title'}
_LISTS = {'passage', 'sentence', 'annotation', 'relation', 'location', 'node'}
# What XML 1.0 has no way to write.
_NO_XML = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]')
_HEADER = {'source': 'biobert-jax', 'date': '', 'key': 'biobert-jax.key'}

Row = dict[str, Any]


def read_xml(
  stream: Stream, name: str, counts: Counter[str]
) -> Iterator[Document]:
  """The documents of a `<collection>`, one after another."""
  for row in xml_stream.parse(stream, _Rows(), counts):
    yield document_of(row, name, counts)


class _Rows:
  """Elements of a document as the objects that BioC JSON has for them."""

  def __init__(self) -> None:
    self.found: list[Row] = []
    self._open: list[Row] = []
    self._text: list[str] = []

  def start(self, tag: str, attributes: dict[str, str]) -> None:
    """Opens an element."""
    if self._open or tag.rpartition('}')[2] == 'document':
      self._open.append(dict(attributes))
    self._text = []

  def data(self, text: str) -> None:
    """Takes text; that between elements is not looked at."""
    if self._open:
      self._text.append(text)

  def end(self, tag: str) -> None:
    """Closes an element and puts it into the one around it."""
    if not self._open:
      return
    row, tag = self._open.pop(), tag.rpartition('}')[2]
    text, self._text = ''.join(self._text), []
    if not self._open:
      self.found.append(row)
    elif tag in _LISTS:
      self._open[-1].setdefault(f'{tag}s', []).append(row)
    elif tag == 'infon':
      infons = self._open[-1].setdefault('infons', {})
      infons[row.get('key', '')] = text
    else:
      self._open[-1][tag] = text

  def close(self) -> None:
    """Nothing is left open: the parser has seen to it."""


def documents_in(row: Any) -> list[Row] | None:
  """The documents of an object of JSON, BioC's or PubTator 3's; else None.

  One document is a list of itself.
  """
  if not isinstance(row, dict):
    return None
  if isinstance(row.get('passages'), list):
    return [row]
  for key in ('documents', 'PubTator3'):
    rows = row.get(key)
    if isinstance(rows, list) and all(documents_in(one) for one in rows):
      return rows
  return None


def document_of(row: Row, name: str, counts: Counter[str]) -> Document:
  """The document of an object of BioC JSON; an InputError names its id."""
  id = str(row.get('id', ''))
  try:
    document = _Builder(row, id, counts).document()
  except (TypeError, ValueError, AttributeError, KeyError) as error:
    what = ' '.join(str(error).split())
    what = f'{what:.200}: fix it, or leave the document out'
    raise InputError(f'{name}: document {id[:60]!r}: {what}') from error
  return dataclasses.replace(document, path=name)


class _Builder:
  """A document in the making."""

  def __init__(self, row: Row, id: str, counts: Counter[str]) -> None:
    self._row, self._id, self._counts = row, id, counts
    self._text = ''
    self._title: int | None = None
    # (offset in the file, its place in the text) of each piece, in order.
    self._pieces: list[tuple[int, int]] = []
    self._annotations: list[Row] = []
    self._relations: list[Row] = []

  def document(self) -> Document:
    """Puts it together."""
    for passage in self._row.get('passages', []):
      self._add(passage)
    self._take(self._row)
    title = self._title if self._title != len(self._text) else None
    places: dict[str, int] = {}
    entities: list[Entity] = []
    for row in self._annotations:
      if entity := self._entity(row):
        places.setdefault(str(row.get('id', '')), len(entities))
        entities.append(entity)
    relations = [self._relation(row, places) for row in self._relations]
    kept = tuple(relation for relation in relations if relation)
    self._count('relations_without_two_ends', len(relations) - len(kept))
    extra = self._row.get('infons') or {}
    found = (self._id, self._text, tuple(entities), title)
    return Document(*found, relations=kept, extra=extra)

  def _count(self, what: str, number: int = 1) -> None:
    if number:
      self._counts[what] += number

  def _take(self, row: Row) -> None:
    self._annotations += row.get('annotations') or []
    self._relations += row.get('relations') or []

  def _add(self, passage: Row) -> None:
    infons = passage.get('infons') or {}
    self._count('passage_infons_dropped', len({*infons} - {'type'}))
    pieces = [passage] if passage.get('text') else passage.get('sentences')
    before = len(self._text)
    for piece in pieces or []:
      if piece.get('text'):
        self._text += '\n' * bool(self._text) + piece['text']
        place = len(self._text) - len(piece['text'])
        self._pieces.append((int(piece['offset']), place))
    for row in (passage, *(passage.get('sentences') or [])):
      self._take(row)
    self._count('passages_without_text', len(self._text) == before)
    kind = str(infons.get('section_type', infons.get('type', ''))).lower()
    if not before and self._text and kind in _TITLES:
      self._title = len(self._text)

  def _place(self, offset: int) -> int:
    """Where an offset of the file is in the text."""
    fits = [piece for piece in self._pieces if piece[0] <= offset]
    start, place = max(fits, default=(0, 0))
    return place + offset - start

  def _entity(self, row: Row) -> Entity | None:
    spans = []
    for location in row.get('locations') or []:
      start, length = int(location['offset']), int(location['length'])
      spans.append((self._place(start), self._place(start) + length))
    if not spans:
      self._count('annotations_without_a_place')
      return None
    start, end, parts = hull(self._text, spans)
    found, given = self._text[start:end], row.get('text')
    if not 0 <= start < end <= len(self._text) or (
      given and len(spans) == 1 and flat(found).strip() != flat(given).strip()
    ):
      what = f'annotation {row.get("id")!r}: its place holds {found[:60]!r}'
      hint = 'offsets count characters of the passages'
      raise ValueError(f'{what}, not {given!r:.60}; {hint}')
    infons = dict(row.get('infons') or {})
    kind, concept = infons.pop('type', ''), infons.pop('identifier', '')
    score = infons.pop('score', None)
    try:
      score = 1.0 if score is None else float(score)
    except ValueError:
      score, infons['score'] = 1.0, score
    if 'id' in row:
      infons['id'] = row['id']
    if parts:
      self._count('discontinuous_mentions')
      infons['fragments'] = parts
    kind, concept = str(kind or ''), str(concept or '')
    return Entity(start, end, kind, found, score, concept, infons)

  def _relation(
    self, row: Row, places: Mapping[str, int]
  ) -> DocumentRelation | None:
    infons = dict(row.get('infons') or {})
    nodes = [str(node.get('refid')) for node in row.get('nodes') or []]
    ends: list[int | str] = []
    for number in (1, 2):
      end = infons.pop(f'entity{number}', None)
      role = infons.get(f'role{number}')  # So PubTator 3 names the two.
      if end is None and isinstance(role, dict):
        end = role.get('identifier')
      if end is not None:
        ends.append(str(end))
    if not ends and all(node in places for node in nodes):
      ends = [places[node] for node in nodes]
    if len(ends) != 2:
      return None
    kind = str(infons.pop('type', None) or '')
    return DocumentRelation(kind, ends[0], ends[1], infons)


def _rows_of(document: Document) -> Row:
  """A document as an object of BioC JSON; what has no text is left out."""
  cut, text = document.title_length, document.text
  if cut is None or text[cut : cut + 1] not in (' ', '\n'):
    cut = 0
  spans = [('title', 0, cut), ('abstract', cut + 1, len(text))]
  spans = spans if cut else [('paragraph', 0, len(text))]
  ids = mention_ids(document, r'\S+')
  passages = []
  for kind, start, end in spans:
    inside = [
      _annotation(entity, id)
      for entity, id in zip(document.entities, ids, strict=True)
      if start <= entity.start < end or start and entity.start == cut
    ]
    if start < end:
      passage = {'offset': start, 'infons': {'type': kind}}
      passage |= {'text': text[start:end], 'annotations': inside}
      passages.append(passage)
  relations = []
  for number, relation in enumerate(document.relations):
    row: Row = {
      'id': f'R{number}',
      'infons': {'type': relation.type},
      'nodes': [],
    }
    ends = (relation.first, relation.second)
    by_concept = any(isinstance(end, str) for end in ends)
    for place, one in enumerate(ends, 1):
      if by_concept:
        row['infons'][f'entity{place}'] = concept_of(document, one)
      elif isinstance(one, int):
        row['nodes'].append({'refid': ids[one], 'role': f'Arg{place}'})
    row['infons'] |= relation.extra
    relations.append(row)
  infons = dict(document.extra)
  row = {'id': document.id, 'infons': infons, 'passages': passages}
  return row | {'relations': relations}


def _annotation(entity: Entity, id: str) -> Row:
  infons: Row = {'type': entity.type}
  if entity.concept:
    infons['identifier'] = entity.concept
  if entity.score != 1.0:
    infons['score'] = f'{entity.score:.6g}'
  spans = entity.extra.get('fragments') or [(entity.start, entity.end)]
  others = entity.extra.items()
  infons |= {k: v for k, v in others if k not in ('id', 'fragments')}
  return {
    'id': id,
    'infons': infons,
    'text': entity.text,
    'locations': [{'offset': a, 'length': b - a} for a, b in spans],
  }


def write_json(documents: Iterable[Document], path: StrPath) -> None:
  """Writes one collection of BioC JSON, one document a line."""
  with atomic_write(path) as file:
    file.write(json.dumps(_HEADER)[:-1] + ', "infons": {}, "documents": [')
    for number, document in enumerate(documents):
      row = json.dumps(_rows_of(document), ensure_ascii=False)
      file.write((',\n' if number else '\n') + row)
    file.write('\n]}\n')


def write_xml(documents: Iterable[Document], path: StrPath) -> None:
  """Writes one collection of BioC XML, one document a line.

  A control character, which XML cannot hold, becomes U+FFFD.
  """
  with atomic_write(path) as file:
    file.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    file.write('<!DOCTYPE collection SYSTEM "BioC.dtd">\n<collection>')
    file.writelines(_element(tag, text) for tag, text in _HEADER.items())
    for document in documents:
      file.write('\n' + _document_xml(_rows_of(document)))
    file.write('\n</collection>\n')


def _possible(text: str) -> str:
  return _NO_XML.sub('\ufffd', text)


def _element(tag: str, text: str, **attributes: str) -> str:
  given = ((k, saxutils.quoteattr(_possible(v))) for k, v in attributes.items())
  named = ''.join(f' {key}={value}' for key, value in given)
  content = saxutils.escape(_possible(text), {'\r': '&#13;'})
  return f'<{tag}{named}>{content}</{tag}>'


def _infons_xml(row: Row) -> str:
  return ''.join(
    _element('infon', v if isinstance(v, str) else json.dumps(v), key=k)
    for k, v in row['infons'].items()
  )


def _document_xml(row: Row) -> str:
  parts = [_element('id', row['id']), _infons_xml(row)]
  for passage in row['passages']:
    parts += ['<passage>', _infons_xml(passage)]
    parts.append(_element('offset', str(passage['offset'])))
    parts.append(_element('text', passage['text']))
    for one in passage['annotations']:
      id = saxutils.quoteattr(_possible(one['id']))
      parts += [f'<annotation id={id}>', _infons_xml(one)]
      for place in one['locations']:
        given = {key: str(value) for key, value in place.items()}
        parts.append(_element('location', '', **given))
      parts += [_element('text', one['text']), '</annotation>']
    parts.append('</passage>')
  for one in row['relations']:
    parts += [f'<relation id="{one["id"]}">', _infons_xml(one)]
    parts += [_element('node', '', **node) for node in one['nodes']]
    parts.append('</relation>')
  return f'<document>{"".join(parts)}</document>'
