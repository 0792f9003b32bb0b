"""SIGTERM and Ctrl-C: save after the current step, on all hosts alike."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import jax
from jax.experimental import multihost_utils

from biobert_jax.errors import PreemptedError, UserInterruptError
from biobert_jax.training.train_step import TrainState

_LOOK_SECONDS = 0.1  # How long to look away while another thread compiles.
T = TypeVar('T')


class Preemption:
  """Listens for both signals; the loop asks it between two steps."""

  def __init__(self) -> None:
    """Installs the handlers; `close` brings those before them back."""
    self.requested = False  # On several hosts it stays so.
    self._error: type[PreemptedError | UserInterruptError] = PreemptedError
    self._tick = 0
    self._before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is not threading.main_thread():
      return
    # On several hosts JAX's own notifier hears SIGTERM and agrees on a step.
    if jax.process_count() == 1:
      self._listen(signal.SIGTERM, self._on_sigterm)
    # A shell's background job ignores Ctrl-C, which is meant for another.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
      self._listen(signal.SIGINT, self._on_sigint)

  def _listen(self, number: signal.Signals, handler: Any) -> None:
    self._before[number] = signal.signal(number, handler)

  def _on_sigterm(self, *_: Any) -> None:
    self.requested = True

  def _on_sigint(self, *_: Any) -> None:
    # A second Ctrl-C does not wait for the end of the step.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    self._error = UserInterruptError
    if jax.process_count() == 1:
      self.requested = True
    else:
      os.kill(os.getpid(), signal.SIGTERM)

  def close(self) -> None:
    """Listens no more: what is left to do can be done again."""
    for number, handler in self._before.items():
      signal.signal(number, handler)
    self._before = {}

  def _reached(self) -> bool:
    if jax.process_count() == 1:
      return self.requested
    self._tick += 1
    return bool(multihost_utils.reached_preemption_sync_point(self._tick))

  def check(
    self,
    state: TrainState,
    save: Callable[[TrainState], None],
    flush: Callable[[], None],
  ) -> None:
    """Saves and leaves when requested; see `RunGuard.check`."""
    if not self._reached():
      return
    flush()
    save(state)
    what = f'stopped at step {int(state.step)}, which is saved'
    raise self._error(f'{what}; run the same command again to resume')

  def interruptible(self, work: Callable[[], T]) -> T:
    """The result of work not worth waiting for when the run has to stop.

    A signal's handler in Python runs only between two instructions of the main
    thread. XLA compiles in one, for minutes; a preempted machine has seconds.
    So the work runs in a thread, and the main thread looks up now and then. The
    thread cannot be ended: after a PreemptedError or a UserInterruptError, this
    process is ended at its exit, with the error's code.
    """
    result: Future[T] = Future()

    def worker() -> None:
      try:
        result.set_result(work())
      except BaseException as error:
        result.set_exception(error)

    thread = threading.Thread(target=worker, name='interruptible', daemon=True)
    thread.start()
    while thread.is_alive():
      thread.join(_LOOK_SECONDS)
      if thread.is_alive() and self.requested:
        atexit.register(_leave, thread, self._error.exit_code)
        raise self._error(
          'stopped while compiling: no step was taken since the last '
          'checkpoint; run the same command again to resume'
        )
    return result.result()


def _leave(thread: threading.Thread, code: int) -> None:
  """Ends the process under a thread that still compiles, before JAX's exit."""
  if thread.is_alive():
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
