"""Raw text to entities with character offsets."""

import dataclasses
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tqdm
from etils import epath

from biobert_jax import evaluate as evaluation
from biobert_jax import experiment as experiments
from biobert_jax import run
from biobert_jax.data import annotations, documents, windows
from biobert_jax.data.packing import PackedRows
from biobert_jax.data.sentences import split_sentences
from biobert_jax.errors import InputError
from biobert_jax.metrics.ner import spans
from biobert_jax.tasks.ner import merge

_log = logging.getLogger(__name__)

FORMATS: dict[str, Callable[..., Any]] = {
  'jsonl': annotations.write_jsonl,
  'brat': annotations.write_brat,
  'pubtator': annotations.write_pubtator,
  'conll': annotations.write_conll,
  'html': annotations.write_html,
}
# Documents read, packed and tagged together: bounds memory.
_CHUNK = 512
_ROWS = 16  # Computed together.


class Tagger:
  """A trained model that marks entities in text."""

  def __init__(self, workdir: str, counts: Counter[str] | None = None):
    """Opens a work folder of `train` and compiles the model.

    Args:
      workdir: the folder.
      counts: receives what `windows.encode` notices.

    Raises:
      InputError: nothing trained there.
    """
    folder = experiments.folder_of(workdir)
    self._experiment = experiments.from_workdir(folder)
    self._evaluator, self._params = evaluation.open_model(
      self._experiment, folder, _ROWS
    )
    self._counts = Counter() if counts is None else counts

  def __call__(
    self, source: Iterable[documents.Document]
  ) -> Iterator[documents.Document]:
    """Yields each document with the entities found in it.

    Args:
      source: documents; entities they already have are dropped.

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
      return [_with(document, []) for document in chunk]
    data = self._experiment.config.data
    encoded = windows.encode(
      texts,
      self._experiment.tokenizer,
      max_seq_length=data.max_seq_length,
      overlap=data.window_overlap,
      counts=self._counts,
    )
    rows = PackedRows(
      encoded,
      np.zeros(encoded.num_words, np.int32),
      max_seq_length=data.max_seq_length,
      pack=True,
    )
    outputs = self._evaluator.run(self._params, rows)
    ids, probabilities = merge(outputs, encoded.num_words)
    tagged, first = [], 0
    for document, sentences in zip(chunk, words, strict=True):
      found: list[documents.Entity] = []
      for sentence in sentences:
        last = first + len(sentence)
        found += self._entities(
          document.text, sentence, ids[first:last], probabilities[first:last]
        )
        first = last
      tagged.append(_with(document, found))
    return tagged

  def _entities(
    self,
    text: str,
    words: list[tuple[int, int]],
    ids: np.ndarray,
    probabilities: np.ndarray,
  ) -> Iterator[documents.Entity]:
    labels = self._experiment.labels
    for first, last, kind in spans([labels[i] for i in ids]):
      start, end = words[first][0], words[last - 1][1]
      yield documents.Entity(
        start,
        end,
        kind or self._experiment.config.data.entity_type,
        text[start:end],
        round(float(np.mean(probabilities[first:last])), 4),
      )


def _sentences(document: documents.Document) -> list[list[tuple[int, int]]]:
  """Character spans of the words of each sentence."""
  words = documents.split_words(document.text)
  return split_sentences(document.text, words, document.title_length)


def _with(
  document: documents.Document, found: list[documents.Entity]
) -> documents.Document:
  return dataclasses.replace(document, entities=tuple(found))


def predict(
  workdir: str, source: str, output: str, form: str
) -> dict[str, Any]:
  """Tags a file of raw text or PubTator.

  Args:
    workdir: folder of a training run.
    source: a file with one document a line, or PubTator; '-' is standard
      input.
    output: the file (for brat, the folder) to write.
    form: a key of `FORMATS`.

  Returns:
    `{"output", "documents", "entities", "per_type"}`.

  Raises:
    InputError: nothing trained there, or unreadable text.
  """
  if form not in FORMATS:
    raise InputError(f'--format is {form!r}; choose from {sorted(FORMATS)}')
  if source != '-' and not epath.Path(source).exists():
    raise InputError(f'--input {source}: no such file')
  counts: Counter[str] = Counter()
  types: Counter[str] = Counter()
  total = 0

  def counted() -> Iterator[documents.Document]:
    nonlocal total
    # Only now: a writer has refused a wrong output by then.
    tagger = Tagger(workdir, counts)
    tagged = tagger(documents.read_documents(source, counts))
    # On a terminal only.
    for document in tqdm.tqdm(tagged, unit=' documents', disable=None):
      total += 1
      types.update(entity.type for entity in document.entities)
      yield document

  FORMATS[form](counted(), output)
  run.say_counts(counts)
  return {
    'output': output,
    'documents': total,
    'entities': types.total(),
    'per_type': dict(sorted(types.items())),
  }
