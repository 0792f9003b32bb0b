"""Parameters as a tree, which modules take, or flat, as files hold them.

Flat parameters map a path to an array; layers are always unrolled
(`bert/encoder/layer_0/...`). A tree is nested dicts; layers are unrolled or,
for `scan_layers`, stacked along a new first axis under `encoder/layers/layer`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_LAYER = re.compile(r'(.*/)?encoder/layer_(\d+)/(.*)')
_STACK = re.compile(r'(.*/)?encoder/layers/layer/(.*)')


def to_tree(
  flat: Mapping[str, jax.Array | np.ndarray], scan_layers: bool
) -> dict[str, Any]:
  """Converts flat parameters to a module's tree.

  Args:
    flat: path -> array, layers unrolled.
    scan_layers: whether the module scans its layers.

  Returns:
    The tree. NumPy arrays stay on the host.
  """
  tree: dict[str, Any] = {}
  for path, array in (_stacked(flat) if scan_layers else flat).items():
    *parents, leaf = path.split('/')
    node = tree
    for name in parents:
      node = node.setdefault(name, {})
    node[leaf] = array
  return tree


def to_flat(tree: Mapping[str, Any]) -> dict[str, Any]:
  """Inverts `to_tree`, for unrolled and for stacked layers.

  Args:
    tree: nested dicts of arrays.

  Returns:
    path -> array, layers unrolled; NumPy arrays are views of the tree's.
  """
  flat: dict[str, Any] = {}
  for path, array in _leaves(tree, ''):
    stack = _STACK.fullmatch(path)
    if stack is None:
      flat[path] = array
      continue
    above, below = stack.groups(default='')
    for i in range(array.shape[0]):
      flat[f'{above}encoder/layer_{i}/{below}'] = array[i]
  return flat


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
  for name, node in tree.items():
    if isinstance(node, Mapping):
      yield from _leaves(node, f'{prefix}{name}/')
    else:
      yield prefix + name, node


def _stacked(
  flat: Mapping[str, jax.Array | np.ndarray],
) -> dict[str, jax.Array | np.ndarray]:
  """Joins the layers under the paths that they have in a scanned module."""
  joined: dict[str, jax.Array | np.ndarray] = {}
  layers: dict[str, dict[int, jax.Array | np.ndarray]] = {}
  for path, array in flat.items():
    layer = _LAYER.fullmatch(path)
    if layer is None:
      joined[path] = array
      continue
    above, number, below = layer.groups(default='')
    path = f'{above}encoder/layers/layer/{below}'
    layers.setdefault(path, {})[int(number)] = array
  for path, by_number in layers.items():
    arrays = [by_number[i] for i in range(len(by_number))]
    on_host = all(isinstance(array, np.ndarray) for array in arrays)
    joined[path] = np.stack(arrays) if on_host else jnp.stack(arrays)
  return joined
