"""Leaves a compilation when SIGTERM arrives.

A signal's handler in Python runs only between two instructions of the main
thread. XLA compiles in one, for minutes; a preempted machine has seconds. So
the compilation runs in a thread, and the main thread looks up now and then.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from biobert_jax.errors import EXIT_PREEMPTED, PreemptedError

# How long the main thread looks away.
_LOOK_SECONDS = 0.1
T = TypeVar('T')


def run(work: Callable[[], T], asked: Callable[[], bool]) -> T:
  """Runs something that must not be waited for when the run has to stop.

  Args:
    work: what takes long and leaves nothing behind: a compilation.
    asked: whether the run is to stop; called ten times a second.

  Returns:
    What the work returns; what it raises is raised.

  Raises:
    PreemptedError: asked to stop. The work goes on in its thread, which cannot
      be ended, so at its exit this process is ended at once, with code 42.
  """
  results: list[T] = []
  failures: list[BaseException] = []

  def worker() -> None:
    try:
      results.append(work())
    except BaseException as error:
      failures.append(error)

  thread = threading.Thread(target=worker, name='interruptible', daemon=True)
  thread.start()
  while thread.is_alive():
    thread.join(_LOOK_SECONDS)
    if thread.is_alive() and asked():
      atexit.register(_leave, thread)
      raise PreemptedError(
        'stopped while compiling: no step was taken since the last '
        'checkpoint; run the same command again to go on'
      )
  if failures:
    raise failures[0]
  return results[0]


def _leave(thread: threading.Thread) -> None:
  """Ends the process under a thread that still compiles.

  Registered last, so called first: JAX's own clean-up would take away the
  backend that the thread uses.
  """
  if thread.is_alive():
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_PREEMPTED)
