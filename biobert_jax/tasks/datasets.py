"""Parts that the datasets of all tasks share: splits, digests, labels."""

import functools
import hashlib
import logging
import pathlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from biobert_jax.data import packing
from biobert_jax.data.packing import PackedRows
from biobert_jax.data.splits import count_overlap
from biobert_jax.data.windows import Windows
from biobert_jax.errors import DivergedError, InputError
from biobert_jax.io import storage
from biobert_jax.tasks import losses
from biobert_jax.tasks.task import Names, Outputs, Shapes
from biobert_jax.text.vocabulary import build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer

_log = logging.getLogger(__name__)
BOOTSTRAP = 1000  # Resamples of the confidence intervals.
# Split -> its examples.
Examples = dict[str, list[Any]]


def named_splits(config: ConfigDict) -> Names:
  """The splits that a training run reads: train, then those it scores."""
  data = config.data
  named = (data.train_split, data.devel_split, data.test_split)
  return tuple(split for split in named if split)


def data_place(config: ConfigDict, what: str = '') -> storage.Place:
  """Where the corpus is; `what` says in an error what it has to hold."""
  if not config.data.dir:
    raise InputError(f'data.dir is not set; give --config.data.dir=DIR{what}')
  return storage.path(config.data.dir)


def data_folder(config: ConfigDict) -> pathlib.Path:
  """The folder of the corpus; of one in a bucket, the copy of this machine."""
  return storage.local(data_place(config))


def no_conditions(config: ConfigDict) -> None:
  """`TaskModule.validate` of a task without conditions between keys."""


def read_splits(
  config: ConfigDict,
  splits: Names,
  read: Callable[[ConfigDict, str, Counter[str]], list[Any]],
) -> tuple[Examples, Counter[str]]:
  """Examples of splits, by default of all that are named; what was odd."""
  counts: Counter[str] = Counter()
  splits = splits or named_splits(config)
  return {split: read(config, split, counts) for split in splits}, counts


def build_tokenizer(
  config: ConfigDict, texts: Iterable[str], extra: Sequence[str] = ()
) -> WordPieceTokenizer:
  """A tokenizer of the training split's texts; has the `extra` tokens too."""
  _log.info('no init_from, no vocab.path: building a vocabulary')
  lower = bool(config.vocab.do_lower_case)
  pieces = build_vocabulary(texts, config.vocab.size, lower)
  missing = [piece for piece in extra if piece not in pieces]
  return WordPieceTokenizer((*pieces, *missing), lower)


def digest(
  examples: Mapping[str, Any], records: Callable[[Any], Iterable[str]]
) -> str:
  """SHA-256 of the records of each split, one line per record."""
  digest = hashlib.sha256()
  for split, found in examples.items():
    for record in (split, *records(found)):
      digest.update(f'{record}\n'.encode())
  return digest.hexdigest()


def checked_labels(
  config: ConfigDict,
  examples: Examples,
  counts: Counter[str],
  labels: Names | None,
  corpus: Any,
  label_set: Callable[[list[Any]], Names],
  key: Callable[[Any], Hashable],
) -> Names:
  """The labels, by default those of the training split; all examples have one.

  Also counts the sentences of the test split that are in the training split,
  by their `key`. `corpus` is the module with `check_labels`.
  """
  train = examples.get(config.data.train_split)
  if not labels:
    if train is None:
      raise ValueError('labels are needed without the training split')
    labels = label_set(train)
  for split, found in examples.items():
    corpus.check_labels(found, labels, split)
    if train is not None and split == config.data.test_split:
      shared = count_overlap(map(key, train), map(key, found))
      counts[f'{split}_sentences_also_in_train'] = shared
  return labels


def label_ids(names: Iterable[str], labels: Sequence[str]) -> np.ndarray:
  """int32 ids of label names."""
  ids = {label: i for i, label in enumerate(labels)}
  return np.asarray([ids[name] for name in names], np.int32)


def class_weights(
  config: ConfigDict, labels: Names, train_labels: Callable[[], Iterable[str]]
) -> dict[str, Any]:
  """The parts of a `Task` by which `data.class_weights` counts; {} without.

  Args:
    config: 'balanced' there weighs a class by the inverse of its frequency;
      LABEL=WEIGHT pairs weigh those classes, and the others 1.
    labels: the classes, by id.
    train_labels: the labels of all training examples, for 'balanced'.
  """
  # Work folders of before there were weights have no such key.
  given = config.data.class_weights if 'class_weights' in config.data else ()
  if not given:
    return {}
  named = dict.fromkeys(labels, 1.0)
  for part in given if given != ('balanced',) else ():
    label, _, number = part.rpartition('=')
    try:
      named[label] = float(number)
    except ValueError:
      named[label] = -1.0
    if label not in labels or not 0 < named[label] < float('inf'):
      what = f'data.class_weights has {part!r}; give balanced, or LABEL=WEIGHT'
      raise InputError(f'{what} above 0 of the labels {", ".join(labels)}')

  @functools.cache
  def weights_of() -> tuple[float, ...]:
    if given == ('balanced',):
      found = Counter(train_labels())
      total = sum(found.values())
      named.update({k: total / len(found) / n for k, n in found.items()})
    shown = ', '.join(f'{label} {named[label]:.4g}' for label in labels)
    _log.info('class weights: %s', shown)
    return tuple(named[label] for label in labels)

  return losses.weighted_classification(weights_of)


def pack(
  config: ConfigDict,
  split: str,
  contents: str,
  windows: Windows,
  labels: np.ndarray,
  **options: Any,
) -> PackedRows:
  """Packs a split, and logs what it holds and how densely it is packed."""
  length, seed = config.data.max_seq_length, config.seed
  options |= {'max_seq_length': length, 'pack': config.data.pack, 'seed': seed}
  rows = PackedRows(windows, labels, **options)
  _log.info(
    '%s: %s in %d packed sequences of %d, %.2f %% padding',
    *(split, contents, rows.num_rows, length, 100 * (1 - rows.fill)),
  )
  return rows


def token_shapes(config: ConfigDict, batch_size: int) -> Shapes:
  """Those of labelled tokens; see `TaskModule.shapes_of`."""
  return packing.feature_shapes(batch_size, config.data.max_seq_length)


def sequence_shapes(config: ConfigDict, batch_size: int) -> Shapes:
  """Those of labelled sequences; see `TaskModule.shapes_of`."""
  data = config.data
  starts = 'pooling' in data and data.pooling == 'entity_start'
  size = (batch_size, data.max_seq_length, data.max_sequences)
  return packing.feature_shapes(*size, starts)


def scatter(
  outputs: Outputs,
  shapes: Mapping[str, tuple[int, ...]],
  index: str,
  unit: str,
) -> list[np.ndarray]:
  """Puts the predictions of all batches into the order of the examples.

  Args:
    outputs: batches with the predictions for them.
    shapes: name of each predicted array -> shape of its float32 result; the
      first axis is indexed.
    index: name of the batch's array of indices; -1 where there is none.
    unit: what is indexed, for the error.

  Raises:
    RuntimeError: an index without a prediction; a fault of ours.
    DivergedError: a prediction is not finite, which no choice may pass over.
  """
  merged = [np.zeros(shape, np.float32) for shape in shapes.values()]
  number = len(merged[0])
  missing = np.ones(number, bool)
  for batch, predicted in outputs:
    used = batch[index] >= 0
    missing[batch[index][used]] = False
    for array, name in zip(merged, shapes, strict=True):
      array[batch[index][used]] = predicted[name][used]
  if missing.any():
    raise RuntimeError(f'{missing.sum()} {unit} got no prediction')
  for array, name in zip(merged, shapes, strict=True):
    if not np.isfinite(array).all():
      wrong = (~np.isfinite(array)).reshape(number, -1).any(axis=1).sum()
      raise DivergedError(
        f'the output {name} is not finite (NaN or infinity) for {wrong} '
        f'{unit} of {number}; take an earlier checkpoint by --step, or train '
        'with --config.compute.dtype=float32 in a new --workdir'
      )
  return merged


def merge(outputs: Outputs, name: str, number: int, width: int) -> np.ndarray:
  """Predictions [number, width] for labelled sequences."""
  shapes = {name: (number, width)}
  return scatter(outputs, shapes, 'examples', 'sequences')[0]
