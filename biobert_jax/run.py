"""Parts of a training run: its plan, its log, its stop, its first weights."""

import dataclasses
import logging
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from biobert_jax import weights
from biobert_jax.errors import DivergedError, InputError, PreemptedError
from biobert_jax.experiment import Experiment, is_first_host
from biobert_jax.interchange.select import select
from biobert_jax.models import parameters
from biobert_jax.tasks.task import Rows, Scored, Task
from biobert_jax.throughput import Meter
from biobert_jax.training import metric_writer, optimizer, sharding, state
from biobert_jax.training.state import StepOptions, TrainState

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Plan:
  """Steps of a run, derived from epochs and fractions.

  Attributes:
    num_steps: of the whole run.
    warmup_steps: of the learning rate's rise.
    evaluations: how often devel is scored.
    checkpoint_every: steps between checkpoints, besides those at scores.
    scores: whether devel is scored on the way.
    selects: whether devel chooses the best parameters; else the last stay.
  """

  num_steps: int
  warmup_steps: int
  evaluations: int
  checkpoint_every: int
  scores: bool
  selects: bool

  @classmethod
  def of(cls, config: ConfigDict, num_rows: int) -> 'Plan':
    """The plan of a config for a training split of so many rows."""
    steps = config.train.steps or math.ceil(
      config.train.epochs * num_rows / config.batch_size
    )
    data = config.data
    scores = bool(data.devel_split) and data.train_split != 'train_dev'
    selects = scores and config.train.keep == 'best'
    if not selects:
      _log.info('devel does not choose: the last step is kept')
    return cls(
      steps,
      int(steps * config.optim.warmup_fraction),
      config.train.evaluations,
      config.train.checkpoint_every_steps,
      scores,
      selects,
    )

  def _due_after(self, step: int) -> bool:
    due = step * self.evaluations // self.num_steps
    return due > (step - 1) * self.evaluations // self.num_steps

  def evaluates_after(self, step: int) -> bool:
    """Whether devel is to be scored after so many steps."""
    return self.scores and self._due_after(step)

  def saves_after(self, step: int) -> bool:
    """Whether a checkpoint is due; always after the last step."""
    return step % self.checkpoint_every == 0 or self._due_after(step)


def make_optimizer(
  config: ConfigDict, plan: Plan
) -> tuple[optax.Schedule, optax.GradientTransformation]:
  """The learning rate and the optimizer that a config describes."""
  rate = optimizer.schedule(
    config.optim.learning_rate,
    plan.num_steps,
    plan.warmup_steps,
    config.optim.reference_jump,
  )
  return rate, optimizer_at(config, rate)


def optimizer_at(
  config: ConfigDict, rate: optax.Schedule
) -> optax.GradientTransformation:
  """The optimizer that a config describes, at another learning rate."""
  optim = config.optim
  return optimizer.make(
    optim.name,
    rate,
    b1=optim.b1,
    b2=optim.b2,
    eps=optim.eps,
    weight_decay=optim.weight_decay,
    clip_norm=optim.clip_norm,
    bias_correction=optim.bias_correction,
  )


def step_options(config: ConfigDict, platform: str) -> StepOptions:
  """How the steps of a config are taken.

  Args:
    config: the experiment.
    platform: that the step will run on: 'cpu', 'tpu', ….

  Raises:
    InputError: a sum of gradients, or attention, that it cannot do.
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


def meter(experiment: Experiment, rows: Rows) -> Meter:
  """What a step of an experiment amounts to."""
  config = experiment.config
  masked = 'masking' in config
  predictions = config.masking.max_predictions if masked else 0
  return Meter.of(
    experiment.bert, config.batch_size, rows.max_seq_length, predictions
  )


def say_counts(counts: Counter[str]) -> None:
  """Logs what reading the corpus noticed."""
  for what, count in sorted((+counts).items()):
    _log.info('corpus: %d %s', count, what.replace('_', ' '))


def _flat(tree: Any) -> dict[str, Any]:
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {sharding.path_of(path): leaf for path, leaf in leaves}


def load_weights(
  experiment: Experiment, abstract_params: Any
) -> dict[str, np.ndarray]:
  """Parameters of `init_from` by path; empty without one.

  Args:
    experiment: names the folder.
    abstract_params: shapes of the model's parameters.

  Returns:
    path -> array; paths that are not there keep their random start.
  """
  found, bert = experiment.init_from, experiment.bert
  if found is None:
    return {}
  flat = jax.eval_shape(parameters.to_flat, abstract_params)
  shapes = {path: leaf.shape for path, leaf in flat.items()}
  contents = weights.read_params(found, bert)
  same_classes = weights.labels_of(found) == experiment.labels
  loaded, report = select(contents, shapes, found.given, same_classes)
  _log.info('%s (%s): %s', found.given, found.form, report)
  return _flat(parameters.to_tree(loaded, bert.scan_layers))


def replace(params: Any, arrays: dict[str, np.ndarray]) -> Any:
  """Parameters with some replaced, each laid out as the one before."""

  def leaf(path: Any, old: jax.Array) -> jax.Array:
    new = arrays.get(sharding.path_of(path))
    if new is None:
      return old
    new = new.astype(old.dtype)
    return jax.make_array_from_callback(
      old.shape, old.sharding, lambda index: new[index]
    )

  return jax.tree_util.tree_map_with_path(leaf, params)


class Step(NamedTuple):
  """A training step by its shapes, before it is compiled.

  Attributes:
    abstract: shapes of the state.
    shardings: how the state lies on the mesh.
    train_step: the pure step.
    mesh: where it runs.
    arguments: shapes of the state, the batch and the key.
  """

  abstract: TrainState
  shardings: TrainState
  train_step: Callable[..., Any]
  mesh: jax.sharding.Mesh
  arguments: tuple[Any, ...]

  @property
  def lowering(self) -> tuple[Any, ...]:
    """What `state.compile_train_step` takes."""
    return self.train_step, self.mesh, self.shardings, self.arguments


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
  abstract = state.abstract_state(task.init, optimizer)
  layout = sharding.layout_of(abstract.params, config.mesh.strategy, mesh)
  shardings = sharding.shardings(
    state.state_specs(abstract, optimizer, layout), mesh
  )
  batch = {
    name: jax.ShapeDtypeStruct(shape, np.int32)
    for name, shape in shapes.items()
  }
  key = jax.eval_shape(lambda: step_key(config))
  train_step = state.make_train_step(task, optimizer, mesh, layout, options)
  return Step(abstract, shardings, train_step, mesh, (abstract, batch, key))


def step_key(config: ConfigDict) -> jax.Array:
  """The key that every step folds its number into."""
  return jax.random.key(config.seed, impl=config.compute.rng)


class Stop:
  """SIGTERM: save where all hosts agree, and leave."""

  def __init__(self) -> None:
    """Listens, on a single host by a handler of its own."""
    self._asked = False
    self._tick = 0
    self._before: Any = None
    on_main_thread = threading.current_thread() is threading.main_thread()
    # On several hosts JAX's own notifier listens and agrees on a step.
    if jax.process_count() == 1 and on_main_thread:
      self._before = signal.signal(signal.SIGTERM, self._ask)

  def close(self) -> None:
    """Listens no more: what is left to do can be done again."""
    if self._before is not None:
      signal.signal(signal.SIGTERM, self._before)
      self._before = None

  def _ask(self, *_: Any) -> None:
    self._asked = True

  @property
  def asked(self) -> bool:
    """Whether this process alone was asked; on several hosts never."""
    return self._asked

  def _reached(self) -> bool:
    if jax.process_count() == 1:
      return self._asked
    self._tick += 1
    return bool(multihost_utils.reached_preemption_sync_point(self._tick))

  def check(
    self,
    state: TrainState,
    save: Callable[[TrainState], None],
    flush: Callable[[], None],
  ) -> None:
    """Saves and leaves when asked to; called at every step and batch.

    Raises:
      PreemptedError: the state is saved.
    """
    if not self._reached():
      return
    flush()
    save(state)
    raise PreemptedError(
      f'stopped at step {int(state.step)}, which is saved; run the same '
      'command again to go on'
    )


class Log:
  """Figures of the loop, read one step late so that no step waits."""

  def __init__(
    self,
    workdir: epath.Path,
    config: ConfigDict,
    plan: Plan,
    rate: optax.Schedule,
    start: int,
    meter: Meter,
    may_write: Callable[[], None],
  ):
    """Opens the files of the first host.

    Args:
      workdir: the work folder.
      config: says how often to log.
      plan: the run's.
      rate: learning rate at a step.
      start: the step it continues from.
      meter: turns steps a second into other rates.
      may_write: called before each line; it may raise to forbid it.
    """
    self._writer = None
    if is_first_host():
      self._writer = metric_writer.MetricWriter(workdir, start)
    self._every = config.train.log_every_steps
    self._patience = config.train.max_skipped_steps
    self._meter, self._may_write = meter, may_write
    self._rate = rate
    self._pending: tuple[int, dict[str, jax.Array]] | None = None
    self._progress = metric_writer.Progress(
      'train', plan.num_steps, start, 'steps'
    )
    self._waited = 0.0
    self._since = (start, time.monotonic())
    self._note = ''

  def timed(self, batches: Iterable[Any]) -> Iterator[Any]:
    """The same batches; measures how long the loop waits for them."""
    iterator = iter(batches)
    while True:
      began = time.monotonic()
      try:
        batch = next(iterator)
      except StopIteration:
        return
      self._waited += time.monotonic() - began
      yield batch

  def step(self, step: int, figures: dict[str, jax.Array]) -> None:
    """Takes a dispatched step's figures, and reads those before it."""
    self.flush()
    self._pending = step, figures

  def restart_clock(self, step: int) -> None:
    """Leaves out of the rates what was spent on scores and checkpoints."""
    self._since, self._waited = (step, time.monotonic()), 0.0

  def flush(self) -> None:
    """Reads the figures that are still on the device.

    Raises:
      DivergedError: one of them is not finite.
    """
    if self._pending is None:
      return
    (step, arrays), self._pending = self._pending, None
    figures = {k: float(v) for k, v in jax.device_get(arrays).items()}
    if in_a_row := int(figures.pop('skipped_in_a_row')):
      _log.warning(
        'step %d is skipped: loss %g, gradient norm %g',
        *(step, figures['loss'], figures['grad_norm']),
      )
    if in_a_row >= self._patience:
      raise DivergedError(
        f'loss {figures["loss"]:g}, gradient norm {figures["grad_norm"]:g} at '
        f'step {step}: {in_a_row} steps in a row had to be skipped; '
        'checkpoints are those of good steps; lower optim.learning_rate'
      )
    if step % self._every == 0 or step == 1:
      self._write(step, figures)
    self._note = f'loss {figures["loss"]:.4f}'
    self._progress.advance(1, self._note)

  def _write(self, step: int, figures: dict[str, float]) -> None:
    before, then = self._since
    spent = max(1e-9, time.monotonic() - then)
    if self._writer is not None:
      scalars = {
        f'train/{name}': value
        for name, value in figures.items()
        if math.isfinite(value)  # Of a skipped step, which JSON cannot say.
      }
      scalars['train/learning_rate'] = float(self._rate(step - 1))
      rates = self._meter((step - before) / spent, figures)
      scalars |= {f'train/{name}': value for name, value in rates.items()}
      scalars['train/input_wait_fraction'] = self._waited / spent
      self._may_write()
      self._writer.write(step, scalars)
    self.restart_clock(step)

  def scores(
    self, step: int, split: str, scored: Scored, goodput: float
  ) -> None:
    """Writes the scores of a split, and how much of the time was spent well.

    Args:
      step: after which.
      split: that was scored.
      scored: its scores.
      goodput: fraction 0-1 of the run's time that went into steps.
    """
    scalars = {
      f'{split}/{name}': value
      for name, value in scored.figures.items()
      if isinstance(value, float)
    }
    _log.info(
      'step %d, %s: %s',
      *(step, split),
      ', '.join(f'{k.split("/")[1]} {v:.2f}' for k, v in scalars.items()),
    )
    if self._writer is not None:
      self._may_write()
      self._writer.write(step, scalars | {'run/goodput': goodput})

  def close(self) -> None:
    """Closes files and bar."""
    self._progress.close()
    if self._writer is not None:
      self._writer.close()
