"""The forward pass: its random keys, lowering and compilation."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh

from biobert_jax.parallel import sharding

Batch = dict[str, jax.Array]
Scalars = dict[str, jax.Array]

# Separates the random numbers of `prepare` from those of dropout, whose keys
# fold in `row_ids` alone.
_PREPARE_STREAM = 0x70726570


def row_keys(key: jax.Array, row_ids: jax.Array) -> jax.Array:
  """A key for each packed sequence, by its index in the global batch."""
  return jax.vmap(jax.random.fold_in, (None, 0))(key, row_ids)


def prepare_keys(key: jax.Array, row_ids: jax.Array) -> jax.Array:
  """Keys of `Task.prepare`: the same bits for every generator and mesh.

  Args:
    key: of the step; the first half of a key of the hardware's generator is a
      threefry key, to which the same is folded in.
    row_ids: [B] index of each packed sequence in the global batch.

  Returns:
    [B] threefry keys.
  """
  words = jax.random.key_data(key)[..., :2]
  plain = jax.random.wrap_key_data(words, impl='threefry2x32')
  return row_keys(jax.random.fold_in(plain, _PREPARE_STREAM), row_ids)


def lower_eval_step(
  eval_step: Callable[[Any, Batch], Any],
  mesh: Mesh,
  param_shardings: Any,
  arguments: tuple[Any, ...],
) -> jax.stages.Lowered:
  """Lowers (params, batch) -> predictions, replicated on every host."""
  rows, whole = sharding.batch_sharding(mesh), sharding.replicated(mesh)
  jitted = jax.jit(
    eval_step, in_shardings=(param_shardings, rows), out_shardings=whole
  )
  return jitted.lower(*arguments)


def compile_eval_step(
  eval_step: Callable[[Any, Batch], Any],
  mesh: Mesh,
  param_shardings: Any,
  arguments: tuple[Any, ...],
) -> Any:
  """Compiles the step ahead of time, for this machine."""
  lowered = lower_eval_step(eval_step, mesh, param_shardings, arguments)
  return lowered.compile()
