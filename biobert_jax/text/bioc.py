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
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax import saxutils

from biobert_jax.errors import InputError
from biobert_jax.io.atomic import atomic_write
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

_MAX_GAP = 8  # Characters between passages that are made up as blanks.
# What XML 1.0 has no way to write.
_NO_XML = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]')
_HEADER = {'source': 'biobert-jax', 'date': '', 'key': 'biobert-jax.key'}

Record = dict[str, Any]  # A document of BioC's JSON, or a part of one.


def document_of(
  record: Record, id: str, path: str, line: int, counts: Counter[str]
) -> Document:
  """The document of a record; an InputError names it and its annotation."""
  try:
    document = _Builder(record, id, path, counts).document()
  except (TypeError, ValueError, AttributeError, KeyError) as error:
    what = ' '.join(str(error).split())
    what = f'{what:.200}: fix it, or leave the document out'
    raise InputError(f'{path}: document {id[:60]}: {what}') from error
  return dataclasses.replace(document, path=path, line=line)


def objects(record: Record, key: str) -> list[Record]:
  """The objects of a list that may be missing."""
  found = record.get(key)
  return [one for one in found or () if isinstance(one, dict)]


def infon(record: Record, key: str) -> str:
  """The value of an infon; '' without one."""
  infons = record.get('infons')
  return str(infons.get(key) or '') if isinstance(infons, dict) else ''


def offset(record: Record, name: str, path: str) -> int:
  """The offset that a record states; an InputError: it is no number."""
  given = record.get('offset', 0)
  if isinstance(given, int | str) and str(given).strip().isdecimal():
    return int(given)
  what = f'document {name}: offset {given!r:.40} is no number: fix it'
  raise InputError(f'{path}: {what}')


def joined(sentences: list[Record], base: int, name: str, path: str) -> str:
  """The text of a passage that only its sentences have."""
  text = ''
  for one in sentences:
    gap = offset(one, name, path) - base - len(text)
    text += ' ' * min(max(gap, 1 if text else 0), _MAX_GAP)
    text += str(one.get('text') or '')
  return text


def is_title(passage: Record) -> bool:
  """Whether a passage says that it is the title."""
  kind, section = infon(passage, 'type'), infon(passage, 'section_type')
  return kind in ('title', 'front') or section.upper() == 'TITLE'


class _Builder:
  """A document in the making."""

  def __init__(
    self, row: Record, id: str, path: str, counts: Counter[str]
  ) -> None:
    self._row, self._id, self._path, self._counts = row, id, path, counts
    self._text = ''
    self._title: int | None = None
    # (offset in the file, its place in the text) of each piece, in order.
    self._pieces: list[tuple[int, int]] = []
    self._annotations: list[Record] = []
    self._relations: list[Record] = []

  def document(self) -> Document:
    """Puts it together."""
    for passage in objects(self._row, 'passages'):
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
    found = (self._id, self._text, tuple(entities), title)
    extra = dict(self._row.get('infons') or {})
    return Document(*found, relations=kept, extra=extra)

  def _count(self, what: str, number: int = 1) -> None:
    if number:
      self._counts[what] += number

  def _take(self, row: Record) -> None:
    self._annotations += objects(row, 'annotations')
    self._relations += objects(row, 'relations')

  def _add(self, passage: Record) -> None:
    infons = passage.get('infons') or {}
    self._count('passage_infons_dropped', len({*infons} - {'type'}))
    base = offset(passage, self._id, self._path)
    before, pieces = len(self._text), [passage]
    if not isinstance(passage.get('text'), str):
      pieces = objects(passage, 'sentences')
    filled = [piece for piece in pieces if piece.get('text')]
    for number, piece in enumerate(filled):
      place = offset(piece, self._id, self._path) if number else base
      gap = max(0, place - len(self._text))
      blanks = ' ' * (gap if gap <= _MAX_GAP else 1)
      if self._text:  # A passage ends a sentence, too.
        self._text += f'\n{blanks[1:]}' if number == 0 else blanks or ' '
      self._pieces.append((place, len(self._text)))
      self._text += str(piece['text'])
    for row in (passage, *objects(passage, 'sentences')):
      self._take(row)
    added = self._text[before:].strip()
    self._count('passages_without_text', not added)
    if not before and added and is_title(passage):
      self._title = len(self._text)

  def _place(self, given: int) -> int:
    """Where an offset of the file is in the text."""
    fits = [piece for piece in self._pieces if piece[0] <= given]
    start, place = max(fits, default=(0, 0))
    return place + given - start

  def _entity(self, row: Record) -> Entity | None:
    spans = []
    for location in objects(row, 'locations'):
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
      first = row['locations'][0]
      last = int(first['offset']) + int(first['length'])
      what = (
        f'annotation {row.get("id")!r}: offsets {first["offset"]} to {last}'
      )
      hint = 'offsets count code points from the start of the document'
      raise ValueError(f'{what} hold {found[:60]!r}, not {given!r:.60}; {hint}')
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
    self, row: Record, places: Mapping[str, int]
  ) -> DocumentRelation | None:
    infons = dict(row.get('infons') or {})
    nodes = [str(node.get('refid')) for node in objects(row, 'nodes')]
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


def _rows_of(document: Document) -> Record:
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
    row: Record = {
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


def _annotation(entity: Entity, id: str) -> Record:
  infons: Record = {'type': entity.type}
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


def _infons_xml(row: Record) -> str:
  return ''.join(
    _element('infon', v if isinstance(v, str) else json.dumps(v), key=k)
    for k, v in row['infons'].items()
  )


def _document_xml(row: Record) -> str:
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
