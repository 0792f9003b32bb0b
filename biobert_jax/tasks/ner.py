"""Named entity recognition: a label for every word."""

import functools
import pathlib
from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data import packing, windows
from biobert_jax.data.ner import corpus
from biobert_jax.data.packing import PackedRows
from biobert_jax.data.splits import count_overlap
from biobert_jax.errors import Range
from biobert_jax.metrics import ner as metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import TokenClassifier
from biobert_jax.tasks import datasets, losses
from biobert_jax.tasks.task import (
  Arrays,
  Outputs,
  Scored,
  Shapes,
  Task,
  scatter,
)
from biobert_jax.text.wordpiece import WordPieceTokenizer

PANELS = (
  ('loss (nats per label)', ('train/loss',)),
  ('dev set, entities (%)', ('devel/precision', 'devel/recall', 'devel/f1')),
  ('learning rate', ('train/learning_rate',)),
)
RANGES: dict[str, Range] = {}  # The readers check the keys of `data`.


def make_task(bert: BertConfig, labels: tuple[str, ...]) -> Task:
  """The compiled part of the task.

  Args:
    bert: architecture of the encoder.
    labels: tag names by id.

  Returns:
    The record that `train`, `evaluate` and `predict` run.
  """

  def predict(logits: jax.Array, batch: Arrays) -> Arrays:
    del batch
    return {
      'label': jnp.argmax(logits, axis=-1).astype(jnp.int32),
      'probability': jnp.max(jax.nn.softmax(logits, axis=-1), axis=-1),
    }

  return Task(
    'ner',
    TokenClassifier(bert, len(labels)),
    ('loss',),
    losses.classification_normalizers,
    losses.classification_sums,
    predict,
  )


def validate(config: ConfigDict) -> None:
  """There are no conditions between keys."""


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: tuple[str, ...],
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The task of a config; see `make_task`."""
  del config, tokenizer
  return make_task(bert, labels)


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A tokenizer with a vocabulary of the training split's words."""
  sentences = _read(config, config.data.train_split, Counter())
  return datasets.build_tokenizer(
    config, [' '.join(s.tokens) for s in sentences]
  )


def shapes_of(config: ConfigDict, batch_size: int) -> Shapes:
  """Shapes of a batch's device arrays, without reading the corpus."""
  return packing.feature_shapes(batch_size, config.data.max_seq_length)


class NerDataset:
  """The corpus of a config: batches to train on, outputs to score."""

  def __init__(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    labels: tuple[str, ...] | None = None,
    splits: tuple[str, ...] = (),
  ):
    """Reads and checks splits; see `TaskModule.dataset_of`."""
    data = config.data
    self.counts: Counter[str] = Counter()
    self._config, self._tokenizer = config, tokenizer
    self._sentences = {
      split: _read(config, split, self.counts)
      for split in splits or datasets.named_splits(config)
    }
    train = self._sentences.get(data.train_split)
    if labels is None:
      if train is None:
        raise ValueError('labels are needed without the training split')
      labels = corpus.label_set(train)
    self.labels = labels
    for split, sentences in self._sentences.items():
      corpus.check_labels(sentences, labels, split)
      if train is not None and split == data.test_split:
        words = [[s.tokens for s in part] for part in (train, sentences)]
        shared = count_overlap(*words)
        self.counts[f'{split}_sentences_also_in_train'] = shared
    self.sha256 = datasets.digest(
      {
        split: ['\t'.join(s.tokens + s.tags) for s in sentences]
        for split, sentences in self._sentences.items()
      }
    )
    self.rows = functools.cache(self._rows)

  def _rows(self, split: str) -> PackedRows:
    """Packs a split; see `Dataset.rows`."""
    sentences, data = self._sentences[split], self._config.data
    encoded = windows.encode(
      [s.tokens for s in sentences],
      self._tokenizer,
      max_seq_length=data.max_seq_length,
      overlap=data.window_overlap,
      counts=self.counts,
    )
    tags = (tag for s in sentences for tag in s.tags)
    rows = PackedRows(
      encoded,
      datasets.label_ids(tags, self.labels),
      max_seq_length=data.max_seq_length,
      pack=data.pack,
      seed=self._config.seed,
    )
    contents = (
      f'{len(sentences)} sentences, {encoded.num_words} words, '
      f'{len(encoded.input_ids)} tokens'
    )
    datasets.log_packing(split, contents, rows)
    return rows

  def score(self, split: str, outputs: Outputs) -> Scored:
    """Metrics of conlleval; the tagged file; the list of errors."""
    sentences = self._sentences[split]
    ids, _ = merge(outputs, sum(len(s.tokens) for s in sentences))
    predicted, first = [], 0
    for sentence in sentences:
      last = first + len(sentence.tokens)
      predicted.append([self.labels[i] for i in ids[first:last]])
      first = last
    gold = [s.tags for s in sentences]
    report = metrics.evaluate(gold, predicted, bootstrap=datasets.BOOTSTRAP)
    lines = []
    for sentence, tags in zip(sentences, predicted, strict=True):
      triples = zip(sentence.tokens, sentence.tags, tags, strict=True)
      lines += ['\t'.join(triple) for triple in triples] + ['']
    files = {
      f'predictions_{split}.tsv': '\n'.join(lines),
      f'errors_{split}.tsv': _errors(sentences, report),
    }
    return Scored(metrics.as_dict(report), report.overall.f1, files)


dataset_of = NerDataset


def merge(outputs: Outputs, num_words: int) -> tuple[np.ndarray, np.ndarray]:
  """Label id and probability of every word.

  Args:
    outputs: batches with the predictions for them.
    num_words: words of all windows.

  Returns:
    Arrays [num_words], int32 and float32.

  Raises:
    RuntimeError: a word without its prediction; a fault of ours.
  """
  names = 'label', 'probability'
  label, probability = scatter(outputs, names, 'words', (num_words,), 'words')
  return label.astype(np.int32), probability


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[corpus.Sentence]:
  data = config.data
  folder = datasets.data_folder(config)
  return corpus.read_split(
    folder, split, counts, scheme=data.scheme, strict=data.strict
  )


def _errors(sentences: list[corpus.Sentence], report: metrics.Report) -> str:
  """False positives and false negatives, one per line, with file and line."""
  rows = ['kind\tfile\tline\ttype\ttext']
  both: list[tuple[str, Any]] = [
    ('false_positive', report.false_positives),
    ('false_negative', report.false_negatives),
  ]
  for kind, found in both:
    for span in found:
      sentence = sentences[span.sentence]
      text = ' '.join(sentence.tokens[span.start : span.end])
      line = sentence.line_of(span.start)
      name = pathlib.Path(sentence.path).name
      rows.append(f'{kind}\t{name}\t{line}\t{span.type}\t{text}')
  return '\n'.join(rows) + '\n'
