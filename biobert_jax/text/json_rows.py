"""A document with entities as a JSON object: what `json_row` writes, read back.

Keys that are not known stay with the document, its entities and relations as
`extra`, so that a writer of JSON can give them again.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.text.documents import Document, DocumentRelation, Entity

_ENTITY = {'start', 'end', 'type', 'text', 'score', 'concept'}
_RELATION = {'type', 'first', 'second'}


def parse(line: str, name: str, number: int) -> Document:
  """The document of a line of JSONL."""
  try:
    row = json.loads(line)
    # Half of a surrogate pair is not text: it cannot be written anywhere.
    json.dumps(row, ensure_ascii=False).encode()
  except (ValueError, RecursionError) as error:
    what = ' '.join(str(error).split())
    raise InputError.at(name, number, f'no JSON object: {what:.80}') from error
  return document_of(row, name, number)


def document_of(
  row: Any, name: str, number: int, ids: Sequence[str] = ('id',)
) -> Document:
  """The document of an object; the first key of `ids` that it has names it."""
  given = row if isinstance(row, dict) else {}
  text, entities = given.get('text'), given.get('entities', [])
  if not (isinstance(text, str) and isinstance(entities, list)):
    what = 'want {"id": ..., "text": "...", "entities": [...]}'
    raise InputError.at(name, number, f'{what}; got {str(row):.80}')
  cut = given.get('title_length')
  if not (cut is None or (type(cut) is int and 0 <= cut <= len(text))):
    what = f'title_length {cut!r:.80} is not inside its text'
    raise InputError.at(name, number, f'{what}: fix it or leave it out')
  kept = tuple(_entity(entity, text, name, number) for entity in entities)
  key = next((key for key in ids if given.get(key) not in (None, '')), '')
  relations = _relations(given.get('relations'), len(kept))
  known = {key, 'id', 'text', 'entities', 'title_length'}
  known |= {'relations'} if relations is not None else set()
  return Document(
    *(str(given.get(key, number)), text, kept, cut),
    relations=relations or (),
    extra=_others(given, known),
    path=name,
    line=number,
  )


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
