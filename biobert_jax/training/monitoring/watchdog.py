"""Ends a job that is alive but stuck, and shows where.

JAX's heartbeats beat on while a host's Python sleeps or a collective waits
indefinitely (jax-ml/jax#38503), so a pod can hang until somebody looks. Each
host watches itself: when no step ends in time it writes the stack of every
thread and leaves; the others, waiting for it, do the same.
"""

import faulthandler
from typing import IO

import jax
from etils import epath


class Watchdog:
  """Ends this process unless `beat` is called often enough.

  It runs in a thread of C that needs no GIL, so nothing in Python stops it.
  There is one in a process.
  """

  def __init__(self, seconds: float, workdir: epath.Path):
    """Begins to watch; until the first `beat`, ten times as patiently.

    Reading and compiling come before the first step, and take long.

    Args:
      seconds: how long a step may take; 0: nothing is watched.
      workdir: where `stacks_HOST.txt` is written.
    """
    self._seconds = seconds
    self._file: IO[str] | None = None
    self._path = workdir / f'stacks_{jax.process_index()}.txt'
    if seconds > 0:
      # Appended to: the stacks of an earlier fault may not have been read.
      self._file = open(self._path, 'a')  # noqa: SIM115
      self._arm(10 * seconds)

  def _arm(self, seconds: float) -> None:
    if self._file is not None:
      faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

  def beat(self) -> None:
    """Says that all is well; called after each step and batch.

    A tenth of a millisecond: the thread that waits is replaced.
    """
    self._arm(self._seconds)

  def close(self) -> None:
    """Watches no more; leaves no file where nothing was written."""
    if self._file is None:
      return
    faulthandler.cancel_dump_traceback_later()
    self._file.close()
    self._file = None
    if self._path.exists() and not self._path.stat().length:
      self._path.unlink()
