"""Which sequence of which block each slot of a batch reads, step by step."""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Piece(NamedTuple):
  """Sequences of a block that were not read before the batch size changed."""

  block: int  # Its number in all epochs.
  first: int
  rows: int


class BlockOrder:
  """The order of a run's first batch size, or `after` a change of it.

  A new run's slots begin at their phases in fresh blocks. After a change, what
  is left of the blocks that had begun comes first, dealt to the slots in
  stretches that differ by one at most; then fresh blocks. So each sequence is
  read once, whatever the batch sizes.
  """

  def __init__(self, batch_size: int, block_rows: int, phases: Sequence[int]):
    """`phases`: [slots] sequences of a slot's first block to pass over."""
    self._size, self._block_rows = batch_size, block_rows
    self._begin = self._next_block = 0
    self._left: list[Piece] = []
    self._ends: list[int] = []  # [pieces] of all sequences that are left.
    self._starts = [0] * batch_size  # [slots] of their stretch in these.
    # [slots] its length; negative: what is passed over in the first block.
    self._stretches = [-int(phase) for phase in phases]

  def after(self, step: int, batch_size: int) -> 'BlockOrder':
    """The order from a step on, with another batch size."""
    new = BlockOrder(batch_size, self._block_rows, [0] * batch_size)
    left = [*self._open(step)]
    turns = [-(-max(0, done) // self._block_rows) for done in self._done(step)]
    new._next_block = self._next_block + max(turns) * self._size
    for slot, turn in enumerate(turns):
      for later in range(turn, max(turns)):
        block = self._next_block + later * self._size + slot
        left.append(Piece(block, 0, self._block_rows))
    new._begin, new._left = step, left
    new._ends = [*itertools.accumulate(piece.rows for piece in left)]
    each, more = divmod(new._ends[-1] if left else 0, batch_size)
    new._stretches = [each + (slot < more) for slot in range(batch_size)]
    new._starts = [slot * each + min(slot, more) for slot in range(batch_size)]
    return new

  def _done(self, step: int) -> list[int]:
    """[slots] sequences read of fresh blocks; negative: not at them yet."""
    return [step - self._begin - length for length in self._stretches]

  def _open(self, step: int) -> Iterator[Piece]:
    """What is left of the blocks that have begun, slot by slot."""
    for slot, done in enumerate(self._done(step)):
      if done < 0:
        at, end = self._starts[slot] + step - self._begin, -done
        while end > 0:
          piece = self._piece(at)
          rows = min(piece.rows, end)
          yield piece._replace(rows=rows)
          at, end = at + rows, end - rows
      elif row := done % self._block_rows:
        block, _ = self.place(slot, step)
        yield Piece(block, row, self._block_rows - row)

  def _piece(self, at: int) -> Piece:
    """From a place among the sequences that are left to its piece's end."""
    index = bisect.bisect_right(self._ends, at)
    piece, rest = self._left[index], self._ends[index] - at
    return Piece(piece.block, piece.first + piece.rows - rest, rest)

  def place(self, slot: int, step: int) -> tuple[int, int]:
    """The number of the block, and the sequence in it, of a slot at a step."""
    done = step - self._begin - self._stretches[slot]
    if done < 0:
      piece = self._piece(self._starts[slot] + step - self._begin)
      return piece.block, piece.first
    turn, row = divmod(done, self._block_rows)
    return self._next_block + turn * self._size + slot, row
