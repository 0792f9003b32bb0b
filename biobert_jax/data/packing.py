"""Windows packed into rows of one length, and rows into batches, in NumPy.

Which lengths share a row is decided once (`plan_rows`). Each epoch deals the
windows anew among the places of their own length and shuffles the rows. So
the batch at a step is a pure function of (windows, seed, step).
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from biobert_jax.data.batch_sizes import Stages, first_row
from biobert_jax.data.random_streams import mix
from biobert_jax.data.windows import Windows

Batch = dict[str, np.ndarray]

# Arrays for the device; `words` serves only the host that merges predictions.
FEATURES = (
  'input_ids',
  'segment_ids',
  'position_ids',
  'sequence_ids',
  'labels',
  'row_ids',
)
# Where the two entities of each sequence start.
STARTS = ('first_positions', 'second_positions')


def feature_shapes(
  batch_size: int,
  max_seq_length: int,
  max_sequences: int = 0,
  starts: bool = False,
) -> dict[str, tuple[int, ...]]:
  """Shapes of the batch's int32 device arrays, with or without `STARTS`.

  Labels have `max_sequences` slots in a row; 0: each token has one.
  """
  shapes: dict[str, tuple[int, ...]] = {}
  shapes |= dict.fromkeys(FEATURES, (batch_size, max_seq_length))
  shapes['row_ids'] = (batch_size,)
  if max_sequences:
    names = ('labels', 'cls_positions', *(STARTS if starts else ()))
    shapes |= dict.fromkeys(names, (batch_size, max_sequences))
  return shapes


class RowPlan(NamedTuple):
  """Places for windows in rows, sorted by row; int64 arrays."""

  lengths: np.ndarray  # [places] tokens of the window that may stand there.
  starts: np.ndarray  # [places] its first position in the row.
  ordinals: np.ndarray  # [places] 1, 2, ... within the row (the sequence id).
  row_offsets: np.ndarray  # [rows + 1] the first place of each row.

  @property
  def num_rows(self) -> int:
    """Rows in all."""
    return len(self.row_offsets) - 1


def plan_rows(
  lengths: np.ndarray,
  max_seq_length: int,
  pack: bool,
  max_sequences: int | None = None,
) -> RowPlan:
  """Fills rows with the longest window that fits, until none does.

  Args:
    lengths: [windows] tokens of each, at most `max_seq_length`.
    pack: False gives each window a row of its own, in the given order; else
      the plan depends on the multiset of lengths only.
    max_sequences: windows of a row at most; None: as many as fit.
  """
  if not pack:
    n = len(lengths)
    zeros, ones = np.zeros(n, np.int64), np.ones(n, np.int64)
    return RowPlan(lengths.astype(np.int64), zeros, ones, np.arange(n + 1))
  left = np.bincount(lengths, minlength=max_seq_length + 1)
  place_lengths, starts, ordinals, row_offsets = [], [], [], [0]
  longest = max_seq_length
  while True:
    while longest > 0 and not left[longest]:
      longest -= 1
    if longest == 0:
      break
    used, ordinal, length = 0, 0, longest
    while length > 0 and ordinal != max_sequences:
      if left[length]:
        left[length] -= 1
        ordinal += 1
        place_lengths.append(length)
        starts.append(used)
        ordinals.append(ordinal)
        used += length
        length = min(length, max_seq_length - used)
      else:
        length -= 1
    row_offsets.append(len(place_lengths))
  columns = (place_lengths, starts, ordinals, row_offsets)
  return RowPlan(*(np.asarray(column, np.int64) for column in columns))


class PackedRows:
  """Windows and labels as an endless or a single pass of row batches."""

  def __init__(
    self,
    windows: Windows,
    labels: np.ndarray,
    *,
    max_seq_length: int,
    pack: bool,
    seed: int = 0,
    max_sequences: int | None = None,
    per_sequence: bool = False,
    starts: np.ndarray | None = None,
  ):
    """Lays the windows out.

    Args:
      labels: [words] label id of each word of `windows`.
      pack: several windows a row, or one.
      max_sequences: windows of a row at most; None: as many as fit.
      per_sequence: labels belong to whole sequences: the words are the
        examples, each at the [CLS] of its window, and `max_sequences` is set.
      starts: [words, 2] how far from [CLS] the entities of each sequence start;
        None where they are not needed.
    """
    if len(labels) != windows.num_words:
      raise ValueError(f'{len(labels)} labels for {windows.num_words} words')
    self.windows = windows
    self.labels = labels
    self.max_seq_length = max_seq_length
    self.seed = seed
    self.plan = plan_rows(windows.lengths, max_seq_length, pack, max_sequences)
    self._deal = functools.lru_cache(maxsize=2)(self._deal_epoch)
    # Places and windows of equal length correspond, both sorted by length.
    # Unpacked and unshuffled, window i stands in row i.
    self._places_by_length = np.argsort(self.plan.lengths, kind='stable')
    slots = (max_sequences or 0) if pack else 1
    self._slots = slots if per_sequence else 0
    self._starts = starts

  @property
  def num_rows(self) -> int:
    """Rows of an epoch."""
    return self.plan.num_rows

  @property
  def fill(self) -> float:
    """Fraction 0-1 of the positions of all rows that hold real tokens."""
    return len(self.windows.input_ids) / (self.num_rows * self.max_seq_length)

  def feature_shapes(self, batch_size: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the batch's device arrays, int32 each."""
    starts = self._starts is not None
    return feature_shapes(batch_size, self.max_seq_length, self._slots, starts)

  def train_batch(
    self,
    step: int,
    batch_size: int,
    host: int = 0,
    hosts: int = 1,
    earlier: Stages = (),
  ) -> Batch:
    """The batch of a training step from 0, or one host's part of it.

    `earlier` are the batch sizes of the steps before, where they were others.

    Returns:
      The features, int32; concatenated over hosts, always the same. Of [B, L]
      arrays, labels and words have -1 for none; row_ids [B] is the index in the
      global batch. Of labelled sequences, [B, P]: labels (-1: none),
      cls_positions, `STARTS` if given and, in place of words, examples (-1).
    """
    each = batch_size // hosts
    first = first_row(step, batch_size, earlier) + host * each
    rows, deals = [], []
    for index in range(first, first + each):
      epoch, place = divmod(index, self.num_rows)
      order, deal = self._deal(epoch)
      rows.append(int(order[place]))
      deals.append(deal)
    return self._assemble(rows, deals, each, host * each)

  def eval_batches(self, batch_size: int) -> Iterator[Batch]:
    """All rows once, in order; the last batch is filled up with padding."""
    by_length = np.argsort(self.windows.lengths, kind='stable')
    deal = np.empty_like(by_length)
    deal[self._places_by_length] = by_length
    for first in range(0, self.num_rows, batch_size):
      rows = list(range(first, min(first + batch_size, self.num_rows)))
      yield self._assemble(rows, [deal] * len(rows), batch_size, 0)

  def _deal_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """(order of the rows, window at each place) in an epoch."""
    count = len(self.plan.lengths)
    hashes = mix(self.seed, 2 * epoch, np.arange(count))
    by_length = np.lexsort((hashes, self.windows.lengths))
    deal = np.empty(count, np.int64)
    deal[self._places_by_length] = by_length
    hashes = mix(self.seed, 2 * epoch + 1, np.arange(self.num_rows))
    return np.argsort(hashes, kind='stable'), deal

  def _assemble(
    self,
    rows: list[int],
    deals: list[np.ndarray],
    batch_size: int,
    first_row_id: int,
  ) -> Batch:
    """Copies the windows of some rows into the arrays of `train_batch`."""
    plan, windows, length = self.plan, self.windows, self.max_seq_length
    begin, end = plan.row_offsets[rows], plan.row_offsets[np.add(rows, 1)]
    spans = [*zip(deals, begin, end, strict=True)]
    places = np.concatenate([np.arange(b, e) for _, b, e in spans])
    dealt = np.concatenate([deal[b:e] for deal, b, e in spans])
    row = np.repeat(np.arange(len(rows)), end - begin)
    sizes = plan.lengths[places]
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    source = np.repeat(windows.offsets[dealt], sizes) + within
    target = np.repeat(row * length + plan.starts[places], sizes) + within
    words = windows.words[source]
    labels = np.where(words >= 0, self.labels[words], -1)
    segments = np.zeros(len(source), np.int32)
    if windows.segment_ids is not None:
      segments = windows.segment_ids[source]

    def scatter(values: np.ndarray, empty: int) -> np.ndarray:
      out = np.full(batch_size * length, empty, np.int32)
      out[target] = values
      return out.reshape(batch_size, length)

    row_ids = np.arange(batch_size, dtype=np.int32) + np.int32(first_row_id)
    batch = {
      'input_ids': scatter(windows.input_ids[source], 0),
      'segment_ids': scatter(segments, 0),
      'position_ids': scatter(within, 0),
      'sequence_ids': scatter(np.repeat(plan.ordinals[places], sizes), 0),
      'labels': scatter(labels, -1),
      'words': scatter(words, -1),
      'row_ids': row_ids,
    }
    return self._by_sequence(batch) if self._slots else batch

  def _by_sequence(self, batch: Batch) -> Batch:
    """Labels moved from the [CLS] tokens to one slot for each sequence."""
    row, position = np.nonzero(batch['words'] >= 0)
    slot = batch['sequence_ids'][row, position] - 1
    examples = batch.pop('words')[row, position]

    def gather(values: np.ndarray, empty: int) -> np.ndarray:
      out = np.full((len(batch['row_ids']), self._slots), empty, np.int32)
      out[row, slot] = values
      return out

    batch['labels'] = gather(batch['labels'][row, position], -1)
    batch['cls_positions'] = gather(position, 0)
    batch['examples'] = gather(examples, -1)
    if self._starts is not None:
      places = position[:, None] + self._starts[examples]
      for name, column in zip(STARTS, places.T, strict=True):
        batch[name] = gather(column, 0)
    return batch
