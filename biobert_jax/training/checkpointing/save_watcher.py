"""Watches a save in the background: how long it took, and what failed."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

# What a preempted machine may be left with (a Spot VM, before it is stopped).
GRACE_SECONDS = 15.0
_log = logging.getLogger(__name__)


class SaveWatcher(threading.Thread):
  """Waits for one save of an Orbax manager, and tells how it went.

  Attributes:
    failure: what kept the step from the disk; None while all is well.
  """

  def __init__(self, manager: Any, step: int):
    """Starts the clock; call it before the save and `start` after it.

    Args:
      manager: an `orbax.checkpoint.CheckpointManager`.
      step: training steps done.
    """
    super().__init__(name=f'commit_{step}', daemon=True)
    self.failure: Exception | None = None
    self._manager, self._step = manager, step
    self._began = time.monotonic()

  def start(self) -> None:
    """Begins to watch: the loop is free to go on."""
    self._freed = time.monotonic()
    super().start()

  def run(self) -> None:
    """Waits, off the loop's thread."""
    try:
      self._manager.wait_until_finished()
    # Whatever it is: `Checkpoints` says it where it can be acted on.
    except Exception as error:
      self.failure = error
      return
    seconds = time.monotonic() - self._began
    _log.info(
      'checkpoint %d committed after %.1f s, of which the loop waited %.1f s',
      *(self._step, seconds, self._freed - self._began),
    )
    if seconds > GRACE_SECONDS:
      _log.warning(
        'a preempted machine may have %.0f s, less than a checkpoint takes',
        GRACE_SECONDS,
      )


class _Quieter(logging.Filter):
  """Keeps error lines of Orbax, but neither tracebacks nor echoes."""

  def filter(self, record: logging.LogRecord) -> bool:
    """False for asyncio's remark that nobody asked for a further error."""
    if 'orbax' in record.pathname:
      record.exc_info = None
    return 'exception was never retrieved' not in str(record.msg)


class _Deaf:
  """`sys.unraisablehook` without what comes too late to matter.

  When one array of a step cannot be read, Orbax gives up reading the others:
  their coroutines end anyhow, and TensorStore's threads report to an event
  loop that is closed.
  """

  def __init__(self, before: Callable[[Any], object]):
    """Hands all else on to the hook there was before."""
    self._before = before

  def __call__(self, event: Any) -> None:
    """One exception that nobody could catch."""
    coroutine = getattr(event.object, 'cr_code', None)
    abandoned = coroutine is not None and 'orbax' in coroutine.co_filename
    late = str(event.exc_value) == 'Event loop is closed'
    if not abandoned and not late:
      self._before(event)


def quieten_orbax() -> None:
  """Leaves one line of each error of Orbax; it is raised as well."""
  for name in ('absl', 'asyncio'):
    log = logging.getLogger(name)
    if not any(isinstance(f, _Quieter) for f in log.filters):
      log.addFilter(_Quieter())
  if not isinstance(sys.unraisablehook, _Deaf):
    sys.unraisablehook = _Deaf(sys.unraisablehook)
