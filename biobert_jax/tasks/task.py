"""The record that tells the one training loop what a task is."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from biobert_jax.data.packing import Batch, PackedRows

Arrays = dict[str, jax.Array]
Outputs = Iterator[tuple[Batch, dict[str, np.ndarray]]]


@dataclasses.dataclass(frozen=True)
class Task:
  """The pure half: functions of parameters and arrays.

  Attributes:
    name: 'ner', ...
    module: the Flax module, called with a batch's features.
    losses: which of `sums` are minimised.
    weights: batch -> weight of every sum (of the batch alone).
    sums: (outputs, batch) -> sums of losses and metrics.
    predict: outputs -> what the host needs to score and to decode.
  """

  name: str
  module: nn.Module
  losses: tuple[str, ...]
  weights: Callable[[Arrays], Arrays]
  sums: Callable[[Any, Arrays], Arrays]
  predict: Callable[[Any], Arrays]

  def apply(
    self, params: Any, batch: Arrays, dropout_keys: jax.Array | None = None
  ) -> Any:
    """The module's outputs for a batch of rows."""
    return self.module.apply(
      {'params': params},
      batch['input_ids'],
      batch['segment_ids'],
      batch['position_ids'],
      batch['sequence_ids'],
      dropout_keys,
    )

  def init(self, key: jax.Array) -> Any:
    """Random parameters; their shapes do not depend on the batch's."""
    ids = jnp.zeros((1, 2), jnp.int32)
    return self.module.init(key, ids, ids, ids, ids)['params']


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

  def rows(self, split: str) -> PackedRows:
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
