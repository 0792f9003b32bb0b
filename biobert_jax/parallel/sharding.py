"""The mesh, and one table: parameter path -> logical axes -> mesh axes.

The only file that spells a mesh axis. Two axes: `data` holds different rows,
`model` parts of the same matrix product. Strategies:

dp    every parameter on every device;
zero1 the same, but optimizer moments sharded over `data` (ZeRO-1, Rajbhandari
      et al. 2020): each device updates its part, which all then gather;
fsdp  parameters and optimizer moments sharded over `data`, gathered for use;
tp    heads and feed-forward units sharded over `model`.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from biobert_jax.errors import InputError

DATA, MODEL = 'data', 'model'
Batch = dict[str, np.ndarray]

# Logical axis -> mesh axis; an axis that is not named is replicated.
# The vocabulary (28,996 = 4 * 11 * 659 in BioBERT) is never sharded.
STRATEGIES: dict[str, dict[str, str]] = {
  'dp': {},
  'zero1': {},
  'fsdp': {'embed': DATA},
  'tp': {'heads': MODEL, 'mlp': MODEL},
}
# Whose rules are those of moments and summed gradients, where not its own.
_MOMENTS = {'zero1': 'fsdp'}

# Exactly one row matches each parameter path; there is no catch-all row.
_LAYER = r'.*/encoder/(layer_\d+|layers/layer)'
_HEAD = r'(classifier|qa_outputs|yes_no|entity_classifier|cls/seq_relationship)'
TABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
  (r'.*embeddings/word_embeddings', ('vocab', 'embed')),
  (r'.*embeddings/position_embeddings', ('position', 'embed')),
  (r'.*embeddings/token_type_embeddings', ('type', 'embed')),
  (_LAYER + r'/attention/self/(query|key|value)/kernel', ('embed', 'heads')),
  (_LAYER + r'/attention/self/(query|key|value)/bias', ('heads',)),
  (_LAYER + r'/attention/output/dense/kernel', ('heads', 'embed')),
  (_LAYER + r'/intermediate/dense/kernel', ('embed', 'mlp')),
  (_LAYER + r'/intermediate/dense/bias', ('mlp',)),
  (_LAYER + r'/output/dense/kernel', ('mlp', 'embed')),
  (_LAYER + r'/(attention/)?output/dense/bias', ('embed',)),
  (_LAYER + r'/(attention/)?output/LayerNorm/(scale|bias)', ('embed',)),
  (r'(.*/)?pooler/dense/kernel', ('embed', 'pooled')),
  (r'(.*/)?pooler/dense/bias', ('pooled',)),
  (r'cls/predictions/transform/dense/kernel', ('embed', 'transformed')),
  (r'cls/predictions/transform/dense/bias', ('transformed',)),
  (r'.*(embeddings|transform)/LayerNorm/(scale|bias)', ('embed',)),
  (r'cls/predictions/bias', ('vocab',)),
  (_HEAD + r'/kernel', ('embed', 'labels')),
  (_HEAD + r'/bias', ('labels',)),
)


class Layout(NamedTuple):
  """Trees of PartitionSpec over the parameters."""

  params: Any  # Of the parameters between steps.
  moments: Any  # Of summed gradients and of the optimizer's moments.


def make_mesh(
  strategy: str, model: int, devices: list[jax.Device] | None = None
) -> Mesh:
  """All devices as a (data, model) mesh; Auto axes, as linen layers need.

  `model` is how many devices share each matrix product; 1 unless 'tp'.
  """
  if strategy not in STRATEGIES:
    message = f'mesh.strategy is {strategy!r}; choose from {sorted(STRATEGIES)}'
    raise InputError(message)
  devices = jax.devices() if devices is None else devices
  given = f'mesh.model is {model}'
  if model < 1 or len(devices) % model:
    raise InputError(f'{given}; it must divide the {len(devices)} devices')
  # Counted by the devices, not by this process: preflight only describes them.
  per_host = len(devices) // len({d.process_index for d in devices})
  if per_host % model:
    message = f'{given}; it must divide the {per_host} devices of one host'
    raise InputError(message)
  if model > 1 and strategy != 'tp':
    raise InputError(f'{given}; only strategy "tp" uses it')
  names, types = (DATA, MODEL), (AxisType.Auto, AxisType.Auto)
  slices = len({getattr(device, 'slice_index', 0) for device in devices})
  shape = (len(devices) // slices // model, model)
  if slices == 1:
    return jax.make_mesh(shape, names, axis_types=types, devices=devices)
  # The batch is sharded over slices first: only gradients cross DCN.
  placed = mesh_utils.create_hybrid_device_mesh(
    shape, (slices, 1), devices, allow_split_physical_axes=True
  )
  return Mesh(placed, names, axis_types=types)


def check_batch(batch_size: int, accumulate: int, mesh: Mesh) -> None:
  """Refuses a batch that devices and microbatches cannot share equally."""
  shards = mesh.shape[DATA] * accumulate
  if batch_size < 1 or batch_size % shards:
    lower = batch_size // shards * shards
    nearest = [n for n in (lower, lower + shards) if n > 0]
    raise InputError(
      f'batch_size is {batch_size}; {mesh.shape[DATA]} data-parallel devices '
      f'x {accumulate} microbatches need a multiple of {shards}: '
      f'nearest {" or ".join(map(str, nearest))}'
    )


def logical_axes(path: str) -> tuple[str, ...]:
  """The logical axes of a parameter, by its one row of `TABLE`."""
  rows = [axes for pattern, axes in TABLE if re.fullmatch(pattern, path)]
  if len(rows) != 1:
    raise ValueError(f'{len(rows)} rows of the sharding table match {path}')
  scanned = '/layers/layer/' in path
  return ('layers', *rows[0]) if scanned else rows[0]


def param_path(key_path: tuple[Any, ...]) -> str:
  """`bert/encoder/...` of a leaf of a tree of dicts."""
  return jax.tree_util.keystr(key_path, simple=True, separator='/')


def param_specs(abstract_params: Any, strategy: str, mesh: Mesh) -> Any:
  """Partition specs of a tree of parameters, arrays or ShapeDtypeStructs."""
  rules = STRATEGIES[strategy]

  def spec(key_path: tuple[Any, ...], leaf: Any) -> P:
    path = param_path(key_path)
    axes = logical_axes(path)
    if len(axes) != leaf.ndim:
      raise ValueError(f'{path} has shape {leaf.shape}, the table says {axes}')
    names = [rules.get(axis) for axis in axes]
    for size, axis, name in zip(leaf.shape, axes, names, strict=True):
      if name is not None and size % mesh.shape[name]:
        raise InputError(
          f'{path}: {axis} = {size} is not a multiple of the {name} axis '
          f'({mesh.shape[name]} devices); choose another mesh.model or '
          f'mesh.strategy'
        )
    return P(*names)

  return jax.tree_util.tree_map_with_path(spec, abstract_params)


def make_layout(abstract_params: Any, strategy: str, mesh: Mesh) -> Layout:
  """Specs of parameters and of moments; see `param_specs`."""
  both = strategy, _MOMENTS.get(strategy, strategy)
  return Layout(*(param_specs(abstract_params, rules, mesh) for rules in both))


def shardings(specs: Any, mesh: Mesh) -> Any:
  """A tree of PartitionSpec as NamedShardings."""
  return _map_specs(lambda spec: NamedSharding(mesh, spec), specs)


def _map_specs(function: Callable[[P], Any], specs: Any) -> Any:
  return jax.tree.map(function, specs, is_leaf=lambda x: isinstance(x, P))


def replicated(mesh: Mesh) -> NamedSharding:
  """The sharding of arrays that every device holds whole."""
  return NamedSharding(mesh, P())


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """The sharding of a batch: its first axis over `data`."""
  return NamedSharding(mesh, P(DATA))


def manual_axes(mesh: Mesh) -> set[str]:
  """The manual axes of a step's `shard_map`: `data`, or all.

  Left to the compiler, an unused `model` would annotate every operation.
  """
  return {DATA} if mesh.shape[MODEL] > 1 else set(mesh.axis_names)


def check_heads(num_attention_heads: int, mesh: Mesh) -> None:
  """Refuses a model axis that would split an attention head."""
  heads, model = num_attention_heads, mesh.shape[MODEL]
  if heads % model:
    fitting = [n for n in range(1, heads + 1) if heads % n == 0]
    message = f'mesh.model is {model}; {heads} attention heads allow {fitting}'
    raise InputError(message)


def sharded_axis(spec: P) -> int | None:
  """The dimension that is sharded over `data`, or None."""
  names = tuple(spec)
  return names.index(DATA) if DATA in names else None


def manual_specs(specs: Any) -> Any:
  """Specs for `shard_map` over `data`: `model` stays automatic."""
  only = {DATA: DATA}
  return _map_specs(lambda spec: P(*map(only.get, spec)), specs)


def gather(params: Any, specs: Any) -> Any:
  """Inside `shard_map`: whole parameters from their shards (fsdp)."""

  def whole(x: jax.Array, spec: P) -> jax.Array:
    if (axis := sharded_axis(spec)) is None:
      return x
    return jax.lax.all_gather(x, DATA, axis=axis, tiled=True)

  return jax.tree.map(whole, params, specs)


def reduce_gradients(gradients: Any, specs: Any, dtype: str) -> Any:
  """Inside `shard_map`: sums over `data` in `dtype`, each device its shard.

  On a torus of several dimensions XLA:TPU (libtpu 0.0.42.1) all-reduces and
  slices afterwards: a reduce-scatter would use the links of one dimension, an
  all-reduce those of all. Two reduce-scatters gain nothing.
  """

  def summed(g: jax.Array, spec: P) -> jax.Array:
    axis, sent = sharded_axis(spec), g.astype(dtype)
    if axis is None:
      return jax.lax.psum(sent, DATA).astype(g.dtype)
    added = jax.lax.psum_scatter(sent, DATA, scatter_dimension=axis, tiled=True)
    return added.astype(g.dtype)

  return jax.tree.map(summed, gradients, specs)


def shard_host_batch(batch: Batch, mesh: Mesh) -> dict[str, Any]:
  """The batch of this host as part of global arrays, sharded over `data`."""
  sharding = batch_sharding(mesh)
  place = functools.partial(jax.make_array_from_process_local_data, sharding)
  return {name: place(array) for name, array in batch.items()}


def shard_global_batch(batch: Batch, mesh: Mesh) -> dict[str, Any]:
  """A global batch that every host holds, sharded; row i stays row i."""
  sharding = batch_sharding(mesh)
  return {
    name: jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)
    for name, whole in batch.items()
  }


def bytes_per_device(tree: Any) -> int:
  """Bytes of a tree of arrays on the device that holds most."""
  held: Counter[int] = Counter()
  for leaf in jax.tree.leaves(tree):
    for shard in leaf.addressable_shards:
      held[shard.device.id] += shard.data.nbytes
  return max(held.values())
