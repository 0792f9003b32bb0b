"""Progress, metrics and rates of a training run, as it goes."""

import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import optax
import tqdm
from ml_collections import ConfigDict

from biobert_jax.errors import DivergedError
from biobert_jax.io.storage import Place
from biobert_jax.models.flops import training_flops
from biobert_jax.parallel.chips import peak_flops
from biobert_jax.parallel.multihost import is_first_host
from biobert_jax.tasks.task import Rows, Scored
from biobert_jax.training import score_table
from biobert_jax.training.experiment import Experiment
from biobert_jax.training.monitoring.metric_writer import MetricWriter
from biobert_jax.training.plan import Plan

_LINE_SECONDS = 60.0  # Between two lines where there is no terminal.
_BAR = '{desc}: {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} {unit}{postfix}'
_log = logging.getLogger(__name__)


def hours_and_minutes(seconds: float) -> str:
  """A duration as h:mm, rounded up: `0:01` until it is over."""
  minutes = -int(-seconds // 60)
  return f'{minutes // 60}:{minutes % 60:02}'


class Progress:
  """Steps done of all steps, with their rate and the time left."""

  def __init__(self, title: str, total: int, start: int):
    """Starts to count at the `start` steps that were done before."""
    self._bar = None
    if sys.stderr.isatty():
      form = {'unit': 'steps', 'bar_format': _BAR, 'dynamic_ncols': True}
      self._bar = tqdm.tqdm(
        desc=title, total=total, initial=start, file=sys.stderr, **form
      )
    self._title, self._total = title, total
    self._start = self._done = start
    self._began = self._said = time.monotonic()

  def advance(self, note: str = '') -> None:
    """Counts a step; `note` is shown beside the time left."""
    self._done += 1
    now = time.monotonic()
    rate = (self._done - self._start) / max(1e-9, now - self._began)
    left = hours_and_minutes((self._total - self._done) / rate)
    line = f'{rate:.3g} steps/s, {left} h left, {note}'
    if self._bar is not None:
      self._bar.set_postfix_str(line, refresh=False)
      self._bar.update()
    elif now - self._said >= _LINE_SECONDS or self._done == self._total:
      self._said = now
      count = f'{self._done} of {self._total} steps'
      _log.info('%s: %s, %s', self._title, count, line)

  def close(self) -> None:
    """Ends the bar's line."""
    if self._bar is not None:
      self._bar.close()


class Meter(NamedTuple):
  """The size of a step, which turns steps/s into other rates."""

  positions: int  # Of a batch, padding included.
  flops: float  # Of a step, all devices together.
  peak: float | None  # Operations a second of all devices, where known.

  @classmethod
  def of(cls, experiment: Experiment, rows: Rows) -> 'Meter':
    """Of an experiment's steps, on all devices of the job."""
    config, length = experiment.config, rows.max_seq_length
    masked = 'masking' in config
    predictions = config.masking.max_predictions if masked else 0
    flops = training_flops(experiment.bert, length, predictions)
    peak, size = peak_flops(jax.devices()[0].device_kind), config.batch_size
    of_all = None if peak is None else peak * jax.device_count()
    return cls(size * length, size * flops, of_all)

  def rates(
    self, steps_per_second: float, metrics: dict[str, float]
  ) -> dict[str, float]:
    """Rates by name, given the metrics of a step.

    steps/s and tokens/s (padding included); where known, tokens/s without
    padding, and MFU, a fraction 0-1. The metric 'fill' is the fraction 0-1 of
    the positions that hold tokens.
    """
    pieces = steps_per_second * self.positions
    rates = {'steps_per_second': steps_per_second, 'pieces_per_second': pieces}
    if 'fill' in metrics:
      rates['useful_pieces_per_second'] = pieces * metrics['fill']
    if self.peak is not None:
      rates['mfu'] = steps_per_second * self.flops / self.peak
    return rates


class Log:
  """Metrics of the loop, read one step late so that no step waits."""

  def __init__(
    self,
    workdir: Place,
    config: ConfigDict,
    plan: Plan,
    learning_rate: optax.Schedule,
    start: int,
    meter: Meter,
    may_write: Callable[[], None],
  ):
    """Opens the files of the first host, to continue after the step `start`.

    `may_write` is called before each line; it may raise to forbid it.
    """
    self._writer = (
      MetricWriter(workdir, start, may_write) if is_first_host() else None
    )
    self._every = config.train.log_every_steps
    self._patience = config.train.max_skipped_steps
    self._task = config.task
    self._meter = meter
    self._learning_rate = learning_rate
    self._pending: tuple[int, dict[str, jax.Array]] | None = None
    self._progress = Progress('training', plan.num_steps, start)
    self._waited = 0.0
    self._since = (start, time.monotonic())

  def timed(self, batches: Iterable[Any]) -> Iterator[Any]:
    """The same batches; measures how long the loop waits for them."""
    began = time.monotonic()
    for batch in batches:
      self._waited += time.monotonic() - began
      yield batch
      began = time.monotonic()

  def step(self, step: int, metrics: dict[str, jax.Array]) -> None:
    """Takes the metrics of a dispatched step, and reads those before it."""
    self.flush()
    self._pending = step, metrics

  def restart_clock(self, step: int) -> None:
    """Leaves the time of scores and checkpoints out of the rates."""
    self._since, self._waited = (step, time.monotonic()), 0.0

  def flush(self) -> None:
    """Reads the metrics still on the device; a DivergedError ends the run."""
    if self._pending is None:
      return
    (step, arrays), self._pending = self._pending, None
    metrics = {k: float(v) for k, v in jax.device_get(arrays).items()}
    loss, norm = metrics['loss'], metrics['grad_norm']
    if in_a_row := int(metrics.pop('skipped_in_a_row')):
      _log.warning(
        'step %d is skipped: loss %g, gradient norm %g', step, loss, norm
      )
    if in_a_row >= self._patience:
      raise DivergedError(
        f'loss {loss:g}, gradient norm {norm:g} at step {step}: {in_a_row} '
        'steps in a row had to be skipped; checkpoints are those of good '
        'steps; lower --config.optim.learning_rate, in a new --workdir'
      )
    if step % self._every == 0 or step == 1:
      before, then = self._since
      spent = max(1e-9, time.monotonic() - then)
      rate = float(self._learning_rate(step - 1))
      metrics |= {'learning_rate': rate}
      metrics |= self._meter.rates((step - before) / spent, metrics)
      metrics |= {'input_wait_fraction': self._waited / spent}
      # JSON cannot say the infinite loss of a skipped step.
      finite = {k: v for k, v in metrics.items() if math.isfinite(v)}
      self._write(step, {f'train/{name}': v for name, v in finite.items()})
      self.restart_clock(step)
    self._progress.advance(f'loss {loss:.4f}')

  def sync(self) -> None:
    """As `flush`, and has all lines written: before a checkpoint, at the end.

    A run that resumes there writes none of them again.
    """
    self.flush()
    if self._writer is not None:
      self._writer.flush()

  def _write(self, step: int, scalars: dict[str, float]) -> None:
    if self._writer is not None:
      self._writer.write(step, scalars)

  def scores(
    self, step: int, split: str, scored: Scored, goodput: float
  ) -> None:
    """Writes the scores of a split, and the goodput (0-1) so far."""
    shown = score_table.line(self._task, scored.metrics)
    _log.info('step %d, %s: %s', step, split, shown)
    numbers = {k: v for k, v in scored.metrics.items() if isinstance(v, float)}
    scalars = {f'{split}/{name}': value for name, value in numbers.items()}
    self._write(step, scalars | {'run/goodput': goodput})
    self.sync()

  def close(self) -> None:
    """Closes files and bar."""
    self._progress.close()
    if self._writer is not None:
      self._writer.close()
