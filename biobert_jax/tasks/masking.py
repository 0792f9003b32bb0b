"""Masked pieces, chosen on the device anew for every step.

The rates of google-research/bert create_pretraining_data.py:342-415: of each
sequence of n pieces, specials counted, max(1, round(rate * n)) are predicted;
of these 80 % become [MASK], 10 % another piece, 10 % stay. Other than there,
a row may hold several sequences, each with a share of its own, and what
replaces a piece is never a special or an unused one.

All of it is a function of the row's key: neither the mesh nor the number of
microbatches changes a bit.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

_MASKED, _KEPT = 0.8, 0.9  # Shares: below the first [MASK], from the second on.
# Rounds in which words that still fit are taken; see `_take_words`.
_ROUNDS = 4


@dataclasses.dataclass(frozen=True)
class Masking:
  """How pieces are masked, and what of the vocabulary that needs.

  Attributes:
    rate: fraction 0-1 of the pieces of a sequence that are predicted.
    max_predictions: M, slots for predicted pieces of a row.
    whole_word: whether all pieces of a word are predicted, or none.
    mask_id: of [MASK].
    never_masked: ids of the specials that stand in rows.
    replacements: [R] int32 ids that may replace a piece.
    continuations: [V] bool, pieces that go on with a word (`##...`).
  """

  rate: float
  max_predictions: int
  whole_word: bool
  mask_id: int
  never_masked: tuple[int, ...]
  replacements: np.ndarray
  continuations: np.ndarray


def mask_rows(
  masking: Masking,
  input_ids: Int[Array, 'B L'],
  sequence_ids: Int[Array, 'B L'],
  keys: Key[Array, 'B'],
) -> tuple[Int[Array, 'B L'], Int[Array, 'B M'], Int[Array, 'B M']]:
  """Masks rows of packed sequences.

  Args:
    masking: how.
    input_ids: pieces as they are.
    sequence_ids: 0 for padding, 1, 2, ... for the sequences of a row.
    keys: one for each row.

  Returns:
    The masked `input_ids`; where in its row each predicted piece stands, in
    ascending order, 0 in unused slots; and which piece stood there, -1 in
    unused slots.
  """
  return jax.vmap(lambda *row: _mask_row(masking, *row))(
    input_ids, sequence_ids, keys
  )


def _mask_row(
  masking: Masking,
  input_ids: Int[Array, 'L'],
  sequence_ids: Int[Array, 'L'],
  key: Key[Array, ''],
) -> tuple[Int[Array, 'L'], Int[Array, 'M'], Int[Array, 'M']]:
  of_choice, of_kind, of_piece = jax.random.split(key, 3)
  length, slots = len(input_ids), masking.max_predictions
  luck = jax.random.uniform(of_choice, (length,))
  chosen = _choose(masking, input_ids, sequence_ids, luck)

  # The slots, in the order of the row; places beyond the last are dropped.
  place = jnp.arange(length)
  positions = jnp.sort(jnp.where(chosen, place, length))[:slots]
  used = positions < length
  positions = jnp.where(used, positions, 0)
  labels = jnp.where(used, input_ids[positions], -1)

  kind = jax.random.uniform(of_kind, (length,))
  drawn = jax.random.randint(
    of_piece, (length,), 0, len(masking.replacements), jnp.int32
  )
  other = jnp.asarray(masking.replacements, jnp.int32)[drawn]
  shown = jnp.where(kind < _MASKED, masking.mask_id, other)
  shown = jnp.where(kind < _KEPT, shown, input_ids)
  return jnp.where(chosen, shown, input_ids), positions, labels


def _choose(
  masking: Masking,
  input_ids: Int[Array, 'L'],
  sequence_ids: Int[Array, 'L'],
  luck: Float[Array, 'L'],
) -> Bool[Array, 'L']:
  """Which pieces of a row are predicted."""
  length = len(input_ids)
  place = jnp.arange(length)
  special = jnp.isin(input_ids, jnp.asarray(masking.never_masked))
  candidate = (sequence_ids > 0) & ~special
  if masking.whole_word:
    # A piece that goes on with a word shares the luck of the word's first.
    # At the front of a cut segment there is none, and it begins its own.
    joined = jnp.asarray(masking.continuations)[input_ids] & candidate
    joined &= jnp.roll(candidate, 1) & (place > 0)
    first = jax.lax.cummax(jnp.where(joined, 0, place))
    luck = luck[first]
  else:
    first = place

  # Sorted by sequence, then luck, then place: words stay together.
  group = jnp.where(candidate, sequence_ids, length + 1)
  order = jnp.lexsort((place, luck, group))
  group, word, real = group[order], first[order], candidate[order]
  size = jax.ops.segment_sum(
    (sequence_ids > 0).astype(jnp.int32), sequence_ids, length + 2
  )
  # Rounded in Python: float32 rounds some halves the other way.
  shares = [max(1, round(masking.rate * n)) for n in range(length + 1)]
  share = jnp.asarray(shares, jnp.int32)[size]
  # Of a row no more than there are slots, the last sequences giving way.
  share = jnp.where((size > 0) & (jnp.arange(length + 2) > 0), share, 0)
  before = jnp.cumsum(share) - share
  share = jnp.clip(masking.max_predictions - before, 0, share)
  if masking.whole_word:
    taken = _take_words(group, word, real, share)
  else:
    begins = jnp.searchsorted(group, group)
    taken = real & (place - begins < share[group])
  return jnp.zeros(length, bool).at[order].set(taken)


def _take_words(
  group: Int[Array, 'L'],
  word: Int[Array, 'L'],
  real: Bool[Array, 'L'],
  share: Int[Array, 'G'],
) -> Bool[Array, 'L']:
  """Takes words in order while they fit, passing over those that do not.

  Equal to going through them one by one (create_pretraining_data.py:376-392):
  a round takes those before the first that does not fit; what remains only
  shrinks, so a word that was passed over never fits later. Four rounds leave
  a sequence short by less than one piece in a hundred.

  Args:
    group: sequence of each piece, sorted.
    word: place of the first piece of each piece's word.
    real: whether it may be taken.
    share: pieces to take of each sequence.

  Returns:
    Whether each piece is taken.
  """
  length = len(group)
  ones = real.astype(jnp.int32)
  size = jax.ops.segment_sum(ones, word, length)[word]
  begins = jnp.searchsorted(group, group)
  # Of each piece's word, the last piece in this order.
  last = jax.ops.segment_max(jnp.arange(length), word, length)[word]

  def go_round(
    taken: Bool[Array, 'L'], _: None
  ) -> tuple[Bool[Array, 'L'], None]:
    used = jax.ops.segment_sum(taken.astype(jnp.int32), group, len(share))
    room = (share - used)[group]
    fits = real & ~taken & (size <= room)
    total = jnp.cumsum(fits.astype(jnp.int32))
    in_group = total - jnp.where(begins > 0, total[begins - 1], 0)
    return taken | (fits & (in_group[last] <= room)), None

  none = jnp.zeros(length, bool)
  return jax.lax.scan(go_round, none, None, length=_ROUNDS)[0]
