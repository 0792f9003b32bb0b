"""The mesh, and one table: parameter path -> logical axes -> mesh axes.

The only file that spells a mesh axis. Two axes: `data` holds different rows,
`model` parts of the same matrix product. Strategies:

  dp    every parameter on every device;
  zero1 the same, but optimizer moments cut over `data` (ZeRO-1, Rajbhandari et
        al. 2020): each device updates its part, which all then gather;
  fsdp  parameters and optimizer moments cut over `data`, gathered for use;
  tp    heads and feed-forward units cut over `model`.
"""

import math
import re
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from biobert_jax.errors import InputError

DATA, MODEL = 'data', 'model'

# Logical axis -> mesh axis. What a strategy does not name is replicated.
# The vocabulary (28,996 = 4 * 11 * 659 in BioBERT) is never cut.
STRATEGIES: dict[str, dict[str, str]] = {
  'dp': {},
  'zero1': {},
  'fsdp': {'embed': DATA},
  'tp': {'heads': MODEL, 'mlp': MODEL},
}
# The same of moments, and of gradients once they are summed, where these do
# not lie as their parameters do.
_MOMENTS: dict[str, dict[str, str]] = {'zero1': {'embed': DATA}}

# Exactly one row matches each parameter path; there is no catch-all row.
_LAYER = r'.*/encoder/(layer_\d+|layers/layer)'
_HEAD = r'(classifier|qa_outputs|yes_no|entity_classifier|cls/seq_relationship)'
TABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
  (r'.*embeddings/word_embeddings', ('vocab', 'embed')),
  (r'.*embeddings/position_embeddings', ('position', 'embed')),
  (r'.*embeddings/token_type_embeddings', ('type', 'embed')),
  (r'.*embeddings/LayerNorm/(scale|bias)', ('embed',)),
  (_LAYER + r'/attention/self/(query|key|value)/kernel', ('embed', 'heads')),
  (_LAYER + r'/attention/self/(query|key|value)/bias', ('heads',)),
  (_LAYER + r'/attention/output/dense/kernel', ('heads', 'embed')),
  (_LAYER + r'/attention/output/dense/bias', ('embed',)),
  (_LAYER + r'/attention/output/LayerNorm/(scale|bias)', ('embed',)),
  (_LAYER + r'/intermediate/dense/kernel', ('embed', 'mlp')),
  (_LAYER + r'/intermediate/dense/bias', ('mlp',)),
  (_LAYER + r'/output/dense/kernel', ('mlp', 'embed')),
  (_LAYER + r'/output/dense/bias', ('embed',)),
  (_LAYER + r'/output/LayerNorm/(scale|bias)', ('embed',)),
  (r'(.*/)?pooler/dense/kernel', ('embed', 'pooled')),
  (r'(.*/)?pooler/dense/bias', ('pooled',)),
  (r'cls/predictions/transform/dense/kernel', ('embed', 'transformed')),
  (r'cls/predictions/transform/dense/bias', ('transformed',)),
  (r'cls/predictions/transform/LayerNorm/(scale|bias)', ('embed',)),
  (r'cls/predictions/bias', ('vocab',)),
  (_HEAD + r'/kernel', ('embed', 'labels')),
  (_HEAD + r'/bias', ('labels',)),
)


class Layout(NamedTuple):
  """Trees of PartitionSpec over the parameters.

  Attributes:
    params: how they lie between steps.
    moments: how summed gradients and the optimizer's moments of them lie.
  """

  params: Any
  moments: Any


def make_mesh(
  strategy: str, model: int, devices: list[jax.Device] | None = None
) -> Mesh:
  """All devices as a (data, model) mesh.

  Args:
    strategy: 'dp', 'fsdp' or 'tp'.
    model: devices that share one row's matrix products; 1 unless 'tp'.
    devices: default all of the job's.

  Returns:
    The mesh, with Auto axes (linen layers do not know Explicit ones).

  Raises:
    InputError: an unknown strategy or a model axis that does not fit.
  """
  if strategy not in STRATEGIES:
    raise InputError(
      f'mesh.strategy is {strategy!r}; choose from {sorted(STRATEGIES)}'
    )
  devices = jax.devices() if devices is None else devices
  if model < 1 or len(devices) % model:
    raise InputError(
      f'mesh.model is {model}; it must divide the {len(devices)} devices'
    )
  # By the devices, not by this process: they may be a slice that is only
  # described (preflight).
  of_host = len(devices) // len({d.process_index for d in devices})
  if of_host % model:
    raise InputError(
      f'mesh.model is {model}; it must divide the {of_host} devices of one host'
    )
  if model > 1 and strategy != 'tp':
    raise InputError(f'mesh.model is {model}; only strategy "tp" uses it')
  names, types = (DATA, MODEL), (AxisType.Auto, AxisType.Auto)
  slices = len({getattr(device, 'slice_index', 0) for device in devices})
  shape = (len(devices) // slices // model, model)
  if slices == 1:
    return jax.make_mesh(shape, names, axis_types=types, devices=devices)
  # Rows are cut over slices first: gradients alone cross the slow network.
  placed = mesh_utils.create_hybrid_device_mesh(
    shape, (slices, 1), devices, allow_split_physical_axes=True
  )
  return Mesh(placed, names, axis_types=types)


def check_batch(batch_size: int, accumulate: int, mesh: Mesh) -> None:
  """Refuses a batch that devices and microbatches cannot share equally.

  Raises:
    InputError: names the nearest sizes that can.
  """
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
  """The logical axes of a parameter, by its one row of `TABLE`.

  Raises:
    ValueError: no row or several rows match.
  """
  rows = [axes for pattern, axes in TABLE if re.fullmatch(pattern, path)]
  if len(rows) != 1:
    raise ValueError(f'{len(rows)} rows of the sharding table match {path}')
  scanned = '/layers/layer/' in path
  return ('layers', *rows[0]) if scanned else rows[0]


def path_of(key_path: tuple[Any, ...]) -> str:
  """`bert/encoder/...` of a leaf of a tree of dicts."""
  return '/'.join(str(entry.key) for entry in key_path)


def param_specs(abstract_params: Any, strategy: str, mesh: Mesh) -> Any:
  """Partition specs of a parameter tree.

  Args:
    abstract_params: the tree, of arrays or ShapeDtypeStructs.
    strategy: a key of `STRATEGIES`.
    mesh: the mesh.

  Returns:
    A tree of PartitionSpec.

  Raises:
    ValueError: a parameter without its row, or of another rank.
    InputError: a dimension that its mesh axis does not divide.
  """
  return _specs(abstract_params, STRATEGIES[strategy], mesh)


def layout_of(abstract_params: Any, strategy: str, mesh: Mesh) -> Layout:
  """Specs of parameters and of moments; arguments, errors: `param_specs`."""
  rules = _MOMENTS.get(strategy, STRATEGIES[strategy])
  params = param_specs(abstract_params, strategy, mesh)
  return Layout(params, _specs(abstract_params, rules, mesh))


def _specs(abstract_params: Any, rules: dict[str, str], mesh: Mesh) -> Any:
  def spec(key_path: tuple[Any, ...], leaf: Any) -> P:
    path = path_of(key_path)
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


def shardings(specs: Any, mesh: Mesh) -> Any:
  """A tree of PartitionSpec as NamedShardings."""
  return jax.tree.map(
    lambda spec: NamedSharding(mesh, spec),
    specs,
    is_leaf=lambda x: isinstance(x, P),
  )


def replicated(mesh: Mesh) -> NamedSharding:
  """The sharding of what every device holds whole."""
  return NamedSharding(mesh, P())


def by_rows(mesh: Mesh) -> NamedSharding:
  """The sharding of a batch: rows over `data`."""
  return NamedSharding(mesh, P(DATA))


def manual_axes(mesh: Mesh) -> set[str]:
  """The axes of a step's `shard_map`: that of the rows, or all.

  Where nothing is cut over `model`, leaving it to the compiler costs a mark
  on each of a step's operations.
  """
  return {DATA} if mesh.shape[MODEL] > 1 else set(mesh.axis_names)


def check_heads(num_attention_heads: int, mesh: Mesh) -> None:
  """Refuses a model axis that would cut through an attention head."""
  if num_attention_heads % mesh.shape[MODEL]:
    fitting = [
      n
      for n in range(1, num_attention_heads + 1)
      if num_attention_heads % n == 0
    ]
    raise InputError(
      f'mesh.model is {mesh.shape[MODEL]}; {num_attention_heads} attention '
      f'heads allow {fitting}'
    )


def cut_axis(spec: P) -> int | None:
  """The dimension that is cut over `data`, or None."""
  names = tuple(spec)
  return names.index(DATA) if DATA in names else None


def manual_specs(specs: Any) -> Any:
  """Specs as `shard_map` over `data` sees them: `model` stays automatic."""
  return jax.tree.map(
    lambda spec: P(*(n if n == DATA else None for n in spec)),
    specs,
    is_leaf=lambda x: isinstance(x, P),
  )


def gather(params: Any, specs: Any) -> Any:
  """Inside `shard_map`: whole parameters from their pieces (fsdp)."""

  def whole(x: jax.Array, spec: P) -> jax.Array:
    axis = cut_axis(spec)
    if axis is None:
      return x
    return jax.lax.all_gather(x, DATA, axis=axis, tiled=True)

  return jax.tree.map(whole, params, specs)


def reduce_gradients(gradients: Any, specs: Any, dtype: str) -> Any:
  """Inside `shard_map`: sums over `data`, each device keeping its piece.

  On a torus of several dimensions XLA:TPU (libtpu 0.0.42.1) sums all and cuts
  then: a scatter would use the links of one dimension, a sum those of all. Two
  scatters, over one dimension each, do compile; they send half the bytes over
  half the links, which by that count gains nothing.

  Args:
    gradients: of this device's rows.
    specs: of the sums.
    dtype: in which they travel and are added; they come back as they were.

  Returns:
    The sums.
  """

  def summed(g: jax.Array, spec: P) -> jax.Array:
    axis, sent = cut_axis(spec), g.astype(dtype)
    if axis is None:
      return jax.lax.psum(sent, DATA).astype(g.dtype)
    return jax.lax.psum_scatter(
      sent, DATA, scatter_dimension=axis, tiled=True
    ).astype(g.dtype)

  return jax.tree.map(summed, gradients, specs)


def place_batch(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, Any]:
  """This host's rows -> global arrays cut over `data`.

  On a pod, rows may stand in another order than the hosts': a step sums over
  them, and each carries its `row_ids`, so its result is the same.
  """
  sharding = by_rows(mesh)
  return {
    name: jax.make_array_from_process_local_data(sharding, array)
    for name, array in batch.items()
  }


def place_whole(batch: dict[str, np.ndarray], mesh: Mesh) -> dict[str, Any]:
  """A global batch that every host holds -> the same, cut over `data`.

  Row i stays row i, however the mesh orders the devices of the hosts, so
  that what comes back can be laid beside the batch.
  """
  sharding = by_rows(mesh)

  def place(whole: np.ndarray) -> jax.Array:
    return jax.make_array_from_callback(
      whole.shape, sharding, lambda index: whole[index]
    )

  return {name: place(array) for name, array in batch.items()}


def bytes_per_device(tree: Any) -> int:
  """Bytes of a tree of arrays on the device that holds most."""
  held: dict[int, int] = {}
  for leaf in jax.tree.leaves(tree):
    for shard in leaf.addressable_shards:
      size = math.prod(shard.data.shape) * leaf.dtype.itemsize
      held[shard.device.id] = held.get(shard.device.id, 0) + size
  return max(held.values())
