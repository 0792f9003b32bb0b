"""The forward pass: random keys of its rows, lowering and compiling it."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh

from biobert_jax.parallel import sharding

Batch = dict[str, jax.Array]


Scalars = dict[str, jax.Array]


# Tells the random numbers of `prepare` from those of dropout, which fold in
# the index of a row alone.
_PREPARE_STREAM = 0x70726570


def row_keys(key: jax.Array, row_ids: jax.Array) -> jax.Array:
  """A key for each row, by its index in the global batch."""
  return jax.vmap(jax.random.fold_in, (None, 0))(key, row_ids)


def prepare_keys(key: jax.Array, row_ids: jax.Array) -> jax.Array:
  """Keys of `Objective.prepare`: the same bits for every generator and mesh.

  Args:
    key: of the step; the hardware's generator keeps a threefry key in the
      first half of its own, which is folded alike.
    row_ids: [B] index of each row.

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
  """Makes (params, batch) -> predictions, whole on every host, ready."""
  rows, whole = sharding.by_rows(mesh), sharding.replicated(mesh)
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
  """Compiles the step ahead of time, for the machine at hand."""
  lowered = lower_eval_step(eval_step, mesh, param_shardings, arguments)
  return lowered.compile()
