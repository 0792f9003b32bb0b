"""Documents with entities to relations between them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, overload

import numpy as np

from biobert_jax.data.relation import features as relation_features
from biobert_jax.data.relation.candidates import Mention, Pair, candidate_pairs
from biobert_jax.data.relation.features import PairForm
from biobert_jax.data.relation.pair_words import Markers, Placeholders
from biobert_jax.errors import InputError
from biobert_jax.inference import inputs
from biobert_jax.inference.inputs import Texts, TextStream
from biobert_jax.inference.model_runner import Model, ModelRunner, load_for
from biobert_jax.inference.results import PredictedRelation, RelatedDocument
from biobert_jax.text.documents import Document

# Documents whose pairs are packed and classified together: bounds memory.
_CHUNK = 512


class RelationExtractor:
  """A fine-tuned model that finds relations between entities of a sentence."""

  def __init__(
    self,
    model: Model,
    *,
    tagger: Callable[[Iterator[Document]], Iterator[Document]] | None = None,
    do_lower_case: bool | None = None,
    counts: Counter[str] | None = None,
  ):
    """Opens a classifier of sentences with an entity pair and compiles it.

    Args:
      model: as for a `Tagger`; a work folder, or an import or export of one.
      tagger: finds the entities first, for plain strings and documents without
        entities: a `Tagger`.
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
    self.tagger = tagger
    self._labels, self._negative = opened.labels, settings['negative']
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts

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
        iterator of them; with a tagger, strings too.

    Returns:
      The document with its relations; a list or an iterator of them, which
      reads as it goes.

    Raises:
      TypeError: no documents; or strings, and there is no tagger.
    """
    return inputs.apply(documents, self._document_of, self._stream)

  def _document_of(self, number: int, given: Any) -> Document:
    if isinstance(given, str) and self.tagger is None:
      raise TypeError(
        f'input {number} is a string without entities; give documents with '
        'entities, or build RelationExtractor(model, tagger=Tagger(…))'
      )
    return inputs.document_of(number, given)

  def _stream(self, documents: Iterable[Document]) -> Iterator[RelatedDocument]:
    if self.tagger is not None:
      documents = self.tagger(iter(documents))
    return inputs.chunked(self._extract, _CHUNK)(documents)

  def _extract(self, chunk: list[Document]) -> Iterator[RelatedDocument]:
    pairs_by_document = [self._pairs(document) for document in chunk]
    probabilities = self._classify(
      [pair.text for pairs in pairs_by_document for pair in pairs]
    )
    first = 0
    for document, pairs in zip(chunk, pairs_by_document, strict=True):
      last = first + len(pairs)
      relations = self._relations(pairs, probabilities[first:last])
      yield RelatedDocument(document, tuple(relations))
      first = last

  def _pairs(self, document: Document) -> list[Pair]:
    entities = enumerate(document.entities)
    mentions = [Mention(str(number), entity) for number, entity in entities]
    marked = isinstance(self._form, Markers)
    return candidate_pairs(
      document, mentions, self._placeholders, self._counts, marked
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

  def _relations(
    self, pairs: list[Pair], probabilities: np.ndarray
  ) -> Iterator[PredictedRelation]:
    for pair, row in zip(pairs, probabilities, strict=True):
      label = self._labels[row.argmax()]
      if label != self._negative:
        score = round(float(row.max()), 4)
        ends = (int(pair.first.id), int(pair.second.id))
        yield PredictedRelation(label, score, *ends, pair.text)
