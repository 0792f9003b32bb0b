"""Relation extraction: a label for every sentence about a pair of entities."""

import functools
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data.packing import PackedRows
from biobert_jax.data.relation import corpus
from biobert_jax.data.relation import features as relation_features
from biobert_jax.data.relation.features import PairForm
from biobert_jax.data.relation.pair_words import Markers, Placeholders
from biobert_jax.errors import COUNT, FRACTION, InputError, one_of
from biobert_jax.metrics import relation as metrics
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import module_of
from biobert_jax.tasks import datasets
from biobert_jax.tasks.task import Arrays, Dataset, Names, Outputs, Scored, Task
from biobert_jax.text.wordpiece import WordPieceTokenizer

ENTITIES = ('anonymised', 'markers')
# data.pooling -> head.
POOLINGS = {'cls': 'sequence', 'entity_start': 'entity_pair'}
PANELS = (
  ('loss (nats per sentence)', ('train/loss',)),
  ('dev set, relations (%)', ('devel/precision', 'devel/recall', 'devel/f1')),
)
RANGES = {
  'data.entities': one_of(ENTITIES),
  'data.pooling': one_of(POOLINGS),
  'data.max_broken': FRACTION,
  'data.max_sequences': COUNT,
}
shapes_of = datasets.sequence_shapes


def make_task(
  bert: BertConfig, labels: Names, pooling: str = 'cls', **loss: Any
) -> Task:
  """The compiled part of the task.

  Its loss is the mean over the sentences of the global batch (run_re.py:736),
  however they are packed. `pooling` is a key of `POOLINGS`; `loss` is what
  `datasets.class_weights` gives.
  """

  def predict(logits: jax.Array, _: Arrays) -> Arrays:
    return {'probability': jax.nn.softmax(logits, axis=-1)}

  return Task(module_of(POOLINGS[pooling], bert, len(labels)), predict, **loss)


def validate(config: ConfigDict) -> None:
  """Checks placeholders or markers, and the label of no relation."""
  data = config.data
  _pair_of(data)
  labels = tuple(data.labels)
  if len(set(labels)) != len(labels) or len(labels) == 1:
    what = f'data.labels is {labels}; name two or more, each once'
    raise InputError(f'{what}, or none to use those of the training split')
  if not data.negative or (labels and data.negative not in labels):
    raise InputError(
      f'data.negative is {data.negative!r}, which is none of data.labels '
      f'{labels}; name the label of no relation'
    )


def _pair_of(data: ConfigDict) -> PairForm:
  words = (data.placeholders, data.joint_placeholders)
  placeholders = Placeholders.from_config(*words)
  if data.entities == 'markers':
    return Markers.from_config(data.markers)
  return placeholders


def task_of(
  config: ConfigDict,
  bert: BertConfig,
  labels: Names,
  tokenizer: WordPieceTokenizer,
) -> Task:
  """The task of a config; see `make_task`."""
  del tokenizer

  def train_labels() -> Iterator[str]:
    for example in _read(config, config.data.train_split, Counter()):
      yield example.label

  loss = datasets.class_weights(config, labels, train_labels)
  return make_task(bert, labels, config.data.pooling, **loss)


def tokenizer_of(config: ConfigDict) -> WordPieceTokenizer:
  """A tokenizer with a vocabulary of the training split's words."""
  data = config.data
  examples = _read(config, data.train_split, Counter())
  extra = data.markers if data.entities == 'markers' else ()
  texts = [example.text for example in examples]
  return datasets.build_tokenizer(config, texts, extra)


def dataset_of(
  config: ConfigDict,
  tokenizer: WordPieceTokenizer,
  labels: Names | None = None,
  splits: Names = (),
) -> Dataset:
  """Reads and checks splits; see `TaskModule.dataset_of`."""
  data = config.data
  if data.entities == 'markers':
    Markers.from_config(data.markers).ids(tokenizer)
  examples, counts = datasets.read_splits(config, splits, _read)
  names = datasets.checked_labels(
    *(config, examples, counts, labels or tuple(data.labels), corpus),
    lambda train: corpus.label_set(train, data.negative),
    lambda example: example.text,
  )

  def rows(split: str) -> PackedRows:
    found = examples[split]
    windows, starts = relation_features.encode(
      [example.text for example in found],
      tokenizer,
      _pair_of(data),
      max_seq_length=data.max_seq_length,
      counts=counts,
    )
    return datasets.pack(
      *(config, split),
      f'{len(found)} sentences, {len(windows.input_ids)} tokens',
      windows,
      datasets.label_ids((e.label for e in found), names),
      max_sequences=data.max_sequences,
      per_sequence=True,
      starts=starts if data.pooling == 'entity_start' else None,
    )

  def score(split: str, outputs: Outputs) -> Scored:
    return _score(split, examples[split], names, data.negative, outputs)

  sha256 = datasets.digest(
    examples, lambda found: (f'{e.text}\t{e.label}' for e in found)
  )
  return Dataset(names, examples, counts, sha256, functools.cache(rows), score)


def _score(
  split: str,
  examples: Sequence[corpus.Example],
  labels: Names,
  negative: str,
  outputs: Outputs,
) -> Scored:
  probabilities = datasets.merge(
    outputs, 'probability', len(examples), len(labels)
  )
  predicted = [labels[i] for i in probabilities.argmax(axis=1)]
  report = metrics.evaluate(
    [example.label for example in examples],
    predicted,
    labels,
    negatives=(negative,),
    bootstrap=datasets.BOOTSTRAP,
  )
  cells = [[f'{p:.6f}' for p in row] for row in probabilities]
  # Index, probability of each label, both labels.
  lines = [['index', *labels, 'predicted', 'gold']]
  for example, row, label in zip(examples, cells, predicted, strict=True):
    lines.append([example.index, *row, label, example.label])
  files = {
    f'predictions_{split}.tsv': _table(lines),
    f'errors_{split}.tsv': _errors(examples, probabilities, predicted),
    # In the format of run_re.py, for the reference's own re_eval.py.
    f'{split}_results.tsv': _table(cells),
  }
  return Scored(metrics.as_dict(report), report.overall.f1, files)


def _table(rows: Sequence[Sequence[str]]) -> str:
  return ''.join('\t'.join(row) + '\n' for row in rows)


def _read(
  config: ConfigDict, split: str, counts: Counter[str]
) -> list[corpus.Example]:
  data, folder = config.data, datasets.data_folder(config)
  rules = (_pair_of(data), tuple(data.labels), data.max_broken)
  return corpus.read_split(folder, split, counts, corpus.RelationRules(*rules))


def _errors(
  examples: Sequence[corpus.Example],
  probabilities: np.ndarray,
  predicted: Sequence[str],
) -> str:
  """One line per wrong sentence, most confident errors first."""
  sure = probabilities.max(axis=1)
  rows = [['file', 'line', 'gold', 'predicted', 'probability', 'sentence']]
  for i in np.argsort(-sure, kind='stable'):
    example, label = examples[i], predicted[i]
    if label != example.label:
      place = [pathlib.Path(example.path).name, str(example.line)]
      rows.append(
        [*place, example.label, label, f'{sure[i]:.4f}', example.text]
      )
  return _table(rows)
