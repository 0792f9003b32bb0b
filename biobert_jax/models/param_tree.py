"""Parameters as a tree, which modules take, or flat, as files hold them.

Flat ones map a path to an array, layers unrolled. In a tree they may be
stacked under `encoder/layers/layer` (`scan_layers`).
"""

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

ArrayLike = jax.Array | np.ndarray
_LAYER = re.compile(r'(.*/)?encoder/layer_(\d+)/(.*)')
_STACK = re.compile(r'(.*/)?encoder/layers/layer/(.*)')


def to_tree(flat: Mapping[str, ArrayLike], scan_layers: bool) -> dict[str, Any]:
  """Converts flat parameters to a module's tree; NumPy stays on the host."""
  return unflatten_dict(_stacked(flat) if scan_layers else flat, sep='/')


def to_flat(tree: Mapping[str, Any]) -> dict[str, Any]:
  """Inverts `to_tree`; NumPy arrays are views of the tree's."""
  flat: dict[str, Any] = {}
  for path, array in flatten_dict(tree, sep='/').items():
    stack = _STACK.fullmatch(path)
    if stack is None:
      flat[path] = array
      continue
    above, below = stack.groups(default='')
    for i in range(array.shape[0]):
      flat[f'{above}encoder/layer_{i}/{below}'] = array[i]
  return flat


def _stacked(flat: Mapping[str, ArrayLike]) -> dict[str, ArrayLike]:
  """Joins the layers under the paths that they have in a scanned module."""
  joined: dict[str, ArrayLike] = {}
  layers: dict[str, dict[int, ArrayLike]] = {}
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
