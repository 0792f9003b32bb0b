"""The watch over a training run: one object instead of six in the loop."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
from etils import epath
from ml_collections import ConfigDict

from biobert_jax.parallel.multihost import is_first_host
from biobert_jax.training.checkpointing.manager import Checkpoints
from biobert_jax.training.checkpointing.workdir_lease import Lease
from biobert_jax.training.monitoring.goodput import Timeline
from biobert_jax.training.monitoring.stall_detector import StallDetector
from biobert_jax.training.monitoring.watchdog import Watchdog
from biobert_jax.training.preemption import Preemption
from biobert_jax.training.train_step import TrainState

T = TypeVar('T')


@dataclasses.dataclass(frozen=True)
class RunGuard:
  """Stops, stalls, rivals and the clock of one start of a run.

  Attributes:
    preemption: hears SIGTERM and Ctrl-C.
    lease: the right to write; `lease.check` raises TakenOverError when another
      run has the folder, `lease.check_together` on all hosts alike.
    watchdog: ends a run that is stuck.
    timeline: where the time goes.
    checkpoints: of the work folder; they are written under the lease.
  """

  preemption: Preemption
  lease: Lease
  watchdog: Watchdog
  timeline: Timeline
  checkpoints: Checkpoints

  def interruptible(self, work: Callable[[], T]) -> T:
    """The result of a compilation; see `Preemption.interruptible`."""
    return self.preemption.interruptible(work)

  def save(self, state: TrainState) -> None:
    """Saves a whole state in the background; see `Checkpoints.save`."""
    with self.timeline.spent('checkpoint'):
      self.checkpoints.save(state)

  def check(self, state: TrainState, flush: Callable[[], None]) -> None:
    """Called between steps, and between batches of an evaluation.

    Args:
      state: what to save where the run is to stop.
      flush: reads the metrics that are still on the device.

    Raises:
      PreemptedError: SIGTERM; the state is saved.
      UserInterruptError: Ctrl-C; the state is saved.
      StorageError: the last checkpoint could not be written.
    """
    self.watchdog.beat()
    self.checkpoints.check()
    self.preemption.check(state, self.save, flush)


@contextlib.contextmanager
def guarded_run(
  config: ConfigDict, folder: epath.Path, began: float
) -> Iterator[RunGuard]:
  """Takes the work folder and watches over a run until it ends.

  Args:
    config: of the experiment that the folder holds.
    folder: the work folder.
    began: when the program began, in seconds since 1970.

  Yields:
    The guard that the loop calls.

  Raises:
    InputError: the folder cannot be written.
    StorageError: at the end, the last checkpoint could not be written.
  """
  with contextlib.ExitStack() as stack:
    preemption = Preemption()
    stack.callback(preemption.close)
    lease = Lease.take(folder)
    watchdog = Watchdog(config.train.watchdog_seconds, folder)
    stack.callback(watchdog.close)
    if jax.process_count() > 1:
      stack.callback(StallDetector().close)
    timeline = stack.enter_context(
      Timeline(folder, is_first_host(), lease.check, began)
    )
    checkpoints = Checkpoints(
      folder, config.train.keep_checkpoints, lease.check_together
    )
    stack.callback(checkpoints.close)
    checkpoints.drop_unfinished()
    yield RunGuard(preemption, lease, watchdog, timeline, checkpoints)
