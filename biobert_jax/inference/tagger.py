"""Raw text to entities."""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from biobert_jax.checkpoints import pretrained
from biobert_jax.data import windows
from biobert_jax.data.packing import PackedRows
from biobert_jax.errors import InputError
from biobert_jax.inference.model_runner import TokenRunner
from biobert_jax.metrics.ner import spans
from biobert_jax.tasks.ner import merge
from biobert_jax.text import documents
from biobert_jax.text.sentence_splitter import split_sentences

# Documents read, packed and tagged together: bounds memory.
_CHUNK = 512


# How text is cut where a model does not say (configs/common/ner.py).
_DEFAULTS = {
  'max_seq_length': 128,
  'window_overlap': 32,
  'entity_type': 'Entity',
}


_NO_ENTITY = ('[PAD]', 'X', '[CLS]', '[SEP]')


class Tagger:
  """A trained model that marks entities in text."""

  def __init__(
    self,
    model: str,
    counts: Counter[str] | None = None,
    do_lower_case: bool | None = None,
    keep_entities: bool = False,
  ):
    """Opens a token classifier and compiles it.

    Args:
      model: a work folder of `train`, an import, an export in any form, a
        Hugging Face folder.
      counts: receives what `windows.encode` notices.
      do_lower_case: casing, where no file of the model states it.
      keep_entities: whether entities that documents have already stay.

    Raises:
      InputError: no token classifier there, or labels that are no BIO tags.
    """
    opened = pretrained.load_pretrained(model, do_lower_case)
    pretrained.check_known(opened)
    positions = opened.bert.max_position_embeddings
    settings = {**_DEFAULTS, **opened.settings}
    self._length = min(settings['max_seq_length'], positions)
    self._overlap = min(settings['window_overlap'], self._length // 4)
    self._entity_type = settings['entity_type']
    self._run = TokenRunner(opened, self._length)
    self._tags = bio_tags(opened.labels, model)
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts
    self._keep = keep_entities

  def __call__(
    self, source: Iterable[documents.Document]
  ) -> Iterator[documents.Document]:
    """Yields each document with the entities found in it.

    Args:
      source: documents; entities they already have are dropped, unless they
        are to be kept.

    Yields:
      The documents in their order; `text[start:end]` is an entity's text.
    """
    iterator = iter(source)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
      yield from self._tag(chunk)

  def _tag(self, chunk: list[documents.Document]) -> list[documents.Document]:
    words = [_sentences(document) for document in chunk]
    flat = [sentence for document in words for sentence in document]
    texts = [
      [document.text[start:end] for start, end in sentence]
      for document, sentences in zip(chunk, words, strict=True)
      for sentence in sentences
    ]
    if not flat:
      return [self._with(document, []) for document in chunk]
    encoded = windows.encode(
      texts,
      self._tokenizer,
      max_seq_length=self._length,
      overlap=self._overlap,
      counts=self._counts,
    )
    rows = PackedRows(
      encoded,
      np.zeros(encoded.num_words, np.int32),
      max_seq_length=self._length,
      pack=self._run.pack,
    )
    ids, probabilities = merge(self._run(rows), encoded.num_words)
    tagged, first = [], 0
    for document, sentences in zip(chunk, words, strict=True):
      found: list[documents.Entity] = []
      for sentence in sentences:
        last = first + len(sentence)
        found += self._entities(
          document.text, sentence, ids[first:last], probabilities[first:last]
        )
        first = last
      tagged.append(self._with(document, found))
    return tagged

  def _with(
    self, document: documents.Document, found: list[documents.Entity]
  ) -> documents.Document:
    if self._keep:
      both = {(e.start, e.end, e.type): e for e in (*document.entities, *found)}
      found = [both[key] for key in sorted(both)]
    return dataclasses.replace(document, entities=tuple(found))

  def _entities(
    self,
    text: str,
    words: list[tuple[int, int]],
    ids: np.ndarray,
    probabilities: np.ndarray,
  ) -> Iterator[documents.Entity]:
    for first, last, kind in spans([self._tags[i] for i in ids]):
      start, end = words[first][0], words[last - 1][1]
      yield documents.Entity(
        start,
        end,
        kind or self._entity_type,
        text[start:end],
        round(float(np.mean(probabilities[first:last])), 4),
      )


def bio_tags(labels: Sequence[str], model: str) -> tuple[str, ...]:
  """A classifier's labels as BIO tags.

  Args:
    labels: by id. The reference's own [PAD], X, [CLS] and [SEP]
      (run_ner.py:191) mark no entity.
    model: for the message.

  Returns:
    Tags 'O', 'B', 'I', 'B-Type', 'I-Type'.

  Raises:
    InputError: a label is none of these.
  """
  tags = ['O' if label in _NO_ENTITY else label for label in labels]
  wrong = [tag for tag in tags if not re.fullmatch('O|[BI](-.+)?', tag)]
  if wrong:
    raise InputError(
      f'{model}: its label {wrong[0]!r} is no BIO tag (O, B-Type, I-Type); '
      'name them in the order of their ids: import it with --labels=O,B-Type,…'
    )
  return tuple(tags)


def _sentences(document: documents.Document) -> list[list[tuple[int, int]]]:
  """Character spans of the words of each sentence."""
  words = documents.split_words(document.text)
  return split_sentences(document.text, words, document.title_length)
