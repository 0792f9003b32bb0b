"""Dropout whose bits belong to a row, wherever the row stands.

A key for each row, split from layer to layer; no keys, no dropout. All keys of
a stack of layers are split at once: splits inside each layer took the compiler
of BERT-large's step 74 s instead of 42 (libtpu 0.0.42.1, v5e-16).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

DropoutKeys = Key[Array, 'B'] | None


class Draw(NamedTuple):
  """What one dropout draws with, for each row.

  Attributes:
    keys: [B], of its bits.
    uniforms: float32 [B], 0-1: which of two bounds its bits are held to.
  """

  keys: Key[Array, 'B']
  uniforms: Float[Array, 'B']


class LayerDraws(NamedTuple):
  """The draws of a layer, or of N layers with one more axis in front.

  Attributes:
    weights: of attention weights.
    attention: of the attention sublayer's output.
    output: of the feed-forward sublayer's output.
  """

  weights: Draw
  attention: Draw
  output: Draw


def split_keys(keys: DropoutKeys, count: int) -> list[DropoutKeys]:
  """`count` independent sets of row keys (or of None)."""
  if keys is None:
    return [None] * count
  split = jax.vmap(lambda key: jax.random.split(key, count))(keys)
  return [split[:, i] for i in range(count)]


def draw(keys: DropoutKeys) -> Draw | None:
  """What a dropout of these rows draws with; None without keys."""
  return None if keys is None else jax.vmap(_draw_of_row)(keys)


def layer_draws(keys: DropoutKeys, count: int) -> LayerDraws | None:
  """The draws of `count` layers, [N, B] each; None without keys."""
  if keys is None:
    return None

  def of_layer(key: Key[Array, '']) -> LayerDraws:
    attention, output = jax.random.split(key)
    three = jnp.stack([*jax.random.split(attention), output])
    return LayerDraws(*map(Draw, *jax.vmap(_draw_of_row)(three)))

  def of_row(key: Key[Array, '']) -> LayerDraws:
    return jax.vmap(of_layer)(jax.random.split(key, count))

  return jax.vmap(of_row, out_axes=1)(keys)


def _draw_of_row(key: Key[Array, '']) -> Draw:
  of_bound, of_bits = jax.random.split(key)
  return Draw(of_bits, jax.random.uniform(of_bound))


def dropout(
  x: Float[Array, 'B *R'],
  rate: float,
  drawn: Draw | None,
  transposed: bool = False,
) -> Float[Array, 'B *R']:
  """Zeroes each element of x with probability `rate`, scales the rest up.

  Eight random bits an element, a quarter of `jax.random.bernoulli`'s. What
  they may not exceed lies between two of 256 values, and each row draws one of
  the two, so that the probability is `rate` itself.

  Args:
    x: activations; the first axis is the row.
    rate: 0-1.
    drawn: what to draw with, or None for no dropout.
    transposed: whether the bits are drawn with the last two axes exchanged.

  Returns:
    x with dropout, of the same dtype.
  """
  if drawn is None or rate == 0:
    return x
  shape = x.shape[1:]
  if transposed:
    shape = (*shape[:-2], shape[-1], shape[-2])

  def keep_row(row: Draw) -> Bool[Array, '*T']:
    bound = (1 - rate) * 2**8 + row.uniforms
    return _random_bytes(row.keys, shape) < bound.astype(jnp.int32)

  keep = jax.vmap(keep_row)(drawn)
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
