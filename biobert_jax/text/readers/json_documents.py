"""JSON documents with entities, as `predict` writes them: text and offsets.

A document has "text", or the parts that articles have (`jsonl.py`); its id is
that of `id`, `pmid`, `pmcid` or `doc_id`, in this order.
"""

from collections.abc import Iterator
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io.streams import Stream
from biobert_jax.text import json_rows
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import article, json_stream, jsonl

_PARTS = json_stream.TEXTS - {'passages'}


def read(stream: Stream, reading: article.Reading) -> Iterator[Document]:
  """A document of each record that `json_stream.records` finds."""
  for number, record in json_stream.records(stream, reading.counts):
    where = (stream.name, number)
    row = record if isinstance(record, dict) else {}
    name = _id(row, reading.number(number), *where)
    if 'entities' in row or row.keys() & _PARTS == {'text'}:
      if isinstance(row.get('text'), list):
        what = 'entities need one string "text", which their offsets count in'
        raise InputError.at(*where, what)
      yield json_rows.document_of(row, name, *where)
      continue
    reading.counts['json_lines'] += 1
    if found := jsonl.article_of(record, number, stream.name, reading):
      yield article.document_of(found, name, number)


def _id(row: dict[str, Any], number: str, path: str, line: int) -> str:
  """The id that a record states, as it stands there; else its number."""
  for key in json_rows.IDS:
    given = row.get(key)
    if isinstance(given, bool | list | dict | float):
      what = f'{key} {given!r:.60} is no id: write a string or delete it'
      raise InputError.at(path, line, what)
    if given not in (None, ''):
      return str(given)
  return number
