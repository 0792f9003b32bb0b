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

from biobert_jax.data.batch_sizes import Stages
from biobert_jax.data.packing import Batch
from biobert_jax.errors import Range
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import Inputs
from biobert_jax.tasks import losses
from biobert_jax.text.wordpiece import WordPieceTokenizer

Arrays = dict[str, jax.Array]
Outputs = Iterator[tuple[Batch, dict[str, np.ndarray]]]
Shapes = dict[str, tuple[int, ...]]
Names = tuple[str, ...]


def _unchanged(batch: Arrays, keys: jax.Array) -> Arrays:
  del keys
  return batch


@dataclasses.dataclass(frozen=True)
class Task:
  """The part of a task that is compiled: functions of parameters and arrays."""

  module: nn.Module  # Called with `Inputs`.
  # (outputs, batch) -> the arrays that the host decodes and scores.
  predict: Callable[[Any, Arrays], Arrays]
  # (outputs, batch) -> sums of losses and metrics.
  sums: Callable[[Any, Arrays], Arrays] = losses.classification_sums
  # Prepared batch -> the divisor of each sum.
  normalizers: Callable[[Arrays], Arrays] = losses.classification_normalizers
  losses: Names = ('loss',)  # The sums that are minimised.
  # (batch, a key for each packed sequence) -> the batch that the model is
  # given, for example with masked tokens. The bits of a key depend neither on
  # the mesh nor on the random generator of dropout.
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
  """Examples as packed sequences, and packed sequences as batches."""

  max_seq_length: int

  @property
  def num_rows(self) -> int:
    """Packed sequences of an epoch."""

  def feature_shapes(self, batch_size: int) -> Shapes:
    """Shapes of the batch's device arrays, int32 each."""

  def train_batch(
    self,
    step: int,
    batch_size: int,
    host: int = 0,
    hosts: int = 1,
    earlier: Stages = (),
  ) -> Batch:
    """One host's part of the batch of a step, a pure function of it."""

  def eval_batches(self, batch_size: int) -> Iterator[Batch]:
    """All packed sequences in a fixed order; the last batch is padded."""


@dataclasses.dataclass(frozen=True)
class Scored:
  """Scores of a split."""

  metrics: dict[str, Any]  # Printed, and written to `results.json`.
  selection: float  # The one metric by which checkpoints are compared.
  files: dict[str, str]  # Name -> text of the files that accompany them.


@dataclasses.dataclass(frozen=True)
class Dataset:
  """The part of a task on the host: files to batches, outputs to scores."""

  labels: Names  # Of the classes, by id.
  examples: Mapping[str, Any]  # Split -> what was read.
  counts: Counter[str]  # What was repaired, dropped or noticed while reading.
  sha256: str  # Digest of the examples of all splits that were read.
  rows: Callable[[str], Rows]  # Split -> its packed examples.
  score: Callable[[str, Outputs], Scored]


class TaskModule(Protocol):
  """The interface of the modules `tasks.ner`, `tasks.qa`, ..."""

  @property
  def PANELS(self) -> tuple[tuple[str, Names], ...]:  # noqa: N802
    """Panels of `curves.png`: (title, names of metrics)."""

  @property
  def RANGES(self) -> Mapping[str, Range]:  # noqa: N802
    """Config key -> its range."""

  def validate(self, config: ConfigDict) -> None:
    """Checks what `RANGES` cannot: conditions between several keys."""

  def task_of(
    self,
    config: ConfigDict,
    bert: BertConfig,
    labels: Names,
    tokenizer: WordPieceTokenizer,
  ) -> Task:
    """The compiled part of a config's task."""

  def tokenizer_of(self, config: ConfigDict) -> WordPieceTokenizer:
    """The tokenizer of a config that names none."""

  def dataset_of(
    self,
    config: ConfigDict,
    tokenizer: WordPieceTokenizer,
    labels: Names | None = None,
    splits: Names = (),
  ) -> Dataset:
    """Reads and checks splits; by default all that the config names.

    Labels are, by default, those of the config or of the training split.
    """

  def shapes_of(self, config: ConfigDict, batch_size: int) -> Shapes:
    """Shapes of a batch's device arrays, without reading the corpus."""
