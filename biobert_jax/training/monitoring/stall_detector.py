"""Tells which host stood still.

In a synchronous job every host waits for the slowest, so all of them see a
long step and none sees whose fault it was. A thread that should wake four
times a second, and wakes much later, knows that its own process was stopped:
a paused machine, swapping, a held interpreter lock.
"""

import logging
import threading
import time

import jax

# Between two looks.
_LOOK_SECONDS = 0.25
# Shorter stops happen wherever many processes share a machine.
STOOD_STILL_SECONDS = 1.5
_log = logging.getLogger(__name__)


class StallDetector(threading.Thread):
  """Logs when this process stood still, until it is closed."""

  def __init__(self) -> None:
    """Begins."""
    super().__init__(name='pulse', daemon=True)
    self._done = threading.Event()
    self.start()

  def run(self) -> None:
    """Looks at the clock, off the loop's thread."""
    before = time.monotonic()
    while not self._done.wait(_LOOK_SECONDS):
      now = time.monotonic()
      late = now - before - _LOOK_SECONDS
      if late > STOOD_STILL_SECONDS:
        _log.warning(
          'host %d stood still for %.1f s', jax.process_index(), late
        )
      before = now

  def close(self) -> None:
    """Ends the thread."""
    self._done.set()
    self.join()
