"""Packed sentence pairs: what they follow from, batch arrays, statistics."""

import dataclasses
from typing import NamedTuple

import numpy as np

from biobert_jax.data.packing import Batch

# Labels of next sentence prediction, as the reference counts them (line 131).
IS_NEXT, IS_RANDOM, UNLABELLED = 0, 1, -1
# Specials of a pair, [CLS] A [SEP] B [SEP], and of one segment alone.
PAIR_SPECIALS, ALONE_SPECIALS = 3, 2


def feature_shapes(
  batch_size: int, max_seq_length: int, max_pairs: int
) -> dict[str, tuple[int, ...]]:
  """Shapes of the batch's device arrays, int32 each.

  Returns:
    input_ids, segment_ids (0: A, 1: B), position_ids (from 0 in each pair),
    sequence_ids (0: padding, 1, 2, ...: the pair), all [B, L]; cls_positions
    (0 where there is no pair) and next_sentence_labels (0: next, 1: random,
    -1: none), [B, P]; and row_ids, [B].
  """
  names = ('input_ids', 'segment_ids', 'position_ids', 'sequence_ids')
  pairs = (batch_size, max_pairs)
  shapes: dict[str, tuple[int, ...]] = {}
  shapes |= dict.fromkeys(names, (batch_size, max_seq_length))
  shapes |= {'cls_positions': pairs, 'next_sentence_labels': pairs}
  return shapes | {'row_ids': (batch_size,)}


class Pair(NamedTuple):
  """Two segments by their first token and their number of tokens."""

  a: int
  a_length: int
  b: int
  b_length: int  # 0: A stands alone.
  label: int
  is_short: bool  # Its document drew a target length below the longest.
  is_shortened: bool  # The room of the sequence cut its chunk.

  @property
  def size(self) -> int:
    """Positions that it takes."""
    specials = PAIR_SPECIALS if self.b_length else ALONE_SPECIALS
    return self.a_length + self.b_length + specials


@dataclasses.dataclass
class BlockUsage:
  """How much of a block's documents its sequences use."""

  documents: int
  begun: int = 0  # Documents, each counted again in each further round.
  walked: int = 0  # Tokens taken, again in each further round.
  truncated: int = 0  # Of these, tokens that no sequence holds.


@dataclasses.dataclass(frozen=True)
class PackedPairs:
  """R packed sequences of pairs, in the least that they follow from."""

  input_ids: np.ndarray  # [R, L] int32, 0 where a sequence is empty.
  # [R, P, 2] int32 tokens of A and B; B has 0 where A stands alone, both
  # have 0 where there is no further pair.
  lengths: np.ndarray
  # [R, P] int32, see `IS_NEXT`; `UNLABELLED` where there is no pair.
  labels: np.ndarray
  is_short: np.ndarray  # [R, P] see `Pair`, as `is_shortened`.
  is_shortened: np.ndarray
  usage: BlockUsage


def lay_out(
  rows: list[list[Pair]],
  source: np.ndarray,
  shape: tuple[int, int],
  specials: tuple[int, int],
  usage: BlockUsage,
) -> PackedPairs:
  """Copies pairs into arrays.

  Args:
    rows: the pairs of each packed sequence.
    source: [tokens] that they point to.
    shape: L and P.
    specials: ids of [CLS] and [SEP].
  """
  count, (length, max_pairs) = len(rows), shape
  cls_id, sep_id = specials
  ids = np.zeros(count * length, np.int32)
  table = np.zeros((count, max_pairs, 5), np.int32)
  table[..., 2] = UNLABELLED
  for number, row in enumerate(rows):
    at = number * length
    for place, pair in enumerate(row):
      a, a_length, b, b_length, *rest = pair
      ids[at] = cls_id
      at += 1
      ids[at : at + a_length] = source[a : a + a_length]
      at += a_length
      ids[at] = sep_id
      at += 1
      if b_length:
        ids[at : at + b_length] = source[b : b + b_length]
        at += b_length
        ids[at] = sep_id
        at += 1
      table[number, place] = (a_length, b_length, *rest)
  return PackedPairs(
    ids.reshape(count, length),
    table[..., :2],
    table[..., 2],
    table[..., 3] > 0,
    table[..., 4] > 0,
    usage,
  )


def expand(
  input_ids: np.ndarray,
  lengths: np.ndarray,
  labels: np.ndarray,
  row_ids: np.ndarray,
) -> Batch:
  """The arrays of `feature_shapes`, from those of `PackedPairs` and row ids."""
  rows, length = input_ids.shape
  a, b = lengths[..., 0], lengths[..., 1]
  sizes = a + np.where(b > 0, b + PAIR_SPECIALS, ALONE_SPECIALS) * (a > 0)
  ends = np.cumsum(sizes, 1)
  firsts = ends - sizes  # [B, P]
  # What is left of a sequence is one more run, of padding: [B, P + 1].
  runs = np.append(sizes, length - ends[:, -1:], 1).ravel()

  def spread(values: np.ndarray, padding: int) -> np.ndarray:
    full = np.full((rows, 1), padding, np.int32)
    values = np.append(np.broadcast_to(values, a.shape), full, 1)
    spread = np.repeat(values.astype(np.int32).ravel(), runs)
    return spread.reshape(rows, length)

  sequence_ids = spread(np.arange(1, a.shape[1] + 1), 0)
  position_ids = np.arange(length, dtype=np.int32) - spread(firsts, 0)
  position_ids *= sequence_ids > 0
  second = spread(np.where(b > 0, a + 2, length), length)
  return {
    'input_ids': input_ids,
    'segment_ids': (position_ids >= second).astype(np.int32),
    'position_ids': position_ids,
    'sequence_ids': sequence_ids,
    'cls_positions': np.where(a > 0, firsts, 0).astype(np.int32),
    'next_sentence_labels': labels,
    'row_ids': row_ids.astype(np.int32),
  }


def describe(blocks: list[PackedPairs]) -> dict[str, float]:
  """Statistics of packed sequences, of one block at least.

  Returns:
    fill: share of positions that are no padding; useful_pieces: that are
    neither padding nor specials. pairs_per_row; rows_at_max_pairs: share. Of
    pairs, shares: unlabelled, drawn_short (by `short_seq_prob`) and
    shortened_by_room; random_next is a share of those with a label. Of the
    corpus: documents_left_out and documents_repeated as shares of documents,
    and pieces_truncated of tokens.
  """
  lengths = np.concatenate([rows.lengths for rows in blocks])
  labels = np.concatenate([rows.labels for rows in blocks])
  real = lengths[..., 0] > 0
  specials = np.where(lengths[..., 1] > 0, PAIR_SPECIALS, ALONE_SPECIALS)
  positions = sum(rows.input_ids.size for rows in blocks)
  pieces = int(lengths.sum())
  pairs = int(real.sum())
  labelled = int((labels != UNLABELLED).sum())
  short = sum(int(rows.is_short.sum()) for rows in blocks)
  shortened = sum(int(rows.is_shortened.sum()) for rows in blocks)
  b_pieces = int(lengths[..., 1].sum())
  usages = [rows.usage for rows in blocks]
  documents = sum(a.documents for a in usages)
  left_out = sum(max(0, a.documents - a.begun) for a in usages)
  repeated = sum(max(0, a.begun - a.documents) for a in usages)
  truncated = sum(a.truncated for a in usages)
  return {
    'fill': (pieces + int(specials[real].sum())) / positions,
    'useful_pieces': pieces / positions,
    'pairs_per_row': pairs / len(lengths),
    'rows_at_max_pairs': float(real.all(1).mean()),
    'mean_a_length': (pieces - b_pieces) / pairs,
    'mean_b_length': b_pieces / max(1, labelled),
    'unlabelled': 1 - labelled / pairs,
    'random_next': int((labels == IS_RANDOM).sum()) / max(1, labelled),
    'drawn_short': short / pairs,
    'shortened_by_room': shortened / pairs,
    'documents_left_out': left_out / documents,
    'documents_repeated': repeated / documents,
    'pieces_truncated': truncated / sum(a.walked for a in usages),
  }
