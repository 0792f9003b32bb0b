"""Named entity recognition: a label for every word."""

import functools
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data import windows
from biobert_jax.data.ner import corpus
from biobert_jax.data.ner.corpus import Sentence
from biobert_jax.data.packing import PackedRows
from biobert_jax.metrics import entity_matches
from biobert_jax.metrics import ner as metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import module_of
from biobert_jax.tasks import datasets
from biobert_jax.tasks.task import Arrays, Dataset, Names, Outputs, Scored, Task
from biobert_jax.text import tag_schemes
from biobert_jax.text.wordpiece import WordPieceTokenizer

PANELS = (
  ('loss (nats per label)', ('train/loss',)),
  ('dev set, entities (%)', ('devel/precision', 'devel/recall', 'devel/f1')),
)
RANGES = tag_schemes.RANGES  # The readers check the other keys of `data`.
shapes_of, validate = datasets.token_shapes, datasets.no_conditions


def make_task(
  bert: BertConfig, labels: Names, scores: bool = False, **loss: Any
) -> Task:
  """The compiled part of the task; `labels` are tag names by id.

  With `scores` it predicts the probability of every label, too; `loss` is what
  `datasets.class_weights` gives.
  """

  def predict(logits: jax.Array, _: Arrays) -> Arrays:
    probabilities = jax.nn.softmax(logits, axis=-1)
    found = {
      'label': jnp.argmax(logits, axis=-1).astype(jnp.int32),
      'probability': jnp.max(probabilities, axis=-1),
    }
    return {**found, 'scores': probabilities} if scores else found

  return Task(module_of('token', bert, len(labels)), predict, **loss)


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: Names,
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The task of a config; see `make_task`."""
  del tokenizer

  def train_labels() -> Iterator[str]:
    for sentence in _read(config, config.data.train_split, Counter()):
      yield from sentence.tags

  loss = datasets.class_weights(config, labels, train_labels)
  return make_task(bert, labels, **loss)


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A tokenizer with a vocabulary of the training split's words."""
  sentences = _read(config, config.data.train_split, Counter())
  texts = [' '.join(s.tokens) for s in sentences]
  return datasets.build_tokenizer(config, texts)


def dataset_of(
  config: ConfigDict,
  tokenizer: WordPieceTokenizer,
  labels: Names | None = None,
  splits: Names = (),
) -> Dataset:
  """Reads and checks splits; see `TaskModule.dataset_of`."""
  data = config.data
  examples, counts = datasets.read_splits(config, splits, _read)
  tags = datasets.checked_labels(
    *(config, examples, counts, labels, corpus, corpus.label_set),
    lambda sentence: sentence.tokens,
  )

  def rows(split: str) -> PackedRows:
    sentences = examples[split]
    encoded = windows.encode(
      [s.tokens for s in sentences],
      tokenizer,
      max_seq_length=data.max_seq_length,
      overlap=data.window_overlap,
      counts=counts,
    )
    ids = datasets.label_ids((t for s in sentences for t in s.tags), tags)
    words, tokens = encoded.num_words, len(encoded.input_ids)
    contents = f'{len(sentences)} sentences, {words} words, {tokens} tokens'
    return datasets.pack(config, split, contents, encoded, ids)

  def score(split: str, outputs: Outputs) -> Scored:
    return _score(split, examples[split], tags, outputs)

  sha256 = datasets.digest(
    examples, lambda found: ('\t'.join(s.tokens + s.tags) for s in found)
  )
  return Dataset(tags, examples, counts, sha256, functools.cache(rows), score)


def _score(
  split: str,
  sentences: Sequence[Sentence],
  labels: Names,
  outputs: Outputs,
) -> Scored:
  ids, _, _ = merge(outputs, sum(len(s.tokens) for s in sentences))
  names, predicted, lines = iter(ids), [], []
  for sentence in sentences:
    tags = [labels[next(names)] for _ in sentence.tokens]
    predicted.append(tags)
    triples = zip(sentence.tokens, sentence.tags, tags, strict=True)
    lines += ['\t'.join(triple) for triple in triples] + ['']
  gold = [s.tags for s in sentences]
  report = metrics.evaluate(gold, predicted, bootstrap=datasets.BOOTSTRAP)
  files = {f'predictions_{split}.tsv': '\n'.join(lines)}
  files[f'errors_{split}.tsv'] = _errors(sentences, report)
  matches = entity_matches.evaluate(gold, predicted, report)
  figures = metrics.as_dict(report) | entity_matches.as_dict(matches)
  return Scored(figures, report.overall.f1, files)


def merge(
  outputs: Outputs, num_words: int, num_scores: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Predictions for every word of all windows.

  Returns:
    Label id (int32), its probability, and the probabilities of `num_scores`
    labels, [num_words, num_scores].
  """
  shapes: dict[str, tuple[int, ...]] = {'label': (num_words,)}
  shapes['probability'] = (num_words,)
  if num_scores:
    shapes['scores'] = (num_words, num_scores)
  found = datasets.scatter(outputs, shapes, 'words', 'words')
  none = np.zeros((num_words, 0), np.float32)
  label, probability, scores = [*found, none][:3]
  return label.astype(np.int32), probability, scores


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[Sentence]:
  data, folder = config.data, datasets.data_folder(config)
  options = {'scheme': data.scheme, 'strict': data.strict}
  return corpus.read_split(folder, split, counts, **options)


def _errors(sentences: Sequence[Sentence], report: metrics.EntityReport) -> str:
  """False positives and false negatives, one per line, with file and line."""
  rows = ['kind\tfile\tline\ttype\ttext']
  for kind in ('false_positive', 'false_negative'):
    for span in getattr(report, f'{kind}s'):
      sentence = sentences[span.sentence]
      text = ' '.join(sentence.tokens[span.start : span.end])
      line = sentence.line_of(span.start)
      name = pathlib.Path(sentence.path).name
      rows.append(f'{kind}\t{name}\t{line}\t{span.type}\t{text}')
  return '\n'.join(rows) + '\n'
