"""The watch over a training run: one object instead of six in the loop."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from biobert_jax.io.storage import Place
from biobert_jax.parallel.multihost import is_first_host
from biobert_jax.training.checkpointing.manager import Checkpoints
from biobert_jax.training.checkpointing.workdir_lease import Lease
from biobert_jax.training.monitoring.goodput import Timeline
from biobert_jax.training.monitoring.watchdog import StallDetector, Watchdog
from biobert_jax.training.preemption import Preemption
from biobert_jax.training.train_step import TrainState


class RunGuard(NamedTuple):
  """Stops, stalls, rivals and the clock of one start of a run."""

  preemption: Preemption  # Hears SIGTERM and Ctrl-C.
  lease: Lease  # The right to write to the folder.
  watchdog: Watchdog  # Ends a run that is stuck.
  timeline: Timeline  # Where the time goes.
  checkpoints: Checkpoints  # They are written under the lease.

  def save(self, state: TrainState) -> None:
    """Saves a whole state in the background; see `Checkpoints.save`."""
    with self.timeline.spent('checkpoint'):
      self.checkpoints.save(state)
    self.timeline.flush()

  def check(self, state: TrainState, flush: Callable[[], None]) -> None:
    """Called between steps, and between batches of an evaluation.

    Raises:
      PreemptedError, UserInterruptError: a signal; the state is saved.
      StorageError: the last checkpoint could not be written.
    """
    self.watchdog.beat()
    self.checkpoints.check()
    self.preemption.check(state, self.save, flush)


@contextlib.contextmanager
def guarded_run(
  config: ConfigDict, folder: Place, began: float
) -> Iterator[RunGuard]:
  """Takes the work folder and watches over a run until it ends."""
  with contextlib.ExitStack() as stack:
    preemption = Preemption()
    stack.callback(preemption.close)
    lease = Lease.take(folder)
    watchdog = Watchdog(config.train.watchdog_seconds, folder)
    stack.callback(watchdog.close)
    if jax.process_count() > 1:
      stack.callback(StallDetector().close)
    timeline = Timeline(folder, is_first_host(), lease.check, began)
    stack.enter_context(timeline)
    keep = config.train.keep_checkpoints, config.train.keep_every_steps
    checkpoints = Checkpoints(folder, *keep, lease.check_together)
    stack.callback(checkpoints.close)
    checkpoints.drop_unfinished()
    yield RunGuard(preemption, lease, watchdog, timeline, checkpoints)
