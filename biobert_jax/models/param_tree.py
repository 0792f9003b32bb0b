"""Parameters as a tree, as modules want them, or flat, as files hold them.

Flat: path -> array, with layers unrolled (`bert/encoder/layer_0/...`)
whatever the model does. A tree: nested dicts, layers unrolled or, for
`scan_layers`, stacked along a new first axis under `encoder/layers/layer`.
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
  """Flat parameters as a module wants them.

  Args:
    flat: path -> array, layers unrolled.
    scan_layers: whether the module scans its layers.

  Returns:
    The tree. What came as NumPy arrays stays on the host.
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
  """The inverse of `to_tree`, of trees with either form of layers.

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
  """The same with layers joined under their paths in a scanned module."""
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
  for path, of_layers in layers.items():
    arrays = [of_layers[i] for i in range(len(of_layers))]
    on_host = all(isinstance(array, np.ndarray) for array in arrays)
    joined[path] = np.stack(arrays) if on_host else jnp.stack(arrays)
  return joined
