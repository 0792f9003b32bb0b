"""What predictors return, and the files that it is written to.

JSONL  one result per line: `row()` of each, for programs
TSV    one relation per line, with a header, for people and spreadsheets
JSON   the files that the evaluations of SQuAD and PubMedQA read
HTML   one page, for people, in `result_pages.py`
"""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from biobert_jax.data.qa import span_decoding
from biobert_jax.data.qa.span_decoding import Answered, PooledAnswer
from biobert_jax.inference.question_files import QuestionRequest
from biobert_jax.io.atomic import atomic_write
from biobert_jax.io.json_files import json_text
from biobert_jax.text.documents import (
  Document,
  DocumentRelation,
  flat,
  json_row,
)

Path = str | os.PathLike[str]
RELATION_COLUMNS = (
  *('document', 'type', 'score', 'first', 'first_type', 'first_start'),
  *('second', 'second_type', 'second_start', 'sentence'),
)


@dataclasses.dataclass(frozen=True)
class PredictedRelation:
  """One relation of a document, whose entities it names by their index."""

  type: str  # The predicted label.
  score: float  # Its probability, 0-1.
  first: int  # The entity of the first type.
  second: int
  sentence: str  # As the model read it, both entities anonymised or marked.
  # Label -> its probability; empty where only the best was wished.
  scores: Mapping[str, float] = dataclasses.field(
    default_factory=dict, hash=False
  )

  def row(self) -> dict[str, Any]:
    """Its fields; scores only where there are any."""
    row = dataclasses.asdict(self)
    return row if self.scores else {k: row[k] for k in row if k != 'scores'}


@dataclasses.dataclass(frozen=True, repr=False)
class RelatedDocument:
  """A document with its entities and the relations between them."""

  document: Document
  relations: tuple[PredictedRelation, ...]
  # All pairs, also those without a relation, where that was wished.
  candidates: tuple[PredictedRelation, ...] = ()

  def __repr__(self) -> str:
    """As RelatedDocument('7', [INHIBITOR('Aspirin', 'COX-1', 0.97)])."""
    entities = self.document.entities
    found = ', '.join(
      f'{r.type}({entities[r.first].text!r}, {entities[r.second].text!r}, '
      f'{r.score:.2f})'
      for r in self.relations
    )
    return f'RelatedDocument({self.document.id!r}, [{found}])'

  def row(self) -> dict[str, Any]:
    """The document's row, which readers of entities read, and its relations."""
    row = json_row(self.document)
    given = row['relations'] if self.document.relations else []
    row['relations'] = given + [r.row() for r in self.relations]
    if self.candidates:
      row['candidates'] = [r.row() for r in self.candidates]
    return row

  def as_document(self) -> Document:
    """The document with the relations that were found, and their scores."""
    found = tuple(
      DocumentRelation(r.type, r.first, r.second, {'score': r.score})
      for r in self.relations
    )
    relations = (*self.document.relations, *found)
    return dataclasses.replace(self.document, relations=relations)


@dataclasses.dataclass(frozen=True, repr=False)
class QuestionResult:
  """The answers of a question, passage by passage."""

  request: QuestionRequest
  by_passage: tuple[Answered, ...]

  @property
  def has_answer(self) -> bool:
    """Whether the model finds an answer in any passage."""
    return any(one.chosen.text for one in self.by_passage)

  @property
  def answers(self) -> list[PooledAnswer]:
    """The answers, ranked by the sum of their probabilities over passages.

    Offsets, in code points, say where an answer is most probable.
    """
    passages = [one.candidates for one in self.by_passage]
    return span_decoding.pool_candidates(
      [[candidate._asdict() for candidate in every] for every in passages]
    )

  @property
  def answer(self) -> str:
    """The text of the best answer; '' where there is none."""
    return self.answers[0].text if self.has_answer else ''

  def __repr__(self) -> str:
    """As QuestionResult('What causes gout?', 'p53', 0.93)."""
    best = 'no answer'
    if self.has_answer:
      first = self.answers[0]
      best = f'{first.text!r}, {first.probability:.2f}'
    return f'QuestionResult({self.request.question!r}, {best})'

  def row(self) -> dict[str, Any]:
    """The question and its ranked answers."""
    return {
      'id': self.request.id,
      'question': self.request.question,
      'has_answer': self.has_answer,
      'answers': [answer._asdict() for answer in self.answers],
    }


@dataclasses.dataclass(frozen=True, repr=False)
class YesNoResult:
  """The answer of a yes/no question."""

  request: QuestionRequest
  answer: str  # One of the labels.
  probabilities: Mapping[str, float]  # By label, 0-1.
  passages: int  # How many were read.

  def __repr__(self) -> str:
    """As YesNoResult('Does p53 cause gout?', 'yes', 0.93)."""
    share = self.probabilities[self.answer]
    return (
      f'YesNoResult({self.request.question!r}, {self.answer!r}, {share:.2f})'
    )

  def row(self) -> dict[str, Any]:
    """The question, its answer and the probabilities, rounded to 4 places."""
    shares = self.probabilities.items()
    return {
      'id': self.request.id,
      'question': self.request.question,
      'answer': self.answer,
      'probabilities': {label: round(share, 4) for label, share in shares},
      'passages': self.passages,
    }


def write_jsonl(
  results: Iterable[RelatedDocument | QuestionResult | YesNoResult], path: Path
) -> None:
  """Writes the `row` of each result as a line."""
  with atomic_write(path) as file:
    for one in results:
      file.write(json.dumps(one.row(), ensure_ascii=False) + '\n')


def write_documents(
  write: Callable[[Iterable[Document], Path], None],
  results: Iterable[RelatedDocument],
  path: Path,
) -> None:
  """Writes documents and relations in a form of documents."""
  write((one.as_document() for one in results), path)


def write_relations_tsv(
  documents: Iterable[RelatedDocument], path: Path
) -> None:
  """Writes one line per relation; offsets are in code points."""
  with atomic_write(path) as file:
    file.write('\t'.join(RELATION_COLUMNS) + '\n')
    for one in documents:
      entities = one.document.entities
      for relation in one.relations:
        cells = [one.document.id, relation.type, f'{relation.score:.4f}']
        for entity in (entities[relation.first], entities[relation.second]):
          cells += [entity.text, entity.type, str(entity.start)]
        cells.append(relation.sentence)
        file.write('\t'.join(map(flat, cells)) + '\n')


def write_squad(results: Iterable[QuestionResult], path: Path) -> None:
  """Writes predictions.json: one answer for each passage, by its id."""
  _write_by_passage(results, path, lambda one: one.chosen.text)


def write_nbest(results: Iterable[QuestionResult], path: Path) -> None:
  """Writes nbest_predictions.json: candidates of each passage, by its id."""
  _write_by_passage(
    results, path, lambda one: [c._asdict() for c in one.candidates]
  )


def _write_by_passage(
  results: Iterable[QuestionResult],
  path: Path,
  value: Callable[[Answered], Any],
) -> None:
  with atomic_write(path) as file:
    separator = '{\n'
    for one in results:
      pairs = zip(one.request.passages, one.by_passage, strict=True)
      for question, answered in pairs:
        row = json.dumps({question.id: value(answered)}, ensure_ascii=False)
        file.write(f'{separator} {row[1:-1]}')
        separator = ',\n'
    file.write('\n}\n')


def write_pubmedqa(results: Iterable[YesNoResult], path: Path) -> None:
  """Writes the answers by id, as PubMedQA's evaluation.py reads them."""
  with atomic_write(path) as file:
    answers = {one.request.id: one.answer for one in results}
    file.write(json_text(answers, indent=1))
