"""Losses as sums; their normalizers are computed from the batch alone.

A sum is divided by the normalizer of the whole global batch, so the loss is the
same however the batch is split over devices and microbatches.
"""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def label_count(labels: Int[Array, '*R']) -> Float[Array, '']:
  """Number of labelled positions (those that are not -1)."""
  return jnp.sum(labels >= 0, dtype=jnp.float32)


def cross_entropy_sum(
  logits: Float[Array, '*R C'],
  labels: Int[Array, '*R'],
  weights: Float[Array, 'C'] | None = None,
) -> Float[Array, '']:
  """Sum of the cross-entropies (nats) of positions whose label is not -1.

  With `weights` each counts as much as its class weighs.
  """
  log_probs = jax.nn.log_softmax(logits, axis=-1)
  safe = jnp.maximum(labels, 0)
  picked = jnp.take_along_axis(log_probs, safe[..., None], axis=-1)[..., 0]
  if weights is not None:
    picked = picked * weights[safe]
  return -jnp.sum(jnp.where(labels >= 0, picked, 0.0))


def correct_sum(
  logits: Float[Array, '*R C'], labels: Int[Array, '*R']
) -> Float[Array, '']:
  """Number of labelled positions whose label has the highest score."""
  hit = jnp.argmax(logits, axis=-1) == labels
  return jnp.sum(hit & (labels >= 0), dtype=jnp.float32)


def classification_normalizers(
  batch: Mapping[str, jax.Array],
) -> dict[str, jax.Array]:
  """Divisors of `classification_sums`."""
  count = label_count(batch['labels'])
  return {'loss': count, 'accuracy': count}


def classification_sums(
  logits: jax.Array, batch: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
  """Loss and accuracy of a classifier, as sums over labelled positions."""
  given = logits, batch['labels']
  return {'loss': cross_entropy_sum(*given), 'accuracy': correct_sum(*given)}


def weighted_classification(
  weights_of: Callable[[], Sequence[float]],
) -> dict[str, Callable[..., dict[str, jax.Array]]]:
  """`sums` and `normalizers` of a classifier whose classes weigh differently.

  The loss is the weighted mean: its divisor is the weight of all labels of the
  global batch. `weights_of` gives the weight of each class; it is called when a
  training step is traced, so that what only predicts needs no corpus.
  """

  def table() -> jax.Array:
    return jnp.asarray(weights_of(), jnp.float32)

  def sums(
    logits: jax.Array, batch: Mapping[str, jax.Array]
  ) -> dict[str, jax.Array]:
    given = logits, batch['labels']
    loss = cross_entropy_sum(*given, table())
    return {'loss': loss, 'accuracy': correct_sum(*given)}

  def normalizers(batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    labels = batch['labels']
    weights = jnp.where(labels >= 0, table()[jnp.maximum(labels, 0)], 0.0)
    return {'loss': jnp.sum(weights), 'accuracy': label_count(labels)}

  return {'sums': sums, 'normalizers': normalizers}


def _by_sequence(
  logits: Float[Array, 'B L'],
  sequence_ids: Int[Array, 'B L'],
  max_sequences: int,
) -> tuple[Bool[Array, 'B L P'], Float[Array, 'B L P']]:
  """Which tokens belong to each sequence; their logits, all others low."""
  numbers = jnp.arange(1, max_sequences + 1)
  inside = sequence_ids[..., None] == numbers
  # Not -inf: gradients of a number that no sequence has would be NaN.
  low = jnp.finfo(logits.dtype).min / 2
  return inside, jnp.where(inside, logits[..., None], low)


def pointer_cross_entropy_sum(
  logits: Float[Array, 'B L'],
  sequence_ids: Int[Array, 'B L'],
  marked: Bool[Array, 'B L'],
  max_sequences: int,
) -> Float[Array, '']:
  """Sum of the cross-entropies (nats) of pointers into sequences.

  The softmax is over the tokens of one sequence, whatever is packed with it.

  Args:
    logits: of every token, in float32.
    sequence_ids: 1, 2, ... by sequence; 0 is padding.
    marked: the token to point at, one or none per sequence.
    max_sequences: P, the most sequences that are packed together.
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
  """Number of marked tokens with the highest logit of their sequence."""
  inside, apart = _by_sequence(logits, sequence_ids, max_sequences)
  highest = jnp.max(apart, axis=1, keepdims=True)  # [B, 1, P]
  hit = jnp.any(inside & (apart >= highest), axis=-1)
  return jnp.sum(hit & marked, dtype=jnp.float32)
