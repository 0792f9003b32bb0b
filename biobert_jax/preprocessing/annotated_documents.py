"""Documents with relations of any form -> mentions and relations by name.

PubTator (CDR, BioRED), BioC, brat and JSON lines of documents; and JSON lines
of sentences as SciBERT has ChemProt ({"text": "<< X >> inhibits [[ Y ]].",
"label": "INHIBITOR"}), whose two entities stand in reading order.

A relation is between mentions, or between concepts. A mention bears its concept
id as a whole, and its parts at `;`, `,` and `|`; the id of a variant
(`p|SUB|R|132|H`) has no parts. A relation with a concept that no mention has is
left out and counted (`relations_whose_concept_no_mention_has`); above a
fraction of the file's relations that is an InputError.
"""

import dataclasses
import os
import pathlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from biobert_jax.data.broken_rows import BrokenRows
from biobert_jax.data.relation import candidates
from biobert_jax.data.relation.candidates import (
  Annotated,
  Mention,
  Pair,
  Relation,
  Row,
)
from biobert_jax.data.relation.pair_words import Placeholders, marked
from biobert_jax.errors import InputError
from biobert_jax.io import lines as io_lines
from biobert_jax.io import streams
from biobert_jax.text import brat
from biobert_jax.text.documents import Document, DocumentRelation, Entity, flat
from biobert_jax.text.readers import input_files, json_stream, pubtator

UNKNOWN = 'relations_whose_concept_no_mention_has'
_NONE = {'', '-', '-1'}
_VARIANT = re.compile(r'[a-z]?\|')
_SIGN = re.compile(r'<<\s|\s>>|\[\[\s|\s\]\]')
_SIGNS = ['<<', '>>', '[[', ']]']
# Of sentences whose two entities have no types.
UNTYPED = ('ENTITY', 'ENTITY')


def names_of_concept(concept: str) -> set[str]:
  """The names by which relations call a concept id: the whole, and parts."""
  names = {concept.strip()}
  for one in concept.split(';'):
    names.add(one.strip())
    if not _VARIANT.match(one.strip()):
      names |= {part.strip() for part in re.split('[|,]', one)}
  return names - _NONE


def _concepts(entity: Entity) -> set[str]:
  given = entity.extra.get('concept') or []  # A list, in JSON.
  several = given if isinstance(given, list) else [given]
  names = [names_of_concept(str(one)) for one in (entity.concept, *several)]
  return set().union(*names)


def _annotated(
  document: Document, places: list[int], broken: BrokenRows
) -> Annotated:
  """A document's mentions and relations; `places` are those of relations."""
  mentions = [
    Mention(
      str(entity.extra.get('id', f'T{number}')),
      entity,
      frozenset({f'mention {number}', *_concepts(entity)}),
    )
    for number, entity in enumerate(document.entities, 1)
  ]
  known = {name for mention in mentions for name in mention.names}
  relations = []
  for place, one in zip(places, document.relations, strict=True):
    first, second = _name(one.first), _name(one.second)
    if unknown := [end for end in (first, second) if end not in known]:
      what = f'no mention of document {document.id} has the concept'
      fault = f'{what} {unknown[0]!r}: fix or delete the relation'
      broken.add(place or document.id, UNKNOWN, fault)
    else:
      relations.append(Relation(one.type, first, second))
  return Annotated(document, tuple(mentions), tuple(relations))


def _name(end: int | str) -> str:
  return f'mention {end + 1}' if isinstance(end, int) else end


def read_documents(
  path: pathlib.Path, counts: Counter[str], max_broken: float
) -> list[Annotated]:
  """The documents of a file of any form, or of a folder of brat."""
  unknown = BrokenRows(path, counts, 'relations')
  if path.is_dir():
    documents: Iterable[Document] = brat.read_folder(path, counts)
  else:
    documents = input_files.read_documents([os.fspath(path)], counts)
  pairs = ((one, [0] * len(one.relations)) for one in documents)
  found, relations = _once(pairs, counts, unknown)
  unknown.check(relations, max_broken)
  return found


def read_pubtator(
  path: pathlib.Path, counts: Counter[str], max_broken: float
) -> list[Annotated]:
  """Documents of PubTator; a fraction 0-1 of its rows may be broken."""
  broken, unknown = (
    BrokenRows(path, counts),
    BrokenRows(path, counts, 'relations'),
  )
  name, rows = str(path), 0

  def documents() -> Iterator[tuple[Document, list[int]]]:
    nonlocal rows
    lines = io_lines.read_lines(path, counts)
    for block in pubtator.pubtator_blocks(lines, name):
      document = block.document(name)
      entities: list[Entity] = []
      relations: dict[int, DocumentRelation] = {}
      for line, fields in block.rows:
        rows += 1
        try:
          if pubtator.is_relation(fields):
            relations[line] = pubtator.pubtator_relation(fields, counts)
          else:
            given = (fields, document.text, name, line, counts)
            entities.append(pubtator.pubtator_entity(*given))
        except InputError as error:
          what = str(error).removeprefix(f'{name}:{line}: ')
          broken.add(line, 'broken_rows', what)
      yield (
        dataclasses.replace(
          document,
          entities=tuple(entities),
          relations=tuple(relations.values()),
        ),
        [*relations],
      )

  found, relations = _once(documents(), counts, unknown)
  broken.check(rows, max_broken)
  unknown.check(relations, max_broken)
  return found


def _once(
  documents: Iterable[tuple[Document, list[int]]],
  counts: Counter[str],
  unknown: BrokenRows,
) -> tuple[list[Annotated], int]:
  """The first document of each id, and the number of their relations."""
  found: dict[str, Annotated] = {}
  relations = 0
  for document, places in documents:
    if document.id in found:
      counts['repeated_documents_dropped'] += 1
      continue
    relations += len(places)
    found[document.id] = _annotated(document, places, unknown)
  return list(found.values()), relations


def are_sentences(path: pathlib.Path) -> bool:
  """Whether a file holds JSON of labelled sentences, as SciBERT's."""
  with streams.open_stream(path) as stream:
    for _, row in json_stream.records(stream, Counter()):
      return (
        isinstance(row, dict)
        and isinstance(row.get('text'), str)
        and isinstance(row.get('label'), str)
        and 'entities' not in row
      )
  return False


def read_sentences(
  path: pathlib.Path,
  counts: Counter[str],
  max_broken: float,
  words: Placeholders,
  markers: bool,
) -> list[Row]:
  """A row for each sentence whose two entities stand in signs."""
  broken, rows = BrokenRows(path, counts), []
  number = 0
  with streams.open_stream(path) as stream:
    for line, row in json_stream.records(stream, counts):
      number += 1
      given = row if isinstance(row, dict) else {}
      label = given.get('label')
      pair = _pair(str(given.get('text')), f'{number - 1}', words, markers)
      if pair is None or not (isinstance(label, str) and label.strip()):
        what = 'want "text" with << one >> and [[ other ]], and a "label"'
        broken.add(line, 'broken_rows', f'{what}; got {str(row):.60}')
      else:
        rows.append(Row(pair, label.strip()))
  broken.check(number, max_broken)
  counts['sentences'] += len(rows)
  return rows


def _pair(
  text: str, id: str, words: Placeholders, markers: bool
) -> Pair | None:
  """The pair of a sentence; None unless both entities stand in their signs."""
  plain, at, places = '', 0, dict[str, int]()
  found = [*_SIGN.finditer(text)]
  if sorted(m[0].strip() for m in found) != sorted(_SIGNS):
    return None
  for match in found:
    plain += text[at : match.start()]
    places[match[0].strip()], at = len(plain), match.end()
  plain += text[at:]
  a, b, c, d = (places[sign] for sign in _SIGNS)
  if not (a < b and c < d):
    return None
  first, second = (
    Mention(id, Entity(start, end, kind, plain[start:end]))
    for id, start, end, kind in zip(
      ('T1', 'T2'), (a, c), (b, d), words.types, strict=True
    )
  )
  span = (0, len(plain))
  if markers:
    shown = flat(marked(plain, span, (a, b), (c, d)))
  else:
    shown = candidates.anonymised(plain, span, first, second, words)
  return Pair(id, first, second, shown, '')
