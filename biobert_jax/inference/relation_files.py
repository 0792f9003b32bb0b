"""Documents whose entities are related, and the forms they are written in.

JSONL  a line a document: what `annotations.write_jsonl` writes and its
       relations, which readers of entities pass over
TSV    a line a relation, with a header, for people and spreadsheets
"""

import dataclasses
import json
import os
from collections.abc import Iterable

from biobert_jax.io.atomic import atomic_write
from biobert_jax.text import document_writers
from biobert_jax.text.documents import Document, flat

COLUMNS = (
  *('document', 'type', 'score', 'first', 'first_type', 'first_start'),
  *('second', 'second_type', 'second_start', 'sentence'),
)


@dataclasses.dataclass(frozen=True)
class PredictedRelation:
  """One relation of a document.

  Attributes:
    type: The label that a model gave.
    score: Its probability, 0-1.
    first: The index of one of the document's entities, of the first type.
    second: Of another, of the second type.
    sentence: What the model read: the sentence, the two anonymised or marked.
  """

  type: str
  score: float
  first: int
  second: int
  sentence: str


@dataclasses.dataclass(frozen=True)
class RelatedDocument:
  """A document, its entities, and what relates them."""

  document: Document
  relations: tuple[PredictedRelation, ...]


def write_jsonl(
  source: Iterable[RelatedDocument], path: str | os.PathLike[str]
) -> None:
  """Writes {"id", "text", "entities", "relations"} a line.

  A relation names its entities by their index in "entities", from 0.
  """
  with atomic_write(path) as file:
    for one in source:
      row = document_writers.json_row(one.document)
      row['relations'] = [dataclasses.asdict(r) for r in one.relations]
      file.write(json.dumps(row, ensure_ascii=False) + '\n')


def write_tsv(
  source: Iterable[RelatedDocument], path: str | os.PathLike[str]
) -> None:
  """Writes a line for each relation; offsets are in code points."""
  with atomic_write(path) as file:
    file.write('\t'.join(COLUMNS) + '\n')
    for one in source:
      entities = one.document.entities
      for relation in one.relations:
        cells = [one.document.id, relation.type, f'{relation.score:.4f}']
        for entity in (entities[relation.first], entities[relation.second]):
          cells += [entity.text, entity.type, str(entity.start)]
        cells.append(relation.sentence)
        file.write('\t'.join(map(flat, cells)) + '\n')
