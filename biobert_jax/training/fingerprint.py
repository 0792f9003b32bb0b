"""Checksums of parameters that any mesh computes alike.

Sums of mixed bits modulo 2^32: they commute, so it does not matter which
device holds which part. They find damage, not an attacker's work.
"""

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


def _of_array(array: jax.Array) -> jax.Array:
  """[2] uint32 of an array's values (as float32) and their places."""
  bits = jax.lax.bitcast_convert_type(array.astype(jnp.float32), jnp.uint32)
  place = jnp.zeros(array.shape, jnp.uint32)
  for axis, size in enumerate(array.shape):
    along = jax.lax.broadcasted_iota(jnp.uint32, array.shape, axis)
    place = place * jnp.uint32(size) + along
  first = jnp.sum(_mix(bits ^ _mix(place + 1)), dtype=jnp.uint32)
  second = jnp.sum(
    _mix(bits + _mix(place ^ jnp.uint32(_GOLDEN))), dtype=jnp.uint32
  )
  return jnp.stack([first, second])


@jax.jit
def _of_tree(tree: Any) -> Any:
  return jax.tree.map(_of_array, tree)


def fingerprints(tree: Any) -> dict[str, str]:
  """A checksum for each array of a tree.

  Args:
    tree: arrays of floats, on the host or on any mesh.

  Returns:
    path -> 16 hexadecimal digits; equal for equal values, whatever the mesh.
  """
  sums = jax.device_get(_of_tree(tree))
  return {
    '/'.join(str(key.key) for key in path): f'{int(a):08x}{int(b):08x}'
    for path, (a, b) in jax.tree_util.tree_leaves_with_path(sums)
  }
