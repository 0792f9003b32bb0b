"""A trace of a few steps, beside TensorBoard's files; `xprof` shows it."""

import logging
import pathlib
import tempfile
from typing import Any

import jax

from biobert_jax.io import storage
from biobert_jax.io.storage import BucketPath, Place

_log = logging.getLogger(__name__)
STEPS = 5  # Of a trace: enough to see what repeats, and still a small file.


class Profiler:
  """Traces the steps from one on."""

  def __init__(self, folder: Place, first: int | None):
    """Waits for the `first` step, counted from 1; None: no trace."""
    self._folder, self._first = folder, first
    self._end: int | None = None  # Of a trace that runs.
    self._aside: tempfile.TemporaryDirectory[str] | None = None

  def step(self, step: int, state: Any) -> jax.profiler.StepTraceAnnotation:
    """The context of the next step; `state` is waited for where traces end."""
    if step == self._first:
      jax.block_until_ready(state)
      place = str(self._folder)
      if isinstance(self._folder, BucketPath):
        self._aside = tempfile.TemporaryDirectory()
        place = self._aside.name
      jax.profiler.start_trace(place)
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
    target = self._folder / 'plugins' / 'profile'
    if self._aside is not None:
      with self._aside as aside:
        for trace in pathlib.Path(aside, 'plugins', 'profile').iterdir():
          try:
            storage.publish(trace, target / trace.name)
          except OSError as error:  # No trace is worth the end of a run.
            _log.warning('%s: %s', target, error.strerror)
            return
    _log.info(
      'a trace of the %d steps from %d is in %s', STEPS, self._first, target
    )
