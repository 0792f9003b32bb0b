"""Losses as sums; their weights are computed apart, from the batch alone.

A sum is divided by the weight of the whole global batch, so the loss is the
same however the batch is cut over devices and microbatches.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def label_weight(labels: Int[Array, '*R']) -> Float[Array, '']:
  """How many positions carry a label (those that are not -1)."""
  return jnp.sum(labels >= 0, dtype=jnp.float32)


def cross_entropy_sum(
  logits: Float[Array, '*R C'], labels: Int[Array, '*R']
) -> Float[Array, '']:
  """Sum of the cross-entropies (nats) of labelled positions.

  Args:
    logits: scores in float32.
    labels: class ids; -1 where there is none.

  Returns:
    The sum over positions with a label.
  """
  log_probs = jax.nn.log_softmax(logits, axis=-1)
  safe = jnp.maximum(labels, 0)
  picked = jnp.take_along_axis(log_probs, safe[..., None], axis=-1)[..., 0]
  return -jnp.sum(jnp.where(labels >= 0, picked, 0.0))


def correct_sum(
  logits: Float[Array, '*R C'], labels: Int[Array, '*R']
) -> Float[Array, '']:
  """How many labelled positions have their label as the highest score."""
  hit = jnp.argmax(logits, axis=-1) == labels
  return jnp.sum(hit & (labels >= 0), dtype=jnp.float32)


def _by_sequence(
  logits: Float[Array, 'B L'],
  sequence_ids: Int[Array, 'B L'],
  max_sequences: int,
) -> tuple[Bool[Array, 'B L P'], Float[Array, 'B L P']]:
  """Which pieces belong to each packed sequence; their logits, others low."""
  numbers = jnp.arange(1, max_sequences + 1)
  inside = sequence_ids[..., None] == numbers
  # Not -inf: where a row has no such sequence, gradients would be NaN.
  low = jnp.finfo(logits.dtype).min / 2
  return inside, jnp.where(inside, logits[..., None], low)


def pointer_cross_entropy_sum(
  logits: Float[Array, 'B L'],
  sequence_ids: Int[Array, 'B L'],
  marked: Bool[Array, 'B L'],
  max_sequences: int,
) -> Float[Array, '']:
  """Sum of the cross-entropies (nats) of pointers into packed sequences.

  Args:
    logits: of every piece, in float32; the softmax is over the pieces of a
      sequence, whatever shares its row.
    sequence_ids: 1, 2, ... by sequence of a row; 0 is padding.
    marked: the piece to point at, one or none in a sequence.
    max_sequences: P, of a row at most.

  Returns:
    The sum over sequences with a marked piece.
  """
  inside, apart = _by_sequence(logits, sequence_ids, max_sequences)
  totals = jax.nn.logsumexp(apart, axis=1)  # [B, P]
  pointed = jnp.any(inside & marked[..., None], axis=1)
  picked = jnp.sum(jnp.where(marked, logits, 0.0))
  return jnp.sum(jnp.where(pointed, totals, 0.0)) - picked


def pointer_correct_sum(
  logits: Float[Array, 'B L'],
  sequence_ids: Int[Array, 'B L'],
  marked: Bool[Array, 'B L'],
  max_sequences: int,
) -> Float[Array, '']:
  """How many marked pieces have the highest logit of their sequence."""
  inside, apart = _by_sequence(logits, sequence_ids, max_sequences)
  highest = jnp.max(apart, axis=1, keepdims=True)  # [B, 1, P]
  hit = jnp.any(inside & (apart >= highest), axis=-1)
  return jnp.sum(hit & marked, dtype=jnp.float32)
