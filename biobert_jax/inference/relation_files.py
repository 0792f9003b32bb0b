"""Documents with predicted relations, and the files they are written to.

JSONL  one document per line, as `document_writers.write_jsonl` writes it,
       with its relations, which readers of entities skip
TSV    one relation per line, with a header, for people and spreadsheets
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
    type: the predicted label.
    score: its probability, 0-1.
    first: index of the document's entity of the first type.
    second: index of the entity of the second type.
    sentence: the sentence that the model read, both entities anonymised or
      marked.
  """

  type: str
  score: float
  first: int
  second: int
  sentence: str


@dataclasses.dataclass(frozen=True, repr=False)
class RelatedDocument:
  """A document with its entities and the relations between them."""

  document: Document
  relations: tuple[PredictedRelation, ...]

  def __repr__(self) -> str:
    """As RelatedDocument('7', [INHIBITOR('Aspirin', 'COX-1', 0.97)])."""
    entities = self.document.entities
    found = ', '.join(
      f'{r.type}({entities[r.first].text!r}, {entities[r.second].text!r}, '
      f'{r.score:.2f})'
      for r in self.relations
    )
    return f'RelatedDocument({self.document.id!r}, [{found}])'


def write_jsonl(
  documents: Iterable[RelatedDocument], path: str | os.PathLike[str]
) -> None:
  """Writes {"id", "text", "entities", "relations"} per line.

  A relation names its entities by their index in "entities", from 0.
  """
  with atomic_write(path) as file:
    for one in documents:
      row = document_writers.json_row(one.document)
      row['relations'] = [dataclasses.asdict(r) for r in one.relations]
      file.write(json.dumps(row, ensure_ascii=False) + '\n')


def write_tsv(
  documents: Iterable[RelatedDocument], path: str | os.PathLike[str]
) -> None:
  """Writes one line per relation; offsets are in code points."""
  with atomic_write(path) as file:
    file.write('\t'.join(COLUMNS) + '\n')
    for one in documents:
      entities = one.document.entities
      for relation in one.relations:
        cells = [one.document.id, relation.type, f'{relation.score:.4f}']
        for entity in (entities[relation.first], entities[relation.second]):
          cells += [entity.text, entity.type, str(entity.start)]
        cells.append(relation.sentence)
        file.write('\t'.join(map(flat, cells)) + '\n')
