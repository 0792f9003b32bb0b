"""Dropout whose bits belong to a row, wherever the row stands.

A key for each row, split from layer to layer; no keys, no dropout.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

DropoutKeys = Key[Array, 'B'] | None


def split_keys(keys: DropoutKeys, count: int) -> list[DropoutKeys]:
  """`count` independent sets of row keys (or of None)."""
  if keys is None:
    return [None] * count
  split = jax.vmap(lambda key: jax.random.split(key, count))(keys)
  return [split[:, i] for i in range(count)]


def dropout(
  x: Float[Array, 'B *R'],
  rate: float,
  keys: DropoutKeys,
  transposed: bool = False,
) -> Float[Array, 'B *R']:
  """Zeroes each element of x with probability `rate`, scales the rest up.

  Eight random bits an element, a quarter of `jax.random.bernoulli`'s. What
  they may not exceed lies between two of 256 values, and each row draws one of
  the two, so that the probability is `rate` itself.

  Args:
    x: activations; the first axis is the row.
    rate: 0-1.
    keys: a key for each row, or None for no dropout.
    transposed: whether the bits are drawn with the last two axes exchanged.

  Returns:
    x with dropout, of the same dtype.
  """
  if keys is None or rate == 0:
    return x
  shape = x.shape[1:]
  if transposed:
    shape = (*shape[:-2], shape[-1], shape[-2])

  def keep_row(key: Key[Array, '']) -> Bool[Array, '*T']:
    of_bound, of_bits = jax.random.split(key)
    bound = (1 - rate) * 2**8 + jax.random.uniform(of_bound)
    return _random_bytes(of_bits, shape) < bound.astype(jnp.int32)

  keep = jax.vmap(keep_row)(keys)
  if transposed:
    keep = keep.swapaxes(-1, -2)
  return jnp.where(keep, x / (1 - rate), jnp.zeros_like(x))


def _random_bytes(
  key: Key[Array, ''], shape: tuple[int, ...]
) -> Int[Array, '*T']:
  """Numbers 0-255, int32."""
  if 'rbg' in str(jax.random.key_impl(key)):
    # As the hardware gives them. Pieces of words would be laid out anew.
    return jax.random.bits(key, shape, jnp.uint8).astype(jnp.int32)
  # Threefry computes a word for each number, however few bits are wanted.
  width = shape[-1]
  words = jax.random.bits(key, (*shape[:-1], -(-width // 4)), jnp.uint32)
  parts = [words >> shift & 0xFF for shift in (0, 8, 16, 24)]
  return jnp.concatenate(parts, axis=-1)[..., :width].astype(jnp.int32)
