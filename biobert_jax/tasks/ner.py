"""Named entity recognition: a label for every word."""

import functools
import hashlib
import logging
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
from biobert_jax.errors import InputError
from biobert_jax.metrics import ner as metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import TokenClassifier
from biobert_jax.tasks import losses
from biobert_jax.tasks.task import Arrays, Outputs, Scored, Task
from biobert_jax.text.vocabulary import build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)
_BOOTSTRAP = 1000
# What `curves.png` shows: (title, figures).
PANELS = (
  ('loss (nats a label)', ('train/loss',)),
  ('devel, entities (%)', ('devel/precision', 'devel/recall', 'devel/f1')),
  ('learning rate', ('train/learning_rate',)),
)


def make_task(bert: BertConfig, labels: tuple[str, ...]) -> Task:
  """The pure half of the task.

  Args:
    bert: the encoder's architecture.
    labels: tag names by id.

  Returns:
    The record that `train`, `evaluate` and `predict` run.
  """

  def weights(batch: Arrays) -> Arrays:
    weight = losses.label_weight(batch['labels'])
    return {'loss': weight, 'accuracy': weight}

  def sums(logits: jax.Array, batch: Arrays) -> Arrays:
    return {
      'loss': losses.cross_entropy_sum(logits, batch['labels']),
      'accuracy': losses.correct_sum(logits, batch['labels']),
    }

  def predict(logits: jax.Array, batch: Arrays) -> Arrays:
    del batch
    return {
      'label': jnp.argmax(logits, axis=-1).astype(jnp.int32),
      'probability': jnp.max(jax.nn.softmax(logits, axis=-1), axis=-1),
    }

  module = TokenClassifier(bert, len(labels))
  return Task('ner', module, ('loss',), weights, sums, predict)


def validate(config: ConfigDict) -> None:
  """Refuses values of `data` outside their range: none but the readers' own."""


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: tuple[str, ...],
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The record of an experiment; see `make_task`."""
  del config, tokenizer
  return make_task(bert, labels)


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A vocabulary of the training split's words, where none is given."""
  _log.info('no init_from, no vocab.path: building a vocabulary')
  sentences = _read(config, config.data.train_split, Counter())
  texts = [' '.join(sentence.tokens) for sentence in sentences]
  lower = bool(config.vocab.do_lower_case)
  pieces = build_vocabulary(texts, config.vocab.size, lower)
  return WordPieceTokenizer(pieces, lower)


def splits_of(config: ConfigDict) -> tuple[str, ...]:
  """The splits that a training run reads: train, then those it scores."""
  data = config.data
  named = (data.train_split, data.devel_split, data.test_split)
  return tuple(split for split in named if split)


def dataset_of(
  config: ConfigDict,
  tokenizer: WordPieceTokenizer,
  labels: tuple[str, ...] | None = None,
  splits: tuple[str, ...] = (),
) -> 'NerDataset':
  """The corpus of an experiment."""
  return NerDataset(config, tokenizer, labels, splits)


def shapes_of(
  config: ConfigDict, batch_size: int
) -> dict[str, tuple[int, ...]]:
  """Shapes of a batch, without the corpus that it is drawn from."""
  return packing.feature_shapes(batch_size, config.data.max_seq_length)


class NerDataset:
  """The corpus of a config: rows to train on, outputs to score."""

  def __init__(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    labels: tuple[str, ...] | None = None,
    splits: tuple[str, ...] = (),
  ):
    """Reads and checks every split that the run will need.

    Args:
      config: `data` and `seed` of the experiment.
      tokenizer: words to pieces.
      labels: tag names by id; by default those of the training split.
      splits: which splits to read; by default all that the config names.

    Raises:
      InputError: with file and line.
    """
    data = config.data
    splits = splits or splits_of(config)
    self.counts: Counter[str] = Counter()
    self._config, self._tokenizer = config, tokenizer
    self._sentences = {s: _read(config, s, self.counts) for s in splits}
    train = self._sentences.get(data.train_split)
    if labels is None:
      if train is None:
        raise ValueError('labels are needed where the training split is not')
      labels = corpus.label_set(train)
    self.labels = labels
    for split, sentences in self._sentences.items():
      corpus.check_labels(sentences, labels, split)
      if train is not None and split == data.test_split:
        shared = corpus.count_overlap(train, sentences)
        self.counts[f'{split}_sentences_also_in_train'] = shared
    self.sha256 = _digest(self._sentences)
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
    ids = {label: i for i, label in enumerate(self.labels)}
    rows = PackedRows(
      encoded,
      np.asarray([ids[tag] for s in sentences for tag in s.tags], np.int32),
      max_seq_length=data.max_seq_length,
      pack=data.pack,
      seed=self._config.seed,
    )
    _log.info(
      '%s: %d sentences, %d words, %d pieces in %d rows of %d, %.2f %% padding',
      *(split, len(sentences), encoded.num_words, len(encoded.input_ids)),
      *(rows.num_rows, data.max_seq_length, 100 * (1 - rows.fill)),
    )
    return rows

  def score(self, split: str, outputs: Outputs) -> Scored:
    """conlleval's figures; the tagged file; the list of mistakes."""
    sentences = self._sentences[split]
    ids, _ = merge(outputs, sum(len(s.tokens) for s in sentences))
    predicted, first = [], 0
    for sentence in sentences:
      last = first + len(sentence.tokens)
      predicted.append([self.labels[i] for i in ids[first:last]])
      first = last
    gold = [s.tags for s in sentences]
    report = metrics.evaluate(gold, predicted, bootstrap=_BOOTSTRAP)
    lines = []
    for sentence, tags in zip(sentences, predicted, strict=True):
      triples = zip(sentence.tokens, sentence.tags, tags, strict=True)
      lines += ['\t'.join(triple) for triple in triples] + ['']
    files = {
      f'predictions_{split}.tsv': '\n'.join(lines),
      f'errors_{split}.tsv': _mistakes(sentences, report),
    }
    return Scored(metrics.as_dict(report), report.overall.f1, files)


def merge(outputs: Outputs, num_words: int) -> tuple[np.ndarray, np.ndarray]:
  """Outputs of rows -> (label id, probability) of every word.

  Args:
    outputs: batches with what the device predicted for them.
    num_words: words of all windows.

  Returns:
    Arrays [num_words], int32 and float32.

  Raises:
    RuntimeError: a word without its prediction; a fault of ours.
  """
  ids = np.full(num_words, -1, np.int32)
  probabilities = np.zeros(num_words, np.float32)
  for batch, predicted in outputs:
    places = batch['words'] >= 0
    words = batch['words'][places]
    ids[words] = predicted['label'][places]
    probabilities[words] = predicted['probability'][places]
  if np.any(ids < 0):
    raise RuntimeError(f'{np.sum(ids < 0)} words got no prediction')
  return ids, probabilities


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[corpus.Sentence]:
  data = config.data
  if not data.dir:
    raise InputError('data.dir is not set; give --config.data.dir=DIR')
  return corpus.read_split(
    pathlib.Path(data.dir).expanduser(),
    split,
    counts,
    scheme=data.scheme,
    strict=data.strict,
  )


def _digest(splits: dict[str, list[corpus.Sentence]]) -> str:
  digest = hashlib.sha256()
  for split, sentences in splits.items():
    digest.update(f'{split}\n'.encode())
    for sentence in sentences:
      digest.update('\t'.join(sentence.tokens + sentence.tags).encode())
      digest.update(b'\n')
  return digest.hexdigest()


def _mistakes(sentences: list[corpus.Sentence], report: metrics.Report) -> str:
  """False positives and negatives, a line each, with file and line."""
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
