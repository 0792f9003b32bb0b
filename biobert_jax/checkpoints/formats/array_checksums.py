"""Checksums of a state's arrays that any mesh computes alike.

Sums of mixed bits modulo 2^32: they commute, so it does not matter which
device holds which part. They find damage, not an attacker's work.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

# Of MurmurHash3's finaliser (Appleby 2011, public domain).
_FIRST, _SECOND = 0x85EBCA6B, 0xC2B2AE35
_GOLDEN = 0x9E3779B9


def _mix(x: jax.Array) -> jax.Array:
  x = (x ^ (x >> 16)) * jnp.uint32(_FIRST)
  x = (x ^ (x >> 13)) * jnp.uint32(_SECOND)
  return x ^ (x >> 16)


def _bits(array: jax.Array) -> jax.Array:
  """uint32 of the same shape; different numbers have different bits.

  bfloat16 counts as float32, widened by its bits: a conversion may flush the
  smallest numbers to zero.
  """
  if array.dtype == jnp.bfloat16:
    narrow = jax.lax.bitcast_convert_type(array, jnp.uint16)
    return narrow.astype(jnp.uint32) << 16
  if jnp.issubdtype(array.dtype, jnp.floating):
    wide = array.astype(jnp.float32)
  elif array.dtype == jnp.bool_ or jnp.issubdtype(array.dtype, jnp.integer):
    signed = jnp.issubdtype(array.dtype, jnp.signedinteger)
    wide = array.astype(jnp.int32 if signed else jnp.uint32)
  else:
    raise TypeError(f'no fingerprint of {array.dtype}')
  return jax.lax.bitcast_convert_type(wide, jnp.uint32)


# One program for each shape and dtype, of which a model has few: to compile
# one for the whole tree takes as long as its hundreds of arrays.
@jax.jit
def _sums(array: jax.Array) -> jax.Array:
  """[3] uint32: two sums of values and places; how many are not finite."""
  bits = _bits(array)
  place = jnp.zeros(array.shape, jnp.uint32)
  for axis, size in enumerate(array.shape):
    along = jax.lax.broadcasted_iota(jnp.uint32, array.shape, axis)
    place = place * jnp.uint32(size) + along
  first = jnp.sum(_mix(bits ^ _mix(place + 1)), dtype=jnp.uint32)
  turned = _mix(place ^ jnp.uint32(_GOLDEN))
  second = jnp.sum(_mix(bits + turned), dtype=jnp.uint32)
  wrong = jnp.uint32(0)
  if jnp.issubdtype(array.dtype, jnp.floating):
    wrong = jnp.sum(~jnp.isfinite(array), dtype=jnp.uint32)
  return jnp.stack([first, second, wrong])


def checksums_and_nonfinite(tree: Any) -> tuple[dict[str, str], dict[str, int]]:
  """A checksum for each array (up to 32 bits an element); which are not finite.

  Returns:
    Path -> 16 hexadecimal digits, equal for equal values, whatever the mesh;
    path -> how many NaNs and infinities, where there are any.
  """
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  path_of = functools.partial(jax.tree_util.keystr, simple=True, separator='/')
  names = [path_of(path) for path, _ in leaves]
  # All are dispatched before the first is read. Not on a CPU: where virtual
  # devices share a few threads, programs that sum over devices starve each
  # other, until XLA aborts.
  in_turn, sums = jax.default_backend() == 'cpu', []
  for _, leaf in leaves:
    sums.append(_sums(leaf))
    if in_turn:
      sums[-1].block_until_ready()
  sums = jax.device_get(sums)
  found, wrong = {}, {}
  for name, (first, second, count) in zip(names, sums, strict=True):
    found[name] = f'{int(first):08x}{int(second):08x}'
    if count:
      wrong[name] = int(count)
  return found, wrong


def fingerprints(tree: Any) -> dict[str, str]:
  """The checksums of `checksums_and_nonfinite` alone."""
  return checksums_and_nonfinite(tree)[0]
