"""Progress, metrics and rates of a training run, as it goes."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import optax
from etils import epath
from ml_collections import ConfigDict

from biobert_jax.errors import DivergedError
from biobert_jax.parallel.multihost import is_first_host
from biobert_jax.tasks.task import Rows, Scored
from biobert_jax.training.experiment import Experiment
from biobert_jax.training.monitoring import metric_writer
from biobert_jax.training.monitoring.throughput import Meter
from biobert_jax.training.plan import Plan

_log = logging.getLogger(__name__)


def meter(experiment: Experiment, rows: Rows) -> Meter:
  """What a step of an experiment amounts to."""
  config = experiment.config
  masked = 'masking' in config
  predictions = config.masking.max_predictions if masked else 0
  return Meter.of(
    experiment.bert, config.batch_size, rows.max_seq_length, predictions
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
