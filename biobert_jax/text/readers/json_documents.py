"""JSON documents with entities, as `predict` writes them: text and offsets.

A document has "text", or the parts that articles have (`jsonl.py`); its id is
that of `id`, `pmid`, `pmcid` or `doc_id`, in this order.
"""

import json
from collections.abc import Iterator
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io.streams import Stream
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers import article, json_stream, jsonl

_IDS = ('id', 'pmid', 'pmcid', 'doc_id')
_PARTS = json_stream.TEXTS - {'passages'}


def read(stream: Stream, reading: article.Reading) -> Iterator[Document]:
  """A document of each record that `json_stream.records` finds."""
  for number, record in json_stream.records(stream, reading.counts):
    where = (stream.name, number)
    try:
      # Half of a surrogate pair is not text: it cannot be written anywhere.
      json.dumps(record, ensure_ascii=False).encode()
    except ValueError as error:
      what = ' '.join(str(error).split())
      raise InputError.at(*where, f'not JSON ({what:.80})') from error
    row = record if isinstance(record, dict) else {}
    name = _id(row, reading.number(number), *where)
    if 'entities' in row or row.keys() & _PARTS == {'text'}:
      if isinstance(row.get('text'), list):
        what = 'entities need one string "text", which their offsets count in'
        raise InputError.at(*where, what)
      yield _document(row, name, *where)
    elif found := jsonl.article_of(record, number, stream.name, reading):
      yield article.document_of(found, name, number)


def _id(row: dict[str, Any], number: str, path: str, line: int) -> str:
  """The id that a record states, as it stands there; else its number."""
  for key in _IDS:
    given = row.get(key)
    if isinstance(given, bool | list | dict | float):
      what = f'{key} {given!r:.60} is no id: write a string or delete it'
      raise InputError.at(path, line, what)
    if given not in (None, ''):
      return str(given)
  return number


def _document(row: dict[str, Any], id: str, name: str, number: int) -> Document:
  """A record of `documents.write_jsonl`."""
  text, entities = row.get('text'), row.get('entities', [])
  if not (isinstance(text, str) and isinstance(entities, list)):
    what = 'want {"id": ..., "text": "...", "entities": [...]}'
    raise InputError.at(name, number, f'{what}; got {row!r:.80}')
  cut = row.get('title_length')
  if not (cut is None or (type(cut) is int and 0 <= cut <= len(text))):
    what = f'title_length {cut!r:.80} is not inside its text'
    raise InputError.at(name, number, f'{what}: fix it or leave it out')
  kept = tuple(_json_entity(entity, text, name, number) for entity in entities)
  return Document(id, text, kept, cut, path=name, line=number)


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
