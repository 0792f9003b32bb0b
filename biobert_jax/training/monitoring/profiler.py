"""A trace of a few steps of a run: where the device's time goes.

JAX's profiler writes it beside TensorBoard's other files; `xprof` shows it
(docs.jax.dev, profiling).
"""

import logging
import types
from typing import Any, Self

import jax
from etils import epath

_log = logging.getLogger(__name__)

STEPS = 5  # Of a trace: enough to see what repeats, and still a small file.


class Profiler:
  """Traces the steps from one on; used as a context."""

  def __init__(self, folder: epath.Path, first: int | None):
    """Waits for the step.

    Args:
      folder: takes `plugins/profile/…`, TensorBoard's form.
      first: the first step of the trace, counted from 1; None: no trace.
    """
    self._folder, self._first = folder, first
    self._end: int | None = None  # Of a trace that runs.

  def __enter__(self) -> Self:
    """Itself."""
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: types.TracebackType | None,
  ) -> None:
    """Ends a trace that the run ended before."""
    if self._end is not None:
      self._stop()

  def step(self, step: int, state: Any) -> jax.profiler.StepTraceAnnotation:
    """Begins or ends the trace, where it is due.

    Args:
      step: that comes next, counted from 1.
      state: what the step before gave, waited for at both ends.

    Returns:
      The context in which to take the step, which gives it its number there.
    """
    if step == self._first:
      jax.block_until_ready(state)
      jax.profiler.start_trace(str(self._folder))
      self._end = step + STEPS
    elif step == self._end:
      jax.block_until_ready(state)
      self._stop()
    return jax.profiler.StepTraceAnnotation('train', step_num=step)

  def _stop(self) -> None:
    jax.profiler.stop_trace()
    _log.info(
      'a trace of the %d steps from %d is in %s',
      *(STEPS, self._first, self._folder / 'plugins' / 'profile'),
    )
    self._end = None
