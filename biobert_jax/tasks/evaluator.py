"""The compiled evaluation step, run over packed sequences."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from biobert_jax.data.packing import Batch
from biobert_jax.parallel import sharding
from biobert_jax.tasks import forward
from biobert_jax.tasks.task import Rows, Task

Shapes = Callable[[int], dict[str, tuple[int, ...]]]


@dataclasses.dataclass(frozen=True)
class EvalStep:
  """An evaluation step for a mesh, whose devices need not exist here.

  Attributes:
    batch_size: packed sequences of a global batch.
    features: names of the arrays that the step takes.
    param_shardings: of the parameters.
    lowering: arguments of `forward.lower_eval_step`; the last one is
      (parameters, batch) as shapes.
  """

  batch_size: int
  features: tuple[str, ...]
  param_shardings: Any
  lowering: tuple[Any, ...]

  @classmethod
  def of(
    cls,
    task: Task,
    mesh: jax.sharding.Mesh,
    strategy: str,
    batch_size: int,
    feature_shapes: Shapes,
  ) -> 'EvalStep':
    """The step of a task; it takes the arguments of `Evaluator`."""
    shards = mesh.shape[sharding.DATA]
    rows = -(-batch_size // shards) * shards
    abstract_params = jax.eval_shape(task.init, jax.random.key(0))
    specs = sharding.param_specs(abstract_params, strategy, mesh)
    param_shardings = sharding.shardings(specs, mesh)
    batch = {
      name: jax.ShapeDtypeStruct(shape, np.int32)
      for name, shape in feature_shapes(rows).items()
    }

    def predict(params: Any, batch: forward.Batch) -> Any:
      params = sharding.gather(params, specs)
      # Every evaluation draws the same random numbers.
      keys = forward.prepare_keys(jax.random.key(0), batch['row_ids'])
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
    arguments = (abstract_params, batch)
    lowering = (eval_step, mesh, param_shardings, arguments)
    return cls(rows, tuple(batch), param_shardings, lowering)


class Evaluator:
  """A compiled evaluation step, ready to run over packed sequences."""

  def __init__(
    self,
    task: Task,
    mesh: jax.sharding.Mesh,
    strategy: str,
    batch_size: int,
    feature_shapes: Shapes,
  ):
    """Compiles the step.

    Args:
      task: the task.
      mesh: the devices.
      strategy: how parameters are sharded.
      batch_size: packed sequences of a global batch; rounded up to a multiple
        of the devices.
      feature_shapes: batch size -> shape of each array of a batch.
    """
    step = EvalStep.of(task, mesh, strategy, batch_size, feature_shapes)
    self.batch_size = step.batch_size
    self._mesh = mesh
    self.param_shardings = step.param_shardings
    self._features = step.features
    self._step = forward.compile_eval_step(*step.lowering)
    self.abstract_params = step.lowering[-1][0]

  def run(
    self,
    params: Any,
    rows: Rows,
    advance: Callable[[], None] = lambda: None,
  ) -> Iterator[tuple[Batch, dict[str, np.ndarray]]]:
    """Yields every batch of `rows` with its predictions, on every host.

    Args:
      params: parameters, sharded by `param_shardings`.
      rows: the packed sequences.
      advance: called after each batch; it may raise to stop.

    Yields:
      (batch, predictions) with arrays [batch_size, L].
    """

    def dispatch(batch: Batch) -> Any:
      features = {name: batch[name] for name in self._features}
      return self._step(
        params, sharding.shard_global_batch(features, self._mesh)
      )

    batches = rows.eval_batches(self.batch_size)
    yield from one_ahead(dispatch, batches, advance)


def one_ahead(
  dispatch: Callable[[Batch], Any],
  batches: Iterable[Batch],
  advance: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Batch, Any]]:
  """Yields every batch with its outputs, and keeps the device busy.

  The next batch is dispatched before the outputs of the last are read.

  Args:
    dispatch: a batch -> arrays on the device.
    batches: the batches.
    advance: called after each batch; it may raise to stop.

  Yields:
    (batch, its arrays on the host).
  """
  pending: tuple[Batch, Any] | None = None
  for batch in batches:
    outputs = dispatch(batch)
    if pending is not None:
      yield pending[0], jax.device_get(pending[1])
    pending = batch, outputs
    advance()
  if pending is not None:
    yield pending[0], jax.device_get(pending[1])
