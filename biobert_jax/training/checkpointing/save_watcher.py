"""Watches a save in the background: how long it took, and what failed."""

import logging
import threading
import time
from typing import Any

# Seconds that a preempted machine may have left (a Spot VM).
GRACE_SECONDS = 15.0
_log = logging.getLogger(__name__)


class SaveWatcher(threading.Thread):
  """Waits for one save of an Orbax manager, and logs how it went.

  Attributes:
    failure: what kept the step from the disk; None while all is well.
  """

  def __init__(self, manager: Any, step: int):
    """Starts the clock; call it before the save and `start` after it.

    Args:
      manager: an `orbax.checkpoint.CheckpointManager`.
      step: training steps done.
    """
    super().__init__(name=f'save_{step}', daemon=True)
    self.failure: Exception | None = None
    self._manager, self._step = manager, step
    self._began = time.monotonic()

  def start(self) -> None:
    """Begins to watch: the loop is free to take steps."""
    self._freed = time.monotonic()
    super().start()

  def run(self) -> None:
    """Waits, off the loop's thread."""
    try:
      self._manager.wait_until_finished()
    # Whatever it is: `Checkpoints.check` raises it in the loop.
    except Exception as error:
      self.failure = error
      return
    seconds = time.monotonic() - self._began
    _log.info(
      'saved checkpoint %d (%.1f s; training blocked %.1f s)',
      *(self._step, seconds, self._freed - self._began),
    )
    if seconds > GRACE_SECONDS:
      _log.warning(
        'a preempted machine may have %.0f s, less than a checkpoint takes',
        GRACE_SECONDS,
      )
