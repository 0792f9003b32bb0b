"""Windows packed into rows of one length, and rows into batches, in NumPy.

Which lengths share a row is decided once (`plan_rows`). Each epoch deals the
windows anew among the places of their own length and shuffles the rows. So
the number of rows never changes, neighbours do, and the batch at a step is
a pure function of (windows, seed, step): no iterator has a state to save,
starting anywhere costs one sort, and hosts only take their own rows of it.
"""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

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


def feature_shapes(
  batch_size: int, max_seq_length: int
) -> dict[str, tuple[int, ...]]:
  """Shapes of `FEATURES` in a batch of so many rows."""
  shape = (batch_size, max_seq_length)
  return {n: shape[:1] if n == 'row_ids' else shape for n in FEATURES}


@dataclasses.dataclass(frozen=True)
class RowPlan:
  """Places for windows in rows, sorted by row.

  Attributes:
    lengths: [places] tokens of the window that may stand there.
    starts: [places] its first position in the row.
    ordinals: [places] 1, 2, ... within the row (the sequence id).
    row_offsets: [rows + 1] the first place of each row.
  """

  lengths: np.ndarray
  starts: np.ndarray
  ordinals: np.ndarray
  row_offsets: np.ndarray

  @property
  def num_rows(self) -> int:
    """Rows in all."""
    return len(self.row_offsets) - 1


def plan_rows(
  lengths: np.ndarray,
  max_seq_length: int,
  pack: bool,
  max_windows: int | None = None,
) -> RowPlan:
  """Fills rows with the longest window that fits, until none does.

  Args:
    lengths: [windows] tokens of each, at most `max_seq_length`.
    max_seq_length: tokens of a row.
    pack: False gives each window a row of its own, in the given order.
    max_windows: of a row at most; None: as many as fit.

  Returns:
    The plan; it depends on the multiset of lengths only (packed).
  """
  if not pack:
    n = len(lengths)
    return RowPlan(
      lengths.astype(np.int64),
      np.zeros(n, np.int64),
      np.ones(n, np.int64),
      np.arange(n + 1),
    )
  left = np.bincount(lengths, minlength=max_seq_length + 1)
  place_lengths, starts, ordinals, row_offsets = [], [], [], [0]
  longest = max_seq_length
  while True:
    while longest > 0 and not left[longest]:
      longest -= 1
    if longest == 0:
      break
    used, ordinal, length = 0, 0, longest
    while length > 0 and ordinal != max_windows:
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
  return RowPlan(
    np.asarray(place_lengths, np.int64),
    np.asarray(starts, np.int64),
    np.asarray(ordinals, np.int64),
    np.asarray(row_offsets, np.int64),
  )


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
    max_windows: int | None = None,
  ):
    """Lays the windows out.

    Args:
      windows: what to pack.
      labels: [words] label id of each word of `windows`.
      max_seq_length: tokens of a row.
      pack: several windows a row, or one.
      seed: of the order of training batches.
      max_windows: of a row at most; None: as many as fit.
    """
    if len(labels) != windows.num_words:
      raise ValueError(f'{len(labels)} labels for {windows.num_words} words')
    self.windows = windows
    self.labels = labels
    self.max_seq_length = max_seq_length
    self.seed = seed
    self.plan = plan_rows(windows.lengths, max_seq_length, pack, max_windows)
    self._deal = functools.lru_cache(maxsize=2)(self._deal_epoch)
    # Places and windows of equal length correspond, both sorted by length.
    # Unpacked and unshuffled, window i stands in row i.
    self._places_by_length = np.argsort(self.plan.lengths, kind='stable')

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
    return feature_shapes(batch_size, self.max_seq_length)

  def train_batch(
    self, step: int, batch_size: int, host: int = 0, hosts: int = 1
  ) -> Batch:
    """The batch of a training step, or one host's part of it.

    Args:
      step: from 0; rows run on over the ends of epochs.
      batch_size: rows of the global batch, a multiple of `hosts`.
      host: this host's index.
      hosts: how many hosts share the batch.

    Returns:
      The features of `assemble`; concatenated over hosts, always the same.
    """
    each = batch_size // hosts
    first = step * batch_size + host * each
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
    order = np.argsort(
      mix(self.seed, 2 * epoch + 1, np.arange(self.num_rows)), kind='stable'
    )
    return order, deal

  def _assemble(
    self,
    rows: list[int],
    deals: list[np.ndarray],
    batch_size: int,
    first_row_id: int,
  ) -> Batch:
    """Copies the windows of some rows into arrays.

    Returns:
      int32 arrays: input_ids, segment_ids, position_ids, sequence_ids,
      labels (-1: none), words (-1: none), all [batch_size, L], and row_ids
      [batch_size], the row's index in the global batch.
    """
    plan, windows, length = self.plan, self.windows, self.max_seq_length
    begin, end = plan.row_offsets[rows], plan.row_offsets[np.add(rows, 1)]
    places = np.concatenate(
      [np.arange(b, e) for b, e in zip(begin, end, strict=True)]
    )
    dealt = np.concatenate(
      [d[b:e] for d, b, e in zip(deals, begin, end, strict=True)]
    )
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

    return {
      'input_ids': scatter(windows.input_ids[source], 0),
      'segment_ids': scatter(segments, 0),
      'position_ids': scatter(within, 0),
      'sequence_ids': scatter(np.repeat(plan.ordinals[places], sizes), 0),
      'labels': scatter(labels, -1),
      'words': scatter(words, -1),
      'row_ids': np.arange(
        first_row_id, first_row_id + batch_size, dtype=np.int32
      ),
    }
