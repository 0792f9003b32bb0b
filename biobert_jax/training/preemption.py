"""SIGTERM and Ctrl-C: stop after the current step, on all hosts alike."""

import signal
import threading
from collections.abc import Callable
from typing import Any

import jax
from jax.experimental import multihost_utils

from biobert_jax.errors import PreemptedError
from biobert_jax.training.train_step import TrainState


class Preemption:
  """SIGTERM: save where all hosts agree, and leave."""

  def __init__(self) -> None:
    """Listens, on a single host by a handler of its own."""
    self._asked = False
    self._tick = 0
    self._before: Any = None
    on_main_thread = threading.current_thread() is threading.main_thread()
    # On several hosts JAX's own notifier listens and agrees on a step.
    if jax.process_count() == 1 and on_main_thread:
      self._before = signal.signal(signal.SIGTERM, self._ask)

  def close(self) -> None:
    """Listens no more: what is left to do can be done again."""
    if self._before is not None:
      signal.signal(signal.SIGTERM, self._before)
      self._before = None

  def _ask(self, *_: Any) -> None:
    self._asked = True

  @property
  def asked(self) -> bool:
    """Whether this process alone was asked; on several hosts never."""
    return self._asked

  def _reached(self) -> bool:
    if jax.process_count() == 1:
      return self._asked
    self._tick += 1
    return bool(multihost_utils.reached_preemption_sync_point(self._tick))

  def check(
    self,
    state: TrainState,
    save: Callable[[TrainState], None],
    flush: Callable[[], None],
  ) -> None:
    """Saves and leaves when asked to; called at every step and batch.

    Raises:
      PreemptedError: the state is saved.
    """
    if not self._reached():
      return
    flush()
    save(state)
    raise PreemptedError(
      f'stopped at step {int(state.step)}, which is saved; run the same '
      'command again to go on'
    )
