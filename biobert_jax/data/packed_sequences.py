"""Packed rows whose labels belong to whole sequences, not to tokens.

The plan, the deal of an epoch and the batch of a step are those of
`packing.py`; here only the labels move, from the [CLS] tokens where they
stand to one slot for each sequence of a row.
"""

from collections.abc import Iterator

import numpy as np

from biobert_jax.data import packing
from biobert_jax.data.packing import Batch, PackedRows
from biobert_jax.data.windows import Windows

# Where the two entities of each sequence start.
STARTS = ('first_positions', 'second_positions')


def feature_shapes(
  batch_size: int,
  max_seq_length: int,
  max_sequences: int,
  starts: bool = False,
) -> dict[str, tuple[int, ...]]:
  """Shapes of the batch's device arrays.

  Args:
    batch_size: rows.
    max_seq_length: tokens of a row.
    max_sequences: of a row at most.
    starts: whether `STARTS` are among it.

  Returns:
    Name of an int32 array -> its shape.
  """
  slots = (batch_size, max_sequences)
  shapes = packing.feature_shapes(batch_size, max_seq_length)
  names = ('labels', 'cls_positions', *(STARTS if starts else ()))
  return shapes | dict.fromkeys(names, slots)


class PackedSequences:
  """Sequences with a label each, as batches of rows.

  Attributes:
    max_seq_length: tokens of a row.
    max_sequences: P, of a row.
  """

  def __init__(
    self,
    windows: Windows,
    labels: np.ndarray,
    *,
    max_seq_length: int,
    max_sequences: int,
    pack: bool,
    seed: int = 0,
    starts: np.ndarray | None = None,
  ):
    """Lays the windows out.

    Args:
      windows: in `words`, at its first token, each has the number of its
        example.
      labels: [examples] label id of each.
      max_seq_length: tokens of a row.
      max_sequences: of a row at most; where they are not packed, one.
      pack: several windows a row, or one.
      seed: of the order of training batches.
      starts: [examples, 2] how far from [CLS] the entities of each start; None
        where they are not needed.
    """
    self._starts = starts
    self.max_seq_length = max_seq_length
    self.max_sequences = max_sequences if pack else 1
    self._rows = PackedRows(
      windows,
      labels,
      max_seq_length=max_seq_length,
      pack=pack,
      seed=seed,
      max_windows=self.max_sequences,
    )

  @property
  def num_rows(self) -> int:
    """Rows of an epoch."""
    return self._rows.num_rows

  @property
  def fill(self) -> float:
    """Fraction 0-1 of the positions of all rows that hold real tokens."""
    return self._rows.fill

  def feature_shapes(self, batch_size: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the batch's device arrays, int32 each."""
    return feature_shapes(
      batch_size,
      self.max_seq_length,
      self.max_sequences,
      self._starts is not None,
    )

  def train_batch(
    self, step: int, batch_size: int, host: int = 0, hosts: int = 1
  ) -> Batch:
    """The batch of a training step; see `packing.PackedRows.train_batch`.

    Returns:
      What `packing.PackedRows` gives, except for int32 arrays [B, P]: `labels`
      (-1: no sequence), `cls_positions` (0 then), `STARTS` if they were given
      (0 then) and, in place of `words`, `examples`, the number of each
      sequence's example (-1: none).
    """
    batch = self._rows.train_batch(step, batch_size, host, hosts)
    return self._by_sequence(batch)

  def eval_batches(self, batch_size: int) -> Iterator[Batch]:
    """All rows once, in order; the last batch is filled up with padding."""
    return map(self._by_sequence, self._rows.eval_batches(batch_size))

  def _by_sequence(self, batch: Batch) -> Batch:
    row, position = np.nonzero(batch['words'] >= 0)
    slot = batch['sequence_ids'][row, position] - 1

    def gather(values: np.ndarray, empty: int) -> np.ndarray:
      shape = (len(batch['row_ids']), self.max_sequences)
      out = np.full(shape, empty, np.int32)
      out[row, slot] = values
      return out

    moved = {
      'labels': gather(batch['labels'][row, position], -1),
      'cls_positions': gather(position, 0),
      'examples': gather(batch['words'][row, position], -1),
    }
    if self._starts is not None:
      places = position[:, None] + self._starts[batch['words'][row, position]]
      for name, column in zip(STARTS, places.T, strict=True):
        moved[name] = gather(column, 0)
    kept = {name: array for name, array in batch.items() if name != 'words'}
    return kept | moved
