"""Raw text to entities."""

import dataclasses
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from biobert_jax.data import windows
from biobert_jax.data.packing import PackedRows
from biobert_jax.errors import InputError
from biobert_jax.inference import inputs
from biobert_jax.inference.inputs import Texts, TextStream
from biobert_jax.inference.model_runner import (
  Model,
  ModelRunner,
  by_label,
  load_for,
)
from biobert_jax.metrics.ner import spans
from biobert_jax.tasks.ner import merge
from biobert_jax.text import tag_schemes
from biobert_jax.text.documents import Document, Entity, split_words
from biobert_jax.text.sentence_splitter import split_sentences

# Documents that are packed and tagged together: bounds memory.
_CHUNK = 512
_log = logging.getLogger(__name__)


class Tagger:
  """A fine-tuned model that finds entities in text."""

  def __init__(
    self,
    model: Model,
    *,
    keep_entities: bool = False,
    scores: bool = False,
    do_lower_case: bool | None = None,
    counts: Counter[str] | None = None,
  ):
    """Opens a token classifier and compiles it.

    Args:
      model: the path of a work folder of `train`, an import, an export in any
        form or a Hugging Face folder; or what `load_pretrained` opened.
      keep_entities: whether entities that documents have already stay, with
        their concepts, relations and whatever else the input says.
      scores: whether documents get `tokens` in `extra`: the place of each word
        and the probability of each label.
      do_lower_case: casing, where no file of the model states it.
      counts: receives the exceptions that encoding counts.

    Raises:
      InputError: no token classifier there, or labels that are no tags.
    """
    opened = load_for('ner', model, do_lower_case)
    self._tags = entity_tags(opened.labels, opened.source.given)
    self._runner = ModelRunner('ner', opened, scores)
    self._scores, self._labels = scores, opened.labels
    overlap = opened.settings['window_overlap']
    self._overlap = min(overlap, self._runner.max_seq_length // 4)
    self._entity_type = opened.settings['entity_type']
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts
    self._keep = keep_entities

  @property
  def types(self) -> set[str]:
    """The types of the entities that it finds."""
    return entity_types(self._tags.tags, self._entity_type)

  @overload
  def __call__(self, texts: str | Document) -> Document: ...
  @overload
  def __call__(self, texts: Texts) -> list[Document]: ...
  @overload
  def __call__(self, texts: TextStream) -> Iterator[Document]: ...

  def __call__(self, texts: Any) -> Any:
    """Finds the entities of one text or of many.

    Args:
      texts: a string or a document, or a list or an iterator of them; strings
        become documents named '1', '2', and so on. Entities that a document
        has already are dropped, unless the tagger keeps them.

    Returns:
      The document with its `entities`: `text[start:end]` is an entity's text;
      a list or an iterator of documents, which reads as it goes.

    Raises:
      TypeError: neither strings nor documents.
    """
    stream = inputs.chunked(self._tag, _CHUNK)
    return inputs.apply(texts, inputs.document_of, stream)

  def _tag(self, chunk: list[Document]) -> list[Document]:
    words = [
      split_sentences(
        d.text,
        self._tokenizer.join_added(d.text, split_words(d.text)),
        d.title_length,
      )
      for d in chunk
    ]
    texts = [
      [document.text[start:end] for start, end in sentence]
      for document, sentences in zip(chunk, words, strict=True)
      for sentence in sentences
    ]
    if not texts:
      return [self._with(document, [], []) for document in chunk]
    length = self._runner.max_seq_length
    encoded = windows.encode(
      texts,
      self._tokenizer,
      max_seq_length=length,
      overlap=self._overlap,
      counts=self._counts,
    )
    nothing = np.zeros(encoded.num_words, np.int32)
    rows = PackedRows(
      encoded, nothing, max_seq_length=length, pack=self._runner.pack
    )
    number = encoded.num_words
    ids, probabilities, scores = merge(
      *(self._runner(rows), number, len(self._labels) if self._scores else 0)
    )
    tagged, first = [], 0
    for document, sentences in zip(chunk, words, strict=True):
      found, tokens = list[Entity](), list[dict[str, Any]]()
      for sentence in sentences:
        last = first + len(sentence)
        found += self._entities(
          document.text, sentence, ids[first:last], probabilities[first:last]
        )
        if self._scores:
          tokens += self._tokens(sentence, scores[first:last])
        first = last
      tagged.append(self._with(document, found, tokens))
    return tagged

  def _tokens(
    self, words: list[tuple[int, int]], scores: np.ndarray
  ) -> Iterator[dict[str, Any]]:
    for (start, end), row in zip(words, scores, strict=True):
      yield {'start': start, 'end': end, 'scores': by_label(self._labels, row)}

  def _with(
    self,
    document: Document,
    found: list[Entity],
    tokens: list[dict[str, Any]],
  ) -> Document:
    if self._keep:
      document = with_entities(document, found)
    else:
      lost = {
        'entities_of_the_input_dropped': len(document.entities),
        'relations_of_the_input_dropped': len(document.relations),
        'unknown_keys_of_the_input_dropped': len(document.extra),
      }
      self._counts.update({k: number for k, number in lost.items() if number})
      document = dataclasses.replace(
        document, entities=tuple(found), relations=(), extra={}
      )
    if self._scores:
      extra = {**document.extra, 'tokens': tokens}
      document = dataclasses.replace(document, extra=extra)
    return document

  def _entities(
    self,
    text: str,
    words: list[tuple[int, int]],
    ids: np.ndarray,
    probabilities: np.ndarray,
  ) -> Iterator[Entity]:
    given, scheme = self._tags
    tags = tag_schemes.to_bio([given[i] for i in ids], scheme, Counter())
    for first, last, kind in spans(tags):
      start, end = words[first][0], words[last - 1][1]
      yield Entity(
        start,
        end,
        kind or self._entity_type,
        text[start:end],
        round(float(np.mean(probabilities[first:last])), 4),
      )


def with_entities(document: Document, found: Sequence[Entity]) -> Document:
  """The document with more entities, all in order of place and type.

  One that it has already keeps what it says, and gets the score of the other.
  """
  by_place = {(e.start, e.end, e.type): e for e in found}
  entities = []
  for entity in document.entities:
    same = by_place.get((entity.start, entity.end, entity.type))
    score = same.score if same else entity.score
    entities.append(dataclasses.replace(entity, score=score))
  given = {(e.start, e.end, e.type) for e in entities}
  entities += [e for place, e in by_place.items() if place not in given]
  order = sorted(
    range(len(entities)),
    key=lambda i: (entities[i].start, entities[i].end, entities[i].type),
  )
  places = {old: new for new, old in enumerate(order)}

  def moved(end: int | str) -> int | str:
    return places[end] if isinstance(end, int) else end

  return dataclasses.replace(
    document,
    entities=tuple(entities[i] for i in order),
    relations=tuple(
      dataclasses.replace(r, first=moved(r.first), second=moved(r.second))
      for r in document.relations
    ),
  )


def entity_types(tags: Iterable[str], untyped: str) -> set[str]:
  """The types of tags; `untyped` of those that have none."""
  return {tag[2:] or untyped for tag in tags if tag != 'O'}


def entity_tags(labels: Sequence[str], model: str) -> tag_schemes.Labels:
  """Labels by id as tags of their scheme; notes how it read odd ones.

  An InputError, which names the model: they are no tags.
  """
  found = tag_schemes.read_labels(labels)
  if found is None:
    raise InputError(
      f'{model}: its labels ({", ".join(labels)}) are no tags of entities '
      '(O, B-Type, I-Type; also IO, BIOES or BILOU); name them in the order of '
      'their ids by --labels=O,B-Type,I-Type'
    )
  read = {a: b for a, b in zip(labels, found.tags, strict=True) if a != b}
  odd = {a: b for a, b in read.items() if b != 'O' or a in ('o', '0')}
  shown = ', '.join(f'{a} as {b}' for a, b in odd.items())
  if shown or found.scheme != 'bio':
    what = f'read as {found.scheme.upper()} tags'
    _log.warning(
      '%s: its labels are %s%s', model, what, f': {shown}' * (shown != '')
    )
  return found
