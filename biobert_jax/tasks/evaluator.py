"""The forward pass over packed sequences: its random keys, compiled and run."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from biobert_jax.data.packing import Batch
from biobert_jax.parallel import sharding
from biobert_jax.tasks.task import Arrays, Rows, Shapes, Task

# Separates the random numbers of `prepare` from those of dropout, whose keys
# fold in `row_ids` alone.
_PREPARE_STREAM = 0x70726570


def row_keys(key: jax.Array, row_ids: jax.Array) -> jax.Array:
  """A key for each packed sequence, by its index in the global batch."""
  return jax.vmap(jax.random.fold_in, (None, 0))(key, row_ids)


def prepare_keys(key: jax.Array, row_ids: jax.Array) -> jax.Array:
  """Keys of `Task.prepare`: the same bits for every generator and mesh.

  The first half of a key of the hardware's generator is a threefry key.
  """
  words = jax.random.key_data(key)[..., :2]
  plain = jax.random.wrap_key_data(words, impl='threefry2x32')
  return row_keys(jax.random.fold_in(plain, _PREPARE_STREAM), row_ids)


def lower_eval_step(
  eval_step: Callable[[Any, Arrays], Any],
  mesh: jax.sharding.Mesh,
  param_shardings: Any,
  arguments: tuple[Any, ...],
) -> jax.stages.Lowered:
  """Lowers (params, batch) -> predictions, replicated on every host."""
  rows, whole = sharding.batch_sharding(mesh), sharding.replicated(mesh)
  jitted = jax.jit(
    eval_step, in_shardings=(param_shardings, rows), out_shardings=whole
  )
  return jitted.lower(*arguments)


class Evaluator:
  """An evaluation step, and packed sequences run through it."""

  def __init__(
    self,
    task: Task,
    mesh: jax.sharding.Mesh,
    strategy: str,
    batch_size: int,
    feature_shapes: Callable[[int], Shapes],
  ):
    """Describes the step; its mesh need not exist here until it is compiled.

    The size of a global batch is rounded up to a multiple of the devices.
    """
    shards = mesh.shape[sharding.DATA]
    self.batch_size = -(-batch_size // shards) * shards
    self._task, self._mesh = task, mesh
    self.abstract_params = jax.eval_shape(task.init, jax.random.key(0))
    self._specs = sharding.param_specs(self.abstract_params, strategy, mesh)
    self.param_shardings = sharding.shardings(self._specs, mesh)
    sizes = feature_shapes(self.batch_size).items()
    self._features = {n: jax.ShapeDtypeStruct(s, np.int32) for n, s in sizes}
    self._step: Any = None

  def lower(self) -> jax.stages.Lowered:
    """The step, ready to compile."""
    task, specs, mesh = self._task, self._specs, self._mesh

    def predict(params: Any, batch: Arrays) -> Any:
      params = sharding.gather(params, specs)
      # Every evaluation draws the same random numbers.
      keys = prepare_keys(jax.random.key(0), batch['row_ids'])
      batch = task.prepare(batch, keys)
      return task.predict(task.apply(params, batch), batch)

    # The batch axis is manual, as in training: XLA cannot partition a kernel.
    batch_spec = sharding.batch_sharding(mesh).spec
    eval_step = jax.shard_map(
      predict,
      mesh=mesh,
      in_specs=(sharding.manual_specs(specs), batch_spec),
      out_specs=batch_spec,
      axis_names=sharding.manual_axes(mesh),
      check_vma=False,
    )
    arguments = (self.abstract_params, self._features)
    return lower_eval_step(eval_step, mesh, self.param_shardings, arguments)

  def compile(self) -> 'Evaluator':
    """Itself, ready to run."""
    self._step = self.lower().compile()
    return self

  def run(
    self, params: Any, rows: Rows, advance: Callable[[], None] = lambda: None
  ) -> Iterator[tuple[Batch, dict[str, np.ndarray]]]:
    """Yields every batch of `rows` with its predictions, on every host.

    `advance` is called after each batch; it may raise to stop.
    """

    def dispatch(batch: Batch) -> Any:
      features = {name: batch[name] for name in self._features}
      placed = sharding.shard_global_batch(features, self._mesh)
      return self._step(params, placed)

    yield from one_ahead(dispatch, rows.eval_batches(self.batch_size), advance)


def one_ahead(
  dispatch: Callable[[Batch], Any],
  batches: Iterable[Batch],
  advance: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Batch, Any]]:
  """Yields batches with outputs, read once the next batch is dispatched."""
  pending: tuple[Batch, Any] | None = None
  for batch in batches:
    outputs = dispatch(batch)
    if pending is not None:
      yield pending[0], jax.device_get(pending[1])
    pending = batch, outputs
    advance()
  if pending is not None:
    yield pending[0], jax.device_get(pending[1])
