"""Masked tokens, chosen on the device anew for every step.

The rates are those of google-research/bert create_pretraining_data.py:342-415:
of each sequence of n tokens, special ones included, max(1, round(rate * n)) are
predicted; of these 80 % become [MASK], 10 % another token, and 10 % stay. There
are two differences: several sequences may be packed together, each with its own
quota, and a token is never replaced by a special or an unused one.

Neither the mesh nor the number of microbatches changes a bit.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

# A uniform number below the first means [MASK]; from the second on, no change.
_MASKED, _KEPT = 0.8, 0.9
_ROUNDS = 4  # In which words that still fit are taken; see `_take_words`.


@dataclasses.dataclass(frozen=True)
class Masking:
  """How tokens are masked, and what that needs of the vocabulary."""

  rate: float  # Fraction 0-1 of the tokens of a sequence that are predicted.
  max_predictions: int  # M, slots for predictions per packed sequence.
  whole_word: bool  # Whether all tokens of a word are predicted, or none.
  mask_id: int
  never_masked: tuple[int, ...]  # Ids of the special tokens in the data.
  replacements: np.ndarray  # [R] int32 ids that may replace a token.
  continuations: np.ndarray  # [V] bool, whether a token is `##...`.


def mask_rows(
  masking: Masking,
  input_ids: Int[Array, 'B L'],
  sequence_ids: Int[Array, 'B L'],
  keys: Key[Array, 'B'],
) -> tuple[Int[Array, 'B L'], Int[Array, 'B M'], Int[Array, 'B M']]:
  """Masks packed sequences, whose `sequence_ids` are 1, 2, ...; 0 is padding.

  Returns:
    The masked `input_ids`; the positions of the predicted tokens, in ascending
    order, 0 in unused slots; and their original ids, -1 in unused slots.
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
  choice_key, kind_key, token_key = jax.random.split(key, 3)
  length, slots = len(input_ids), masking.max_predictions
  priority = jax.random.uniform(choice_key, (length,))
  chosen = _choose(masking, input_ids, sequence_ids, priority)

  # Slots are in ascending order; positions beyond the last slot are dropped.
  place = jnp.arange(length)
  positions = jnp.sort(jnp.where(chosen, place, length))[:slots]
  used = positions < length
  positions = jnp.where(used, positions, 0)
  labels = jnp.where(used, input_ids[positions], -1)

  kind = jax.random.uniform(kind_key, (length,))
  drawn = jax.random.randint(
    token_key, (length,), 0, len(masking.replacements), jnp.int32
  )
  other = jnp.asarray(masking.replacements, jnp.int32)[drawn]
  shown = jnp.where(kind < _MASKED, masking.mask_id, other)
  shown = jnp.where(kind < _KEPT, shown, input_ids)
  return jnp.where(chosen, shown, input_ids), positions, labels


def _choose(
  masking: Masking,
  input_ids: Int[Array, 'L'],
  sequence_ids: Int[Array, 'L'],
  priority: Float[Array, 'L'],
) -> Bool[Array, 'L']:
  """Which tokens of a packed sequence are predicted: those of low priority."""
  length = len(input_ids)
  place = jnp.arange(length)
  special = jnp.isin(input_ids, jnp.asarray(masking.never_masked))
  candidate = (sequence_ids > 0) & ~special
  if masking.whole_word:
    # A token that continues a word shares the priority of the word's first one.
    # At the front of a truncated segment it begins a word of its own.
    joined = jnp.asarray(masking.continuations)[input_ids] & candidate
    joined &= jnp.roll(candidate, 1) & (place > 0)
    first = jax.lax.cummax(jnp.where(joined, 0, place))
    priority = priority[first]
  else:
    first = place

  # Sorted by sequence, then priority, then position: words stay together.
  group = jnp.where(candidate, sequence_ids, length + 1)
  order = jnp.lexsort((place, priority, group))
  group, word, real = group[order], first[order], candidate[order]
  real_ones = (sequence_ids > 0).astype(jnp.int32)
  size = jax.ops.segment_sum(real_ones, sequence_ids, length + 2)
  # Rounded in Python: float32 rounds some halves the other way.
  quotas = [max(1, round(masking.rate * n)) for n in range(length + 1)]
  quota = jnp.asarray(quotas, jnp.int32)[size]
  # No more than there are slots; the last sequences get fewer.
  quota = jnp.where((size > 0) & (jnp.arange(length + 2) > 0), quota, 0)
  before = jnp.cumsum(quota) - quota
  quota = jnp.clip(masking.max_predictions - before, 0, quota)
  if masking.whole_word:
    taken = _take_words(group, word, real, quota)
  else:
    begins = jnp.searchsorted(group, group)
    taken = real & (place - begins < quota[group])
  return jnp.zeros(length, bool).at[order].set(taken)


def _take_words(
  group: Int[Array, 'L'],
  word: Int[Array, 'L'],
  real: Bool[Array, 'L'],
  quota: Int[Array, 'G'],
) -> Bool[Array, 'L']:
  """Takes words in order while they fit, passing over those that do not.

  This equals the loop of create_pretraining_data.py:376-392. A round takes the
  words before the first that does not fit. The room only shrinks, so a word
  that was passed over never fits later. Four rounds leave a sequence short by
  less than one token in a hundred. Given are each token's sequence, sorted, the
  position of its word's first one, whether it may be taken, and how many to
  take of each sequence.
  """
  length = len(group)
  ones = real.astype(jnp.int32)
  size = jax.ops.segment_sum(ones, word, length)[word]
  begins = jnp.searchsorted(group, group)
  # The last token, in this order, of each token's word.
  last = jax.ops.segment_max(jnp.arange(length), word, length)[word]

  def go_round(
    taken: Bool[Array, 'L'], _: None
  ) -> tuple[Bool[Array, 'L'], None]:
    used = jax.ops.segment_sum(taken.astype(jnp.int32), group, len(quota))
    room = (quota - used)[group]
    fits = real & ~taken & (size <= room)
    total = jnp.cumsum(fits.astype(jnp.int32))
    in_group = total - jnp.where(begins > 0, total[begins - 1], 0)
    return taken | (fits & (in_group[last] <= room)), None

  none = jnp.zeros(length, bool)
  return jax.lax.scan(go_round, none, None, length=_ROUNDS)[0]
