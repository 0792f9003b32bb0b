"""Documents with entities to relations between them.

A text without entities that shows its pair as the model's training files do
(`The @GENE$ causes @DISEASE$.`, or between markers) is classified as it stands;
of a row of such a file (index, sentence, label) the sentence is. Its entities
are the places of the pair.
"""

import dataclasses
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from biobert_jax.data.relation import features as relation_features
from biobert_jax.data.relation.candidates import Mention, Pair, candidate_pairs
from biobert_jax.data.relation.features import PairForm
from biobert_jax.data.relation.pair_words import Markers, Placeholders, Span
from biobert_jax.errors import InputError
from biobert_jax.inference import inputs
from biobert_jax.inference.inputs import Texts, TextStream
from biobert_jax.inference.model_runner import (
  Model,
  ModelRunner,
  by_label,
  load_for,
)
from biobert_jax.inference.results import PredictedRelation, RelatedDocument
from biobert_jax.io.lines import read_lines
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers import any_format, input_files

# Documents whose pairs are packed and classified together: bounds memory.
_CHUNK = 512


class RelationExtractor:
  """A fine-tuned model that finds relations between entities of a sentence."""

  def __init__(
    self,
    model: Model,
    *,
    tagger: Callable[[Iterator[Document]], Iterator[Document]] | None = None,
    keep_entities: bool = False,
    scores: bool = False,
    do_lower_case: bool | None = None,
    counts: Counter[str] | None = None,
  ):
    """Opens a classifier of sentences with an entity pair and compiles it.

    Args:
      model: as for a `Tagger`; a work folder, or an import or export of one.
      tagger: finds the entities first, for plain strings and documents without
        entities: a `Tagger`.
      keep_entities: whether relations that documents have already stay.
      scores: whether results have all pairs as `candidates`, with the
        probability of each label.
      do_lower_case: casing, where no file of the model states it.
      counts: receives the exceptions that are counted on the way.

    Raises:
      InputError: no sequence classifier there, or one that does not say which
        pairs it was trained on.
    """
    opened = load_for('relation', model, do_lower_case)
    settings = opened.settings
    if 'placeholders' not in settings:
      what = 'give a work folder of relation extraction, or an import or export'
      raise InputError(
        f'{opened.source.given}: nothing says which pairs it was trained on; '
        f'{what} of one'
      )
    self._placeholders = Placeholders.from_config(
      settings['placeholders'], settings['joint_placeholders']
    )
    self._form: PairForm = self._placeholders
    if settings['entities'] == 'markers':
      self._form = Markers.from_config(settings['markers'])
      self._form.ids(opened.tokenizer)
    self._runner = ModelRunner('relation', opened)
    self.tagger, self._keep, self._scores = tagger, keep_entities, scores
    self._window: int = settings['sentence_window']
    self._labels, self._negative = opened.labels, settings['negative']
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts

  @property
  def example(self) -> str:
    """A sentence that shows a pair, for messages."""
    if isinstance(self._form, Markers):
      return '[E1] BRCA1 [/E1] causes [E2] cancer [/E2].'
    return f'{self._placeholders.first} causes {self._placeholders.second}.'

  def read(
    self, files: Sequence[str], counts: Counter[str] | None
  ) -> Iterator[Document]:
    """The documents of files of any form, also of training files."""
    shown = [f for f in files if self.tagger is None and self._shows_pairs(f)]
    for file in shown:
      yield from _table(file, Counter() if counts is None else counts)
    others = [file for file in files if file not in shown]
    yield from input_files.read_documents(others, counts)

  def _shows_pairs(self, file: str) -> bool:
    """Whether some cell of a file's first lines shows a pair."""
    cells: list[str] = []
    if os.path.isfile(file) and any_format.form_of(file) in ('text', 'tokens'):
      for _, line in itertools.islice(read_lines(file, Counter()), 5):
        cells += line.split('\t')
    return any(self._form.locate(cell) for cell in cells)

  @overload
  def __call__(self, documents: str | Document) -> RelatedDocument: ...
  @overload
  def __call__(self, documents: Texts) -> list[RelatedDocument]: ...
  @overload
  def __call__(self, documents: TextStream) -> Iterator[RelatedDocument]: ...

  def __call__(self, documents: Any) -> Any:
    """Finds the relations of one document or of many.

    Args:
      documents: a document with entities of the two types, or a list or an
        iterator of them; with a tagger, strings too; without one, strings that
        show their pair.

    Returns:
      The document with its relations; a list or an iterator of them, which
      reads as it goes.

    Raises:
      TypeError: no documents; or strings, and there is no tagger.
    """
    return inputs.apply(documents, self._document_of, self._stream)

  def _document_of(self, number: int, given: Any) -> Document:
    shown = not isinstance(given, str) or self._form.locate(given)
    if not shown and self.tagger is None:
      raise TypeError(
        f'input {number} is a string without entities; give documents with '
        'entities, or build RelationExtractor(model, tagger=Tagger(…))'
      )
    return inputs.document_of(number, given)

  def _stream(self, documents: Iterable[Document]) -> Iterator[RelatedDocument]:
    if self.tagger is not None:
      documents = self.tagger(iter(documents))
    return inputs.chunked(self._extract, _CHUNK)(map(self._ready, documents))

  def _ready(self, document: Document) -> Document:
    """The document with the entities and relations to go on from."""
    if document.relations and not self._keep:
      lost = len(document.relations)
      self._counts['relations_of_the_input_dropped'] += lost
      document = dataclasses.replace(document, relations=())
    if document.entities or self.tagger is not None:
      return document
    return shown_pair(document, self._form, self._placeholders, self._counts)

  def _extract(self, chunk: list[Document]) -> Iterator[RelatedDocument]:
    pairs_by_document = [self._pairs(document) for document in chunk]
    probabilities = self._classify(
      [pair.text for pairs in pairs_by_document for pair in pairs]
    )
    first = 0
    for document, pairs in zip(chunk, pairs_by_document, strict=True):
      last = first + len(pairs)
      found = [*self._candidates(pairs, probabilities[first:last])]
      yield RelatedDocument(
        document,
        tuple(one for one in found if one.type != self._negative),
        tuple(found) if self._scores else (),
      )
      first = last

  def _pairs(self, document: Document) -> list[Pair]:
    if places := self._form.locate(document.text):
      two = document.entities[:2]
      if [(e.start, e.end) for e in two] == entity_spans(places):
        first, second = (Mention(str(n), e) for n, e in enumerate(two))
        self._counts['pairs'] += 1
        return [Pair(document.id, first, second, document.text, '')]
    entities = enumerate(document.entities)
    mentions = [Mention(str(number), entity) for number, entity in entities]
    marked = isinstance(self._form, Markers)
    return candidate_pairs(
      *(document, mentions, self._placeholders, self._counts, marked),
      window=self._window,
    )

  def _classify(self, texts: list[str]) -> np.ndarray:
    """Probabilities [texts, C]."""
    if not texts:
      return np.zeros((0, len(self._labels)), np.float32)
    windows, starts = relation_features.encode(
      texts,
      self._tokenizer,
      self._form,
      max_seq_length=self._runner.max_seq_length,
      counts=self._counts,
    )
    return self._runner.predict_sequences(
      windows, 'probability', len(self._labels), starts
    )

  def _candidates(
    self, pairs: list[Pair], probabilities: np.ndarray
  ) -> Iterator[PredictedRelation]:
    for pair, row in zip(pairs, probabilities, strict=True):
      label, score = self._labels[row.argmax()], round(float(row.max()), 4)
      ends = (int(pair.first.id), int(pair.second.id))
      scores = by_label(self._labels, row) if self._scores else {}
      yield PredictedRelation(label, score, *ends, pair.text, scores)


def entity_spans(places: Sequence[Span]) -> list[Span]:
  """The two entities of a located pair: the placeholders, or inside markers."""
  if len(places) == 2:
    return [*places]
  (_, a), (b, _), (_, c), (d, _) = places
  return [(a, b), (c, d)]


def _table(file: str, counts: Counter[str]) -> Iterator[Document]:
  """The lines of a file of sentences, but no header."""
  for number, line in read_lines(file, counts):
    if number == 1 and 'sentence' in line.lower().split('\t'):
      counts['header_lines'] += 1
    elif line.strip():
      yield Document(str(number), line, path=file, line=number)


def shown_pair(
  document: Document,
  form: PairForm,
  placeholders: Placeholders,
  counts: Counter[str],
) -> Document:
  """The document of a text that shows its pair; else as it is.

  Of a row of a table the sentence becomes the text, a cell before it the id.
  """
  cells = document.text.split('\t')
  shown = [i for i, cell in enumerate(cells) if form.locate(cell)]
  if not shown:
    counts['documents_without_entities'] += 1
    return document
  place = shown[0]
  text = cells[place]
  counts.update(
    {'labels_of_the_input_passed_over': 1} if cells[place + 1 :] else {}
  )
  entities = tuple(
    Entity(start, end, kind, text[start:end])
    for (start, end), kind in zip(
      entity_spans(form.locate(text) or ()), placeholders.types, strict=True
    )
  )
  id = cells[0] if place else document.id
  return dataclasses.replace(document, id=id, text=text, entities=entities)
