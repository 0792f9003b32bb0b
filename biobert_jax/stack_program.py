"""The compiled half of a stack of runs: its state, its step, its scores."""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from biobert_jax.data import input_pipeline
from biobert_jax.data.packing import Batch
from biobert_jax.parallel import sharding
from biobert_jax.tasks import forward
from biobert_jax.tasks.evaluator import Evaluator
from biobert_jax.tasks.task import Rows
from biobert_jax.training import (
  init_weights,
  optimizer,
  stack,
  step_setup,
  train_step,
)
from biobert_jax.training import plan as training_plan
from biobert_jax.training.experiment import Experiment
from biobert_jax.training.run_guard import RunGuard

# Fraction of a device's memory that a stack may take, by estimate.
_FILLED = 0.8
# The machine's memory is not ours alone.
_CPU_SHARE = 4


def train_rows(experiment: Experiment) -> Rows:
  """The rows that a run trains on."""
  return experiment.dataset.rows(experiment.config.data.train_split)


def _bytes_of(experiment: Experiment) -> float:
  """Bytes that training one model takes, about.

  Parameters, moments, gradients, updates and the new state are six times the
  parameters. Activations of a layer are those of Korthikanti et al. 2022
  (arXiv:2205.05198, section 4.1), L·(34·D + 5·H·L) a row in 16 bits.
  """
  bert, config = experiment.bert, experiment.config
  shapes = jax.eval_shape(experiment.task.init, jax.random.key(0))
  params = sum(4 * math.prod(x.shape) for x in jax.tree.leaves(shapes))
  length = train_rows(experiment).max_seq_length
  a_row = length * (
    34 * bert.hidden_size + 5 * bert.num_attention_heads * length
  )
  rows = config.batch_size // config.accumulate
  width = np.dtype(bert.dtype).itemsize / 2
  return 6 * params + bert.num_hidden_layers * rows * a_row * width


def most_at_once(experiment: Experiment) -> int:
  """How many models like one fit the memory of all devices, at least one."""
  device = jax.local_devices()[0]
  # A CPU does not say: all its devices share the machine's memory.
  stats = device.memory_stats() or {}
  memory = stats.get('bytes_limit') or (
    os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _CPU_SHARE
  )
  each = int(_FILLED * memory / _bytes_of(experiment))
  shared = 'bytes_limit' not in stats
  return max(1, each) * (1 if shared else jax.device_count())


class StackedRows:
  """The batches of several runs, one upon another."""

  def __init__(self, rows: Sequence[Rows]):
    """Takes the rows of each run, whose batches have the same shapes."""
    self._rows = rows

  def feature_shapes(self, batch_size: int) -> dict[str, tuple[int, ...]]:
    """Shapes of what the device needs of a batch, int32 each."""
    shapes = self._rows[0].feature_shapes(batch_size)
    return {name: (len(self._rows), *s) for name, s in shapes.items()}

  def train_batch(
    self, step: int, batch_size: int, host: int = 0, hosts: int = 1
  ) -> Batch:
    """The batches [R, B, ...] of a step, each as its run alone would see it."""
    each = [r.train_batch(step, batch_size, host, hosts) for r in self._rows]
    names = self.feature_shapes(batch_size)
    return {name: np.stack([one[name] for one in each]) for name in names}


class StackProgram:
  """Runs that step together.

  Attributes:
    now: the stacked state.
    step: how many steps are done.
    plans: of each run.
    num_steps: of the longest run.
    evaluator: scores the parameters of one run, on all devices.
    abstract_params: shapes of the parameters of one run.
  """

  def __init__(self, runs: Sequence[Experiment], watch: RunGuard):
    """Compiles; restores the state, or makes a new one.

    Args:
      runs: of equal `stacked.program_of`.
      watch: over the stack.
    """
    config, task = runs[0].config, runs[0].task
    self._first, self._watch = runs[0], watch
    self._mesh = sharding.make_stack_mesh(
      len(runs), config.batch_size, config.accumulate
    )
    self.plans = [
      training_plan.Plan.of(e.config, train_rows(e).num_rows) for e in runs
    ]
    # Devices are filled evenly: the surplus repeats the last run, unread.
    surplus = -len(runs) % self._mesh.shape[sharding.RUNS]
    runs = [*runs, *[runs[-1]] * surplus]
    plans = [*self.plans, *[self.plans[-1]] * surplus]
    self.num_steps = max(plan.num_steps for plan in self.plans)
    self._rows = StackedRows([train_rows(experiment) for experiment in runs])
    self._recipe = _recipe(runs, plans)
    _, plain = step_setup.make_optimizer(config, plans[0])
    one = train_step.abstract_state(task.init, plain)
    self._layout = sharding.layout_of(one.params, 'dp', self._mesh)
    self.abstract_params = one.params
    self._shardings = stack.stack_shardings(
      train_step.state_specs(one, plain, self._layout), self._mesh
    )
    seeds = np.asarray([e.config.seed for e in runs])
    keys = jax.vmap(jax.random.key)(seeds)
    self._abstract = stack.abstract_stack(task.init, plain, keys)
    self.now = self._begin(
      lambda: stack.create_stack(task.init, plain, keys, self._shardings),
      len(runs),
    )
    self.step = int(self.now.step)
    self._step = watch.interruptible(self._compile)
    self._take = stack.make_take(self._mesh)
    self.evaluator = watch.interruptible(
      lambda: Evaluator(
        task,
        sharding.make_mesh('dp', 1),
        'dp',
        config.train.eval_batch_size,
        train_rows(runs[0]).feature_shapes,
      )
    )

  def _begin(self, create: Any, count: int) -> train_step.TrainState:
    checkpoints = self._watch.checkpoints
    if checkpoints.latest_step is not None:
      return checkpoints.restore(self._abstract, self._shardings)
    now: train_step.TrainState = self._watch.interruptible(create)
    loaded = init_weights.load_weights(self._first, self.abstract_params)
    weights = {
      path: np.broadcast_to(array, (count, *array.shape))
      for path, array in loaded.items()
    }
    now = now._replace(params=init_weights.replace(now.params, weights))
    checkpoints.prepare(now)
    return now

  def _compile(self) -> Any:
    config, task = self._first.config, self._first.task
    options = step_setup.step_options(
      config, self._mesh.devices.flat[0].platform
    )

    def step_of(recipe: stack.Recipe) -> stack.Step:
      rate = optimizer.schedule(
        recipe.learning_rate,
        recipe.num_steps,
        recipe.warmup_steps,
        config.optim.reference_jump,
      )
      update = step_setup.optimizer_at(config, rate)
      return train_step.make_train_step(
        task, update, self._mesh, self._layout, options
      )

    batch = {
      name: jax.ShapeDtypeStruct(shape, np.int32)
      for name, shape in self._rows.feature_shapes(config.batch_size).items()
    }
    return train_step.compile_train_step(
      stack.make_stacked_step(step_of),
      self._mesh,
      self._shardings,
      (self._abstract, batch, self._recipe),
    )

  def batches(self) -> Iterator[Any]:
    """Batches of the steps that are left, on the devices."""
    for batch in input_pipeline.train_batches(
      self._rows,
      batch_size=self._first.config.batch_size,
      start_step=self.step,
      num_steps=self.num_steps,
    ):
      yield sharding.place_whole(batch, self._mesh)

  def advance(self, batch: Any) -> forward.Scalars:
    """Takes a step; returns its figures, [R] each, still on the devices."""
    self.now, figures = self._step(self.now, batch, self._recipe)
    self.step += 1
    return figures

  def params_of(self, index: int) -> Any:
    """The parameters of one run, laid out for its evaluation."""
    taken = self._take(self.now.params, index)
    return jax.device_put(taken, self.evaluator.param_shardings)


def _recipe(
  runs: Sequence[Experiment], plans: Sequence[training_plan.Plan]
) -> stack.Recipe:
  configs = [experiment.config for experiment in runs]
  keys = [jax.random.key(c.seed, impl=c.compute.rng) for c in configs]
  rates = [c.optim.learning_rate for c in configs]
  return stack.Recipe(
    jnp.stack(keys),
    jnp.asarray(rates, jnp.float32),
    jnp.asarray([plan.num_steps for plan in plans], jnp.int32),
    jnp.asarray([plan.warmup_steps for plan in plans], jnp.int32),
  )
