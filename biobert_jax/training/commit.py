"""Watches a save in the background: how long it took, and what failed."""

import logging
import threading
import time
from typing import Any

# What a preempted machine may be left with (a Spot VM, before it is stopped).
GRACE_SECONDS = 15.0
_log = logging.getLogger(__name__)


class Commit(threading.Thread):
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


class _WithoutTraceback(logging.Filter):
  """Keeps Orbax's error lines, but not the tracebacks below them."""

  def filter(self, record: logging.LogRecord) -> bool:
    """Always true; what is raised is told once, by us."""
    if 'orbax' in record.pathname:
      record.exc_info = None
    return True


def quieten_orbax() -> None:
  """Leaves one line of each error that Orbax logs; it is raised as well."""
  log = logging.getLogger('absl')
  if not any(isinstance(f, _WithoutTraceback) for f in log.filters):
    log.addFilter(_WithoutTraceback())
