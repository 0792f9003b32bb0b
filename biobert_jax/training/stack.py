"""Several small models in one program: the step of `train_step.py`, vmapped.

All arrays of a stacked state have a first axis, the model, cut over the mesh
axis of runs; only `step` is one number, since all models step together. Each
has its own rows, its own dropout and its own learning rate. A model whose run
is over takes steps of rate 0, which change no parameter.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax.sharding import Mesh

from biobert_jax.parallel import sharding
from biobert_jax.tasks.forward import Batch, Scalars
from biobert_jax.training import train_step
from biobert_jax.training.train_step import TrainState

# Where the axis of models lies, in a tree of `vmap`'s kind.
_AXES = TrainState._make([None, 0, 0, 0])

Step = Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Scalars]]


class Recipe(NamedTuple):
  """What may differ between models of a stack, besides their rows.

  Attributes:
    key: of dropout, [R].
    learning_rate: float32 [R], the peak.
    num_steps: int32 [R], of the whole run.
    warmup_steps: int32 [R].
  """

  key: jax.Array
  learning_rate: jax.Array
  num_steps: jax.Array
  warmup_steps: jax.Array


def make_stacked_step(
  step_of: Callable[[Recipe], Step],
) -> Callable[[TrainState, Batch, Recipe], tuple[TrainState, Scalars]]:
  """Builds the step of a stack.

  Args:
    step_of: the recipe of one model (scalars) -> its step, of
      `state.make_train_step`, on a mesh of `sharding.make_stack_mesh`.

  Returns:
    (stacked state, batches [R, B, ...], recipes [R]) -> (new state, metrics,
    each [R]).
  """

  def step(
    now: TrainState, batch: Batch, recipe: Recipe
  ) -> tuple[TrainState, Scalars]:
    return step_of(recipe)(now, batch, recipe.key)

  return jax.vmap(
    step,
    in_axes=(_AXES, 0, 0),
    out_axes=(_AXES, 0),
    spmd_axis_name=sharding.RUNS,
  )


def _new_stack(
  init: Callable[[jax.Array], Any], optimizer: optax.GradientTransformation
) -> Callable[[jax.Array], TrainState]:
  return jax.vmap(
    lambda key: train_step.new_state(init(key), optimizer), out_axes=_AXES
  )


def abstract_stack(
  init: Callable[[jax.Array], Any],
  optimizer: optax.GradientTransformation,
  keys: jax.Array,
) -> TrainState:
  """Shapes of a new stacked state."""
  return jax.eval_shape(_new_stack(init, optimizer), keys)


def stack_shardings(specs: TrainState, mesh: Mesh) -> TrainState:
  """NamedShardings of a stacked state.

  Args:
    specs: of the state of one model, `state.state_specs`.
    mesh: of `sharding.make_stack_mesh`.
  """
  stacked = sharding.stacked(specs)._replace(step=specs.step)
  return sharding.shardings(stacked, mesh)


def create_stack(
  init: Callable[[jax.Array], Any],
  optimizer: optax.GradientTransformation,
  keys: jax.Array,
  shardings: TrainState,
) -> TrainState:
  """A new stacked state; model i starts as its own run would from key i."""
  return jax.jit(_new_stack(init, optimizer), out_shardings=shardings)(keys)


def make_take(mesh: Mesh) -> Callable[[Any, int], Any]:
  """A function (stacked tree, i) -> the tree of model i, on every device."""

  def take(tree: Any, index: int) -> Any:
    return jax.tree.map(
      lambda x: jax.lax.dynamic_index_in_dim(x, index, keepdims=False), tree
    )

  return jax.jit(take, out_shardings=sharding.replicated(mesh))
