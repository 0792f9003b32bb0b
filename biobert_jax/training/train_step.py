"""The state of training, and the step that changes it."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from biobert_jax.errors import InputError
from biobert_jax.parallel import sharding
from biobert_jax.tasks.evaluator import prepare_keys, row_keys
from biobert_jax.tasks.task import Arrays, Shapes, Task


class TrainState(NamedTuple):
  """All that changes from step to step."""

  step: jax.Array  # int32 [], steps done, those that were skipped among them.
  params: Any
  opt_state: optax.OptState
  skipped: jax.Array  # int32 [2], no change: in all, and in a row up to now.


class StepOptions(NamedTuple):
  """How a step is taken."""

  accumulate: int = 1  # Microbatches a step.
  reduce_dtype: str = 'float32'  # In which gradients are summed over devices.
  skip_norm: float = math.inf  # A larger gradient, or NaN, changes nothing.


def abstract_state(
  init: Callable[[jax.Array], Any], optimizer: optax.GradientTransformation
) -> TrainState:
  """Shapes of a new state, without computing it."""
  return jax.eval_shape(lambda: _new_state(init(jax.random.key(0)), optimizer))


def _new_state(
  params: Any, optimizer: optax.GradientTransformation
) -> TrainState:
  step, skipped = jnp.zeros([], jnp.int32), jnp.zeros([2], jnp.int32)
  return TrainState(step, params, optimizer.init(params), skipped)


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
  """A new state, by a random key; parameters are born where they will lie."""
  build = jax.jit(
    lambda key: _new_state(init(key), optimizer), out_shardings=state_shardings
  )
  return build(key)


def make_train_step(
  task: Task,
  optimizer: optax.GradientTransformation,
  mesh: Mesh,
  layout: sharding.Layout,
  options: StepOptions,
) -> Callable[[TrainState, Arrays, jax.Array], tuple[TrainState, Arrays]]:
  """Builds the pure training step.

  Gradients run in `shard_map`: each device sums those of its own rows over all
  microbatches, then one reduction joins them. Parameters sharded over `data`
  are gathered once before and their gradients scattered once after, so one step
  serves every strategy.

  Returns:
    (state, global batch, key) -> (new state, metrics). Metrics are global
    means: those of `sums`; 'loss', the sum of the losses; `grad_norm` before
    clipping; and how many steps were skipped, in all and in a row.
  """
  accumulate = options.accumulate

  def local_gradients(
    params: Any, batch: Arrays, key: jax.Array
  ) -> tuple[Any, Arrays]:
    params = sharding.gather(params, layout.params)
    batch = task.prepare(batch, prepare_keys(key, batch['row_ids']))
    totals = jax.lax.psum(task.normalizers(batch), sharding.DATA)
    # An all-padding batch has no weight: its loss and gradients are 0.
    totals = jax.tree.map(lambda w: jnp.maximum(w, 1.0), totals)

    def loss(params: Any, part: Arrays) -> tuple[jax.Array, Arrays]:
      keys = row_keys(key, part['row_ids'])
      sums = task.sums(task.apply(params, part, keys), part)
      means = {name: sums[name] / totals[name] for name in sums}
      total = sum(means[name] for name in task.losses)
      return jnp.asarray(total), means

    gradient = jax.grad(loss, has_aux=True)
    if accumulate == 1:
      grads, means = gradient(params, batch)
    else:

      def add(total: Any, part: Arrays) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, gradient(params, part)), None

      parts = jax.tree.map(
        lambda x: x.reshape(accumulate, -1, *x.shape[1:]), batch
      )
      one = jax.tree.map(lambda x: x[0], parts)
      shapes = jax.eval_shape(gradient, params, one)
      zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
      (grads, means), _ = jax.lax.scan(add, zeros, parts)
    means = jax.lax.psum(means, sharding.DATA)
    dtype = options.reduce_dtype
    return sharding.reduce_gradients(grads, layout.moments, dtype), means

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
    state: TrainState, batch: Arrays, key: jax.Array
  ) -> tuple[TrainState, Arrays]:
    step_key = jax.random.fold_in(key, state.step)
    grads, metrics = gradients(state.params, batch, step_key)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    if layout.moments != layout.params:
      # New ones are computed where their moments lie, then gathered.
      params = jax.lax.with_sharding_constraint(params, update_shardings)
    parts = (metrics[name] for name in task.losses)
    metrics['loss'] = sum(parts, jnp.zeros([]))
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
  """Makes the step ready to compile; the old state's memory is reused."""
  rows, whole = sharding.batch_sharding(mesh), sharding.replicated(mesh)
  jitted = jax.jit(
    train_step,
    in_shardings=(state_shardings, rows, whole),
    out_shardings=(state_shardings, whole),
    donate_argnums=0,
  )
  return jitted.lower(*arguments)


class Step(NamedTuple):
  """A training step by its shapes, before it is compiled."""

  abstract: TrainState
  shardings: TrainState
  lowering: tuple[Any, ...]  # The arguments of `lower_train_step`.


def step_of(
  config: ConfigDict,
  task: Task,
  optimizer: optax.GradientTransformation,
  mesh: Mesh,
  shapes: Shapes,
) -> Step:
  """The step of a config, for a global batch on a mesh, here or elsewhere."""
  options = step_options(config, mesh.devices.flat[0].platform)
  # Shapes first, so that parameters are born sharded.
  abstract = abstract_state(task.init, optimizer)
  layout = sharding.make_layout(abstract.params, config.mesh.strategy, mesh)
  specs = state_specs(abstract, optimizer, layout)
  shardings = sharding.shardings(specs, mesh)
  batch = {n: jax.ShapeDtypeStruct(s, np.int32) for n, s in shapes.items()}
  key = jax.eval_shape(lambda: step_key(config))
  step = make_train_step(task, optimizer, mesh, layout, options)
  lowering = (step, mesh, shardings, (abstract, batch, key))
  return Step(abstract, shardings, lowering)


def step_options(config: ConfigDict, platform: str) -> StepOptions:
  """The options of a config's steps, if a platform ('cpu', …) has them."""
  splash = config.compute.attention == 'splash_attention'
  if splash and platform not in ('tpu', 'cpu'):
    raise InputError(
      'compute.attention=splash_attention is a kernel for TPUs, and these '
      f'devices are {platform}; use --config.compute.attention=einsum'
    )
  dtype = config.compute.reduce_dtype
  if dtype != 'float32' and platform == 'cpu':
    what = f'compute.reduce_dtype is {dtype}, which XLA cannot sum on a CPU'
    raise InputError(f'{what}; use --config.compute.reduce_dtype=float32')
  skip_norm = config.optim.skip_norm or math.inf
  return StepOptions(config.accumulate, dtype, skip_norm)


def step_key(config: ConfigDict) -> jax.Array:
  """The key that every step folds its number into."""
  return jax.random.key(config.seed, impl=config.compute.rng)
