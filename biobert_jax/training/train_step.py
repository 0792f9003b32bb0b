"""The state of training, and the step that changes it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from biobert_jax.parallel import sharding
from biobert_jax.tasks.forward import Batch, Scalars, prepare_keys, row_keys


class TrainState(NamedTuple):
  """All that changes from step to step.

  Attributes:
    step: int32 [], steps done, those that were skipped among them.
    params: parameter tree.
    opt_state: the optimizer's.
    skipped: int32 [2], steps that changed nothing: in all, and in a row
      up to now.
  """

  step: jax.Array
  params: Any
  opt_state: optax.OptState
  skipped: jax.Array


@dataclasses.dataclass(frozen=True)
class StepOptions:
  """How a step is taken.

  Attributes:
    accumulate: microbatches a step.
    reduce_dtype: in which gradients are summed over devices.
    skip_norm: a gradient of a larger global norm, or one that is not
      finite, changes nothing.
  """

  accumulate: int = 1
  reduce_dtype: str = 'float32'
  skip_norm: float = math.inf


class Objective(Protocol):
  """The part of a task that the step needs; pure functions of arrays."""

  def prepare(self, batch: Batch, keys: jax.Array) -> Batch:
    """The batch as the model sees it; a key for each row."""

  def apply(
    self, params: Any, batch: Batch, dropout_keys: jax.Array | None
  ) -> Any:
    """The model's outputs for a prepared batch."""

  def normalizers(self, batch: Batch) -> Scalars:
    """The divisor of each sum, from the prepared batch alone."""

  def sums(self, outputs: Any, batch: Batch) -> Scalars:
    """Sums of each loss and metric; those of `losses` make the objective."""

  @property
  def losses(self) -> tuple[str, ...]:
    """Names of the sums that are minimised."""


def abstract_state(
  init: Callable[[jax.Array], Any], optimizer: optax.GradientTransformation
) -> TrainState:
  """Shapes of a new state, without computing it."""
  return jax.eval_shape(lambda: new_state(init(jax.random.key(0)), optimizer))


def new_state(
  params: Any, optimizer: optax.GradientTransformation
) -> TrainState:
  """The state before the first step."""
  return TrainState(
    jnp.zeros([], jnp.int32),
    params,
    optimizer.init(params),
    jnp.zeros([2], jnp.int32),
  )


def state_specs(
  state: TrainState,
  optimizer: optax.GradientTransformation,
  layout: sharding.Layout,
) -> TrainState:
  """Partition specs of a state."""
  optimizer_specs = optax.tree.map_params(
    optimizer,
    lambda _, spec: spec,
    state.opt_state,
    layout.moments,
    transform_non_params=lambda _: P(),
  )
  return TrainState._make([P(), layout.params, optimizer_specs, P()])


def create_state(
  init: Callable[[jax.Array], Any],
  optimizer: optax.GradientTransformation,
  key: jax.Array,
  state_shardings: TrainState,
) -> TrainState:
  """A new state whose parameters are born where they will lie.

  Args:
    init: key -> parameters.
    optimizer: the optimizer.
    key: of the random start.
    state_shardings: NamedShardings of the state.

  Returns:
    The state at step 0.
  """
  build = jax.jit(
    lambda key: new_state(init(key), optimizer),
    out_shardings=state_shardings,
  )
  return build(key)


def _microbatches(batch: Batch, accumulate: int) -> Batch:
  return jax.tree.map(
    lambda x: x.reshape(accumulate, x.shape[0] // accumulate, *x.shape[1:]),
    batch,
  )


def make_train_step(
  objective: Objective,
  optimizer: optax.GradientTransformation,
  mesh: Mesh,
  layout: sharding.Layout,
  options: StepOptions,
) -> Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Scalars]]:
  """Builds the pure training step.

  Gradients run in `shard_map` over `data`: each device sums those of its own
  rows over all microbatches, then one reduction joins them. Parameters that
  are sharded over `data` are gathered once before and their gradients
  scattered once after, so one step serves every strategy.

  Args:
    objective: the task's part.
    optimizer: turns gradients into updates.
    mesh: the mesh.
    layout: of parameters and moments.
    options: how.

  Returns:
    (state, global batch, key) -> (new state, metrics). Metrics are global
    means: those of `sums`; 'loss', the sum of the losses; `grad_norm` before
    clipping; and how many steps were skipped, in all and in a row.
  """
  accumulate = options.accumulate

  def local_gradients(
    params: Any, batch: Batch, key: jax.Array
  ) -> tuple[Any, Scalars]:
    params = sharding.gather(params, layout.params)
    batch = objective.prepare(batch, prepare_keys(key, batch['row_ids']))
    totals = jax.lax.psum(objective.normalizers(batch), sharding.DATA)
    # An all-padding batch has no weight: its loss and gradients are 0.
    totals = jax.tree.map(lambda w: jnp.maximum(w, 1.0), totals)

    def loss(params: Any, part: Batch) -> tuple[jax.Array, Scalars]:
      keys = row_keys(key, part['row_ids'])
      sums = objective.sums(objective.apply(params, part, keys), part)
      means = {name: sums[name] / totals[name] for name in sums}
      total = sum(means[name] for name in objective.losses)
      return jnp.asarray(total), means

    gradient = jax.grad(loss, has_aux=True)
    if accumulate == 1:
      grads, means = gradient(params, batch)
    else:

      def add(total: Any, part: Batch) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, gradient(params, part)), None

      parts = _microbatches(batch, accumulate)
      one = jax.tree.map(lambda x: x[0], parts)
      shapes = jax.eval_shape(gradient, params, one)
      zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
      (grads, means), _ = jax.lax.scan(add, zeros, parts)
    means = jax.lax.psum(means, sharding.DATA)
    summed = sharding.reduce_gradients(
      grads, layout.moments, options.reduce_dtype
    )
    return summed, means

  param_specs, gradient_specs = map(sharding.manual_specs, layout)
  update_shardings = sharding.shardings(layout.moments, mesh)
  gradients = jax.shard_map(
    local_gradients,
    mesh=mesh,
    in_specs=(param_specs, P(sharding.DATA), P()),
    out_specs=(gradient_specs, P()),
    axis_names=sharding.manual_axes(mesh),
    check_vma=False,
  )

  def train_step(
    state: TrainState, batch: Batch, key: jax.Array
  ) -> tuple[TrainState, Scalars]:
    step_key = jax.random.fold_in(key, state.step)
    grads, metrics = gradients(state.params, batch, step_key)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    if layout.moments != layout.params:
      # New ones are computed where their moments lie, then gathered.
      params = jax.lax.with_sharding_constraint(params, update_shardings)
    metrics['loss'] = sum(
      (metrics[name] for name in objective.losses), jnp.zeros([])
    )
    norm = metrics['grad_norm'] = optax.tree.norm(grads)
    # A bad step leaves parameters and moments as they are, bit for bit.
    good = jnp.isfinite(metrics['loss']) & jnp.isfinite(norm)
    good &= norm <= options.skip_norm
    skipped = state.skipped + 1
    skipped = jnp.where(good, state.skipped * jnp.asarray([1, 0]), skipped)
    metrics['skipped_steps'], metrics['skipped_in_a_row'] = skipped
    new, old = (params, opt_state), (state.params, state.opt_state)
    params, opt_state = jax.tree.map(
      lambda new, old: jnp.where(good, new, old), new, old
    )
    return TrainState(state.step + 1, params, opt_state, skipped), metrics

  return train_step


def lower_train_step(
  train_step: Callable[..., Any],
  mesh: Mesh,
  state_shardings: TrainState,
  arguments: tuple[Any, ...],
) -> jax.stages.Lowered:
  """Makes the step ready to compile; the old state's memory is reused.

  Once compiled, it refuses other shapes: no step can compile again.
  """
  rows, whole = sharding.batch_sharding(mesh), sharding.replicated(mesh)
  jitted = jax.jit(
    train_step,
    in_shardings=(state_shardings, rows, whole),
    out_shardings=(state_shardings, whole),
    donate_argnums=0,
  )
  return jitted.lower(*arguments)


def compile_train_step(
  train_step: Callable[..., Any],
  mesh: Mesh,
  state_shardings: TrainState,
  arguments: tuple[Any, ...],
) -> Any:
  """Compiles the step ahead of time, for the machine at hand."""
  lowered = lower_train_step(train_step, mesh, state_shardings, arguments)
  return lowered.compile()
