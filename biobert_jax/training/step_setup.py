"""The optimizer and the training step that a config describes."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from biobert_jax.errors import InputError
from biobert_jax.parallel import sharding
from biobert_jax.tasks.task import Task
from biobert_jax.training import optimizer, train_step
from biobert_jax.training.plan import Plan
from biobert_jax.training.train_step import StepOptions, TrainState


def make_optimizer(
  config: ConfigDict, plan: Plan
) -> tuple[optax.Schedule, optax.GradientTransformation]:
  """The learning rate and the optimizer that a config describes."""
  optim = config.optim
  learning_rate = optimizer.schedule(
    optim.learning_rate,
    plan.num_steps,
    plan.warmup_steps,
    optim.reference_jump,
  )
  return learning_rate, optimizer.make(
    optim.name,
    learning_rate,
    b1=optim.b1,
    b2=optim.b2,
    eps=optim.eps,
    weight_decay=optim.weight_decay,
    clip_norm=optim.clip_norm,
    bias_correction=optim.bias_correction,
  )


def step_options(config: ConfigDict, platform: str) -> StepOptions:
  """The options of a config's steps.

  Args:
    config: the experiment.
    platform: the platform that the step will run on: 'cpu', 'tpu', ….

  Raises:
    InputError: a gradient reduction, or attention, that it cannot do.
  """
  if config.compute.attention == 'splash_attention' and platform not in (
    'tpu',
    'cpu',
  ):
    raise InputError(
      'compute.attention=splash_attention is a kernel for TPUs, and these '
      f'devices are {platform}; use --config.compute.attention=einsum'
    )
  reduce_dtype = config.compute.reduce_dtype
  if reduce_dtype != 'float32' and platform == 'cpu':
    raise InputError(
      f'compute.reduce_dtype is {reduce_dtype}, which XLA cannot sum on a CPU; '
      'use --config.compute.reduce_dtype=float32'
    )
  return StepOptions(
    config.accumulate, reduce_dtype, config.optim.skip_norm or math.inf
  )


class Step(NamedTuple):
  """A training step by its shapes, before it is compiled.

  Attributes:
    abstract: shapes of the state.
    shardings: how the state lies on the mesh.
    pure_step: (state, batch, key) -> (state, metrics).
    mesh: where it runs.
    arguments: shapes of the state, the batch and the key.
  """

  abstract: TrainState
  shardings: TrainState
  pure_step: Callable[..., Any]
  mesh: jax.sharding.Mesh
  arguments: tuple[Any, ...]

  @property
  def lowering(self) -> tuple[Any, ...]:
    """The arguments of `train_step.compile_train_step`."""
    return self.pure_step, self.mesh, self.shardings, self.arguments


def step_of(
  config: ConfigDict,
  task: Task,
  optimizer: optax.GradientTransformation,
  mesh: jax.sharding.Mesh,
  shapes: dict[str, tuple[int, ...]],
) -> Step:
  """The training step of a config on a mesh, which need not exist here.

  Args:
    config: the experiment.
    task: its pure half.
    optimizer: see `make_optimizer`.
    mesh: devices, or descriptions of them.
    shapes: of the arrays of a global batch.

  Returns:
    The step.

  Raises:
    InputError: a layout or a sum that these devices cannot do.
  """
  options = step_options(config, mesh.devices.flat[0].platform)
  # Shapes first, so that parameters are born sharded.
  abstract = train_step.abstract_state(task.init, optimizer)
  layout = sharding.make_layout(abstract.params, config.mesh.strategy, mesh)
  shardings = sharding.shardings(
    train_step.state_specs(abstract, optimizer, layout), mesh
  )
  batch = {
    name: jax.ShapeDtypeStruct(shape, np.int32)
    for name, shape in shapes.items()
  }
  key = jax.eval_shape(lambda: step_key(config))
  pure_step = train_step.make_train_step(task, optimizer, mesh, layout, options)
  return Step(abstract, shardings, pure_step, mesh, (abstract, batch, key))


def step_key(config: ConfigDict) -> jax.Array:
  """The key that every step folds its number into."""
  return jax.random.key(config.seed, impl=config.compute.rng)
