"""How benchmark.py times: medians, and a training step to be timed."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from biobert_jax.data.packing import Batch
from biobert_jax.parallel import sharding
from biobert_jax.tasks.task import Task
from biobert_jax.training import optimizer, train_step


def seconds(function: Callable[[], Any], repeats: int = 5) -> float:
  """The median time of a call, after one that warms up."""
  return seconds_of_each([function], repeats)[0]


def seconds_of_each(
  functions: list[Callable[[], Any]], repeats: int = 5
) -> list[float]:
  """The same of several, in turn, so that what else runs slows each alike."""
  times: list[list[float]] = [[] for _ in functions]
  for turn in range(1 + repeats):
    for taken, function in zip(times, functions, strict=True):
      began = time.perf_counter()
      function()
      if turn:
        taken.append(time.perf_counter() - began)
  return [float(np.median(taken)) for taken in times]


def step_of(task: Task, batch: Batch) -> Callable[[], None]:
  """A call that takes a training step of a task, already compiled.

  Args:
    task: what is trained, from random weights, with BERT's optimizer.
    batch: what every step is taken on.
  """
  mesh = sharding.make_mesh('dp', 1)
  adam = optimizer.make(
    'adamw',
    optimizer.schedule(1e-4, 100, 10),
    b1=0.9,
    b2=0.999,
    eps=1e-6,
    weight_decay=0.01,
    clip_norm=1.0,
    bias_correction=True,
  )
  abstract = train_step.abstract_state(task.init, adam)
  layout = sharding.make_layout(abstract.params, 'dp', mesh)
  of_state = train_step.state_specs(abstract, adam, layout)
  shardings = sharding.shardings(of_state, mesh)
  key = jax.random.key(0)
  step = train_step.make_train_step(
    task, adam, mesh, layout, train_step.StepOptions()
  )
  placed = sharding.shard_host_batch(batch, mesh)
  now = train_step.create_state(task.init, adam, key, shardings)
  arguments = (now, placed, key)
  compiled = train_step.compile_train_step(step, mesh, shardings, arguments)

  def once() -> None:
    nonlocal now
    now, _ = compiled(now, placed, key)
    jax.block_until_ready(now)

  return once
