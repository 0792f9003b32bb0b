"""The interface of a task to training, evaluation and inference."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from biobert_jax.data.packing import Batch
from biobert_jax.errors import Range
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import Inputs
from biobert_jax.text.wordpiece import WordPieceTokenizer

Arrays = dict[str, jax.Array]
Outputs = Iterator[tuple[Batch, dict[str, np.ndarray]]]
Shapes = dict[str, tuple[int, ...]]


def _unchanged(batch: Arrays, keys: jax.Array) -> Arrays:
  del keys
  return batch


@dataclasses.dataclass(frozen=True)
class Task:
  """The part of a task that is compiled: functions of parameters and arrays.

  Attributes:
    name: 'ner', ...
    module: the Flax module, called with `Inputs`.
    losses: names of the sums that are minimised.
    normalizers: prepared batch -> the divisor of each sum.
    sums: (outputs, batch) -> sums of losses and metrics.
    predict: (outputs, batch) -> the arrays that the host decodes and scores.
    prepare: (batch, a key for each packed sequence) -> the batch that the model
      is given, for example with masked tokens. The bits of a key depend neither
      on the mesh nor on the random generator of dropout.
  """

  name: str
  module: nn.Module
  losses: tuple[str, ...]
  normalizers: Callable[[Arrays], Arrays]
  sums: Callable[[Any, Arrays], Arrays]
  predict: Callable[[Any, Arrays], Arrays]
  prepare: Callable[[Arrays, jax.Array], Arrays] = _unchanged

  def apply(
    self, params: Any, batch: Arrays, dropout_keys: jax.Array | None = None
  ) -> Any:
    """The module's outputs for a prepared batch."""
    inputs = Inputs.from_batch(batch)
    return self.module.apply({'params': params}, inputs, dropout_keys)

  def init(self, key: jax.Array) -> Any:
    """Random parameters; their shapes do not depend on the batch's."""
    ids = jnp.zeros((1, 2), jnp.int32)
    return self.module.init(key, Inputs(*[ids] * len(Inputs._fields)))['params']


@runtime_checkable
class Rows(Protocol):
  """Examples as packed sequences, and packed sequences as batches.

  Attributes:
    max_seq_length: tokens of a packed sequence.
  """

  max_seq_length: int

  @property
  def num_rows(self) -> int:
    """Packed sequences of an epoch."""

  def feature_shapes(self, batch_size: int) -> Shapes:
    """Shapes of the batch's device arrays, int32 each."""

  def train_batch(
    self, step: int, batch_size: int, host: int = 0, hosts: int = 1
  ) -> Batch:
    """One host's part of the batch of a step, a pure function of it."""

  def eval_batches(self, batch_size: int) -> Iterator[Batch]:
    """All packed sequences in a fixed order; the last batch is padded."""


@runtime_checkable
class Dataset(Protocol):
  """The part of a task on the host: files to batches, outputs to scores.

  Attributes:
    labels: names of the classes, by id.
    counts: what was repaired, dropped or noticed while reading.
    sha256: digest of the examples of all splits that were read.
  """

  labels: tuple[str, ...]
  counts: Counter[str]
  sha256: str

  def rows(self, split: str) -> Rows:
    """The packed examples of a split."""

  def score(self, split: str, outputs: Outputs) -> 'Scored':
    """Merges outputs and scores them."""


class TaskModule(Protocol):
  """The interface of the modules `tasks.ner`, `tasks.qa`, ..."""

  @property
  def PANELS(self) -> tuple[tuple[str, tuple[str, ...]], ...]:  # noqa: N802
    """Panels of `curves.png`: (title, names of metrics)."""

  @property
  def RANGES(self) -> Mapping[str, Range]:  # noqa: N802
    """Config key -> its range."""

  def validate(self, config: ConfigDict) -> None:
    """Checks what `RANGES` cannot: conditions between several keys.

    Raises:
      InputError: names the key, its value and the remedy.
    """

  def task_of(
    self,
    config: ConfigDict,
    bert: BertConfig,
    labels: tuple[str, ...],
    tokenizer: WordPieceTokenizer,
  ) -> Task:
    """The task of a config."""

  def tokenizer_of(self, config: ConfigDict) -> WordPieceTokenizer:
    """The tokenizer of a config that names none."""

  def dataset_of(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    labels: tuple[str, ...] | None = None,
    splits: tuple[str, ...] = (),
  ) -> Dataset:
    """Reads and checks splits.

    Args:
      config: `data` and `seed` of the experiment.
      tokenizer: text to tokens.
      labels: names of the classes by id, for tasks that have them; by default
        those of the config or of the training split.
      splits: which splits to read; by default all that the config names.

    Returns:
      The dataset.

    Raises:
      InputError: with the file and the place in it.
    """

  def shapes_of(self, config: ConfigDict, batch_size: int) -> Shapes:
    """Shapes of a batch's device arrays, without reading the corpus."""


@dataclasses.dataclass(frozen=True)
class Scored:
  """Scores of a split.

  Attributes:
    metrics: what is printed and written to `results.json`.
    selection: the one metric by which checkpoints are compared.
    files: name -> text of the files that accompany them.
  """

  metrics: dict[str, Any]
  selection: float
  files: dict[str, str]


def scatter(
  outputs: Outputs,
  names: tuple[str, ...],
  index: str,
  shape: tuple[int, ...],
  unit: str,
) -> list[np.ndarray]:
  """Puts the predictions of all batches into the order of the examples.

  Args:
    outputs: batches with the predictions for them.
    names: of the predicted arrays.
    index: name of the batch's array of indices; -1 where there is none.
    shape: of each result; the first axis is indexed.
    unit: what is indexed, for the error.

  Returns:
    A float32 array for each name.

  Raises:
    RuntimeError: an index without a prediction; a fault of ours.
  """
  merged = [np.full(shape, np.nan, np.float32) for _ in names]
  for batch, predicted in outputs:
    used = batch[index] >= 0
    for array, name in zip(merged, names, strict=True):
      array[batch[index][used]] = predicted[name][used]
  missing = np.isnan(merged[0].reshape(shape[0], -1)).any(axis=1).sum()
  if missing:
    raise RuntimeError(f'{missing} {unit} got no prediction')
  return merged


def merge(outputs: Outputs, name: str, number: int, width: int) -> np.ndarray:
  """The predictions for each sequence, in the order of the examples.

  Args:
    outputs: batches of labelled sequences with the predictions for them.
    name: of the predicted array [B, P, width].
    number: sequences in all.
    width: values per sequence.

  Returns:
    float32 array [number, width].

  Raises:
    RuntimeError: a sequence without its prediction; a fault of ours.
  """
  shape = number, width
  return scatter(outputs, (name,), 'examples', shape, 'sequences')[0]
