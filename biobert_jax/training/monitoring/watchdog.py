"""Watches for stalls: a host that is stuck ends, one that stood still says so.

JAX's heartbeats beat on while a host's Python sleeps or a collective waits
indefinitely (jax-ml/jax#38503), so a pod can hang until somebody looks.
"""

import contextlib
import faulthandler
import hashlib
import logging
import pathlib
import threading
import time
from typing import IO

import jax

from biobert_jax.io import storage
from biobert_jax.io.buckets import cache
from biobert_jax.io.storage import BucketPath, Place

_LOOK_SECONDS = 0.25  # Between two looks of the stall detector.
_STOOD_STILL_SECONDS = 1.5  # Shorter stops are common on a shared machine.
_log = logging.getLogger(__name__)


class Watchdog:
  """Ends this process unless `beat` is called often enough; one in a process.

  When no step ends in time, this host writes the stack of every thread and
  leaves; the others, waiting for it, do the same. No GIL can stop that.
  """

  def __init__(self, seconds: float, workdir: Place):
    """Begins to watch; a step may take so many seconds, or any time for 0.

    Until the first `beat` it is ten times as patient: first, all is compiled.
    """
    self._seconds = seconds
    self._file: IO[str] | None = None
    self._path = _local_file(workdir / f'stacks_{jax.process_index()}.txt')
    if seconds > 0:
      # Appended to: the stacks of an earlier fault may not have been read.
      self._file = open(self._path, 'a')  # noqa: SIM115
      self._arm(10 * seconds)

  def _arm(self, seconds: float) -> None:
    if self._file is not None:
      faulthandler.dump_traceback_later(seconds, exit=True, file=self._file)

  def beat(self) -> None:
    """Says that all is well, after each step and batch; it takes 0.1 ms."""
    self._arm(self._seconds)

  def close(self) -> None:
    """Watches no more; leaves no file where nothing was written."""
    if self._file is None:
      return
    faulthandler.cancel_dump_traceback_later()
    self._file.close()
    self._file = None
    if self._path.exists() and not self._path.stat().st_size:
      self._path.unlink()


def _local_file(place: Place) -> pathlib.Path:
  """Where stacks are written; what an earlier start left goes to a bucket.

  A process that is stuck can write to its own disk, and to nothing else.
  """
  if not isinstance(place, BucketPath):
    return pathlib.Path(place)
  digest = hashlib.sha256(str(place).encode()).hexdigest()[:16]
  path = cache.folder() / 'stacks' / digest / place.name
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and (stacks := path.read_bytes()):
      before = b''
      with contextlib.suppress(FileNotFoundError):
        before = storage.read_bytes(place)
      storage.write(place, before + stacks)
      path.unlink()
      _log.warning('this host was stuck in an earlier start: see %s', place)
  except OSError as error:  # No stacks are worth the end of a run.
    _log.warning('%s: %s', place, error.strerror)
  return path


class StallDetector(threading.Thread):
  """Logs when this process stood still, until it is closed.

  In a synchronous job all hosts wait for the slowest, and none sees whose fault
  it was. A thread that wakes much later than it should knows that its own
  process was stopped: a paused machine, swapping, a held interpreter lock.
  """

  def __init__(self) -> None:
    """Begins."""
    super().__init__(name='stall_detector', daemon=True)
    self._done = threading.Event()
    self.start()

  def run(self) -> None:
    """Looks at the clock, off the loop's thread."""
    before = time.monotonic()
    while not self._done.wait(_LOOK_SECONDS):
      now = time.monotonic()
      late = now - before - _LOOK_SECONDS
      if late > _STOOD_STILL_SECONDS:
        host = jax.process_index()
        _log.warning('host %d stood still for %.1f s', host, late)
      before = now

  def close(self) -> None:
    """Ends the thread."""
    self._done.set()
    self.join()
