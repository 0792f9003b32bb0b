"""A document with entities as a JSON object: what `json_row` writes, read back.

Keys that are not known stay with the document, its entities and relations as
`extra`, so that a writer of JSON can give them again.
"""

from collections.abc import Mapping
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.text.documents import Document, DocumentRelation, Entity

# Keys that name a document, the first that it has.
IDS = ('id', 'pmid', 'pmcid', 'doc_id')
_ENTITY = {'start', 'end', 'type', 'text', 'score', 'concept'}
_RELATION = {'type', 'first', 'second'}


def document_of(
  row: Mapping[str, Any], id: str, name: str, number: int
) -> Document:
  """The document of an object that stands in a file, at a line."""
  text, entities = row.get('text'), row.get('entities', [])
  if not (isinstance(text, str) and isinstance(entities, list)):
    what = 'want {"id": ..., "text": "...", "entities": [...]}'
    raise InputError.at(name, number, f'{what}; got {row!r:.80}')
  cut = row.get('title_length')
  if not (cut is None or (type(cut) is int and 0 <= cut <= len(text))):
    what = f'title_length {cut!r:.80} is not inside its text'
    raise InputError.at(name, number, f'{what}: fix it or leave it out')
  kept = tuple(_entity(entity, text, name, number) for entity in entities)
  relations = _relations(row.get('relations'), len(kept))
  known = {'id', 'text', 'entities', 'title_length'}
  known |= {key for key in IDS if str(row.get(key)) == id}
  known |= {'relations'} if relations is not None else set()
  extra = _others(row, known)
  found = (id, text, kept, cut, name, number, relations or (), extra)
  return Document(*found)


def _others(row: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
  return {key: value for key, value in row.items() if key not in known}


def _entity(given: Any, text: str, name: str, line: int) -> Entity:
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
  concept = entity.get('concept')
  known = _ENTITY
  if not isinstance(concept, str):  # A list, say, stays what it is.
    concept, known = '', _ENTITY - {'concept'}
  extra = _others(entity, known)
  return Entity(start, end, kind, found, score, concept, extra)


def _relations(
  given: Any, entities: int
) -> tuple[DocumentRelation, ...] | None:
  """Relations as `json_row` writes them; None for anything else."""
  if not isinstance(given, list):
    return None
  for row in given:
    if not (isinstance(row, dict) and isinstance(row.get('type'), str)):
      return None
    for end in (row.get('first'), row.get('second')):
      if not (isinstance(end, str) or type(end) is int and 0 <= end < entities):
        return None
  return tuple(
    DocumentRelation(
      *(row['type'], row['first'], row['second'], _others(row, _RELATION))
    )
    for row in given
  )
