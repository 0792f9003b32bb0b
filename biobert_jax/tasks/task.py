"""The record that tells the one training loop what a task is."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from biobert_jax.data.packing import Batch

Arrays = dict[str, jax.Array]
Outputs = Iterator[tuple[Batch, dict[str, np.ndarray]]]
PIECES = ('input_ids', 'segment_ids', 'position_ids', 'sequence_ids')


def _as_it_is(batch: Arrays, keys: jax.Array) -> Arrays:
  del keys
  return batch


@dataclasses.dataclass(frozen=True)
class Task:
  """The pure half: functions of parameters and arrays.

  Attributes:
    name: 'ner', ...
    module: the Flax module, called with a batch's `inputs`.
    losses: which of `sums` are minimised.
    weights: batch -> weight of every sum (of the prepared batch alone).
    sums: (outputs, batch) -> sums of losses and metrics.
    predict: (outputs, batch) -> what the host needs to score and to decode.
    inputs: names of the arrays [B, ...] that the module takes, in order.
    prepare: (batch, a key for each row) -> the batch as the model sees it,
      such as with pieces masked. The bits of a key depend neither on the
      mesh nor on the generator of dropout.
  """

  name: str
  module: nn.Module
  losses: tuple[str, ...]
  weights: Callable[[Arrays], Arrays]
  sums: Callable[[Any, Arrays], Arrays]
  predict: Callable[[Any, Arrays], Arrays]
  inputs: tuple[str, ...] = PIECES
  prepare: Callable[[Arrays, jax.Array], Arrays] = _as_it_is

  def apply(
    self, params: Any, batch: Arrays, dropout_keys: jax.Array | None = None
  ) -> Any:
    """The module's outputs for a prepared batch of rows."""
    inputs = [batch[name] for name in self.inputs]
    return self.module.apply({'params': params}, *inputs, dropout_keys)

  def init(self, key: jax.Array) -> Any:
    """Random parameters; their shapes do not depend on the batch's."""
    ids = jnp.zeros((1, 2), jnp.int32)
    return self.module.init(key, *[ids] * len(self.inputs))['params']


@runtime_checkable
class Rows(Protocol):
  """Examples as rows of pieces, and rows as batches.

  Attributes:
    max_seq_length: pieces of a row.
  """

  max_seq_length: int

  @property
  def num_rows(self) -> int:
    """Rows of an epoch."""

  def feature_shapes(self, batch_size: int) -> dict[str, tuple[int, ...]]:
    """Shapes of what the device needs of a batch, int32 each."""

  def train_batch(
    self, step: int, batch_size: int, host: int = 0, hosts: int = 1
  ) -> Batch:
    """One host's part of the batch of a step, a pure function of it."""

  def eval_batches(self, batch_size: int) -> Iterator[Batch]:
    """Rows in a fixed order; the last batch is filled up with padding."""


class Dataset(Protocol):
  """The half that lives on the host: files to rows, outputs to scores.

  Attributes:
    labels: names of the classes, by id.
    counts: what was mended, dropped or noticed while reading.
    sha256: of the examples of all splits that were read.
  """

  labels: tuple[str, ...]
  counts: Counter[str]
  sha256: str

  def rows(self, split: str) -> Rows:
    """The packed examples of a split."""

  def score(self, split: str, outputs: Outputs) -> 'Scored':
    """Merges outputs and scores them."""


@dataclasses.dataclass(frozen=True)
class Scored:
  """Scores of a split.

  Attributes:
    figures: what is printed and written to `results.json`.
    selection: the one figure by which checkpoints are compared.
    files: name -> text of the files that go with them.
  """

  figures: dict[str, Any]
  selection: float
  files: dict[str, str]


def merge(outputs: Outputs, name: str, number: int, width: int) -> np.ndarray:
  """Outputs of rows -> what was predicted of each packed sequence.

  Args:
    outputs: batches of `SequenceRows` with what the device predicted for them.
    name: of the array [B, P, width] that is wanted of it.
    number: sequences of all rows.
    width: values of a sequence.

  Returns:
    float32 array [number, width].

  Raises:
    RuntimeError: a sequence without its prediction; a fault of ours.
  """
  merged = np.full((number, width), np.nan, np.float32)
  for batch, predicted in outputs:
    places = batch['examples'] >= 0
    merged[batch['examples'][places]] = predicted[name][places]
  if np.any(np.isnan(merged)):
    missing = int(np.isnan(merged).any(axis=1).sum())
    raise RuntimeError(f'{missing} sequences got no prediction')
  return merged
