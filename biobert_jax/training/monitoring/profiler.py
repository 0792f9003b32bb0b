"""A trace of a few steps, beside TensorBoard's files; `xprof` shows it."""

import logging
from typing import Any

import jax
from etils import epath

_log = logging.getLogger(__name__)
STEPS = 5  # Of a trace: enough to see what repeats, and still a small file.


class Profiler:
  """Traces the steps from one on."""

  def __init__(self, folder: epath.Path, first: int | None):
    """Waits for the `first` step, counted from 1; None: no trace."""
    self._folder, self._first = folder, first
    self._end: int | None = None  # Of a trace that runs.

  def step(self, step: int, state: Any) -> jax.profiler.StepTraceAnnotation:
    """The context of the next step; `state` is waited for where traces end."""
    if step == self._first:
      jax.block_until_ready(state)
      jax.profiler.start_trace(str(self._folder))
      self._end = step + STEPS
    elif step == self._end:
      jax.block_until_ready(state)
      self.close()
    return jax.profiler.StepTraceAnnotation('train', step_num=step)

  def close(self) -> None:
    """Ends the trace, if one runs."""
    if self._end is None:
      return
    self._end = None
    jax.profiler.stop_trace()
    _log.info(
      'a trace of the %d steps from %d is in %s',
      *(STEPS, self._first, self._folder / 'plugins' / 'profile'),
    )
