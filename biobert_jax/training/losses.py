"""Losses as sums; their weights are computed apart, from the batch alone.

A sum is divided by the weight of the whole global batch, so the loss is the
same however the batch is cut over devices and microbatches.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


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
