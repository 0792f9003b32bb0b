"""The part of benchmark.py that trains several models at once.

Both sides take the same steps of the same small models, each with its own
rows, seed and learning rate: stacked in one program, or one after another,
each in its own. On one device, that is: on a slice each device has its own
models, and the stack is faster by as many devices as there are.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from biobert_jax.data.packing import FEATURES, PackedRows
from biobert_jax.models.config import BertConfig
from biobert_jax.parallel import sharding
from biobert_jax.tasks import ner
from biobert_jax.training import optimizer, stack, train_step
from scripts.benchmark_timing import seconds_of_each

RUNS, ROWS = 8, 8


def _adam(rate: optax.Schedule) -> optax.GradientTransformation:
  return optimizer.make(
    'adamw',
    rate,
    b1=0.9,
    b2=0.999,
    eps=1e-6,
    weight_decay=0.01,
    clip_norm=1.0,
    bias_correction=True,
  )


class _Models:
  """Eight taggers: their steps, in one program or in eight."""

  def __init__(self, rows: PackedRows, vocab_size: int):
    self._task = ner.make_task(
      BertConfig.tiny().replace(vocab_size=vocab_size), ('O', 'B', 'I')
    )
    self._batches = [
      {name: rows.train_batch(i, ROWS)[name] for name in FEATURES}
      for i in range(RUNS)
    ]
    self._keys = jax.vmap(jax.random.key)(np.arange(RUNS))
    self._rates = jnp.linspace(1e-5, 1e-4, RUNS)
    self._adam = _adam(optimizer.schedule(1e-4, 1000, 100))
    one = train_step.abstract_state(self._task.init, self._adam)
    self._one = one

  def _layout(self, mesh: jax.sharding.Mesh) -> tuple[Any, Any]:
    layout = sharding.layout_of(self._one.params, 'dp', mesh)
    return layout, train_step.state_specs(self._one, self._adam, layout)

  def alone(self) -> list[Callable[[], None]]:
    """The step of each model; one compilation, of which each run has its own.

    Where runs are separate, so are their compilations.
    """
    mesh = sharding.make_mesh('dp', 1, jax.devices()[:1])
    layout, of_state = self._layout(mesh)
    shardings = sharding.shardings(of_state, mesh)
    step = train_step.make_train_step(
      self._task, self._adam, mesh, layout, train_step.StepOptions()
    )
    arguments = (self._one, self._batches[0], self._keys[0])
    compiled = train_step.compile_train_step(step, mesh, shardings, arguments)
    steps = []
    for key, batch in zip(self._keys, self._batches, strict=True):
      now = train_step.create_state(self._task.init, self._adam, key, shardings)
      placed = sharding.place_whole(batch, mesh)
      steps.append(_repeated(compiled, now, placed, key))
    return steps

  def stacked(self) -> Callable[[], None]:
    """The step of all of them, compiled."""
    mesh = sharding.make_stack_mesh(RUNS, ROWS, 1, jax.devices()[:1])
    layout, of_state = self._layout(mesh)
    shardings = stack.stack_shardings(of_state, mesh)
    steps = jnp.full(RUNS, 1000)
    recipe = stack.Recipe(self._keys, self._rates, steps, steps // 10)

    def step_of(recipe: stack.Recipe) -> stack.Step:
      adam = _adam(optimizer.schedule(*recipe[1:]))
      return train_step.make_train_step(
        self._task, adam, mesh, layout, train_step.StepOptions()
      )

    batch = sharding.place_whole(
      {n: np.stack([b[n] for b in self._batches]) for n in FEATURES}, mesh
    )
    now = stack.create_stack(
      *(self._task.init, self._adam, self._keys, shardings)
    )
    compiled = train_step.compile_train_step(
      stack.make_stacked_step(step_of), mesh, shardings, (now, batch, recipe)
    )
    return _repeated(compiled, now, batch, recipe)


def _repeated(
  compiled: Any, now: Any, batch: Any, more: Any
) -> Callable[[], None]:
  def once() -> None:
    nonlocal now
    now, _ = compiled(now, batch, more)
    jax.block_until_ready(now)

  return once


def time_stack(rows: PackedRows, vocab_size: int) -> dict[str, float]:
  """Steps of eight models a second; peer: the same, one after another.

  Args:
    rows: of sentences, packed.
    vocab_size: of their pieces.
  """
  models = _Models(rows, vocab_size)
  began = time.perf_counter()
  together = models.stacked()
  compiled = time.perf_counter()
  each = models.alone()
  ended = time.perf_counter()

  def one_after_another() -> None:
    for step in each:
      step()

  ours, peer = seconds_of_each([together, one_after_another])
  return {
    'ours_seconds_a_step_of_all': ours,
    'peer_seconds_a_step_of_all': peer,
    'ratio': peer / ours,
    'ours_seconds_to_compile': compiled - began,
    'peer_seconds_to_compile_each': ended - compiled,
  }
