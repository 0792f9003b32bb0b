"""Checkpoints by Orbax: the latest states to resume from, and the best.

`checkpoints/STEP/` hold whole states, `best/STEP/` the parameters that scored
highest on the dev set, with their score. Orbax writes each aside and renames it
when complete, and in a bucket marks it; fingerprints beside it show damage.
"""

import contextlib
import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orbax.checkpoint as ocp

from biobert_jax.checkpoints import integrity
from biobert_jax.checkpoints.formats import orbax_access
from biobert_jax.checkpoints.formats.array_checksums import fingerprints
from biobert_jax.checkpoints.formats.orbax_logging import quieten_orbax
from biobert_jax.checkpoints.formats.orbax_params import compare
from biobert_jax.errors import InputError, StorageError, UserError, disk_full
from biobert_jax.io.storage import BucketPath, Place
from biobert_jax.training.train_step import TrainState

GRACE_SECONDS = 15.0  # That a preempted machine may have left (a Spot VM).
_log = logging.getLogger(__name__)


class SaveWatcher(threading.Thread):
  """Waits for one save of an Orbax manager, and logs how it went."""

  def __init__(self, manager: Any, step: int):
    """Starts the clock; call it before the save and `start` after it."""
    super().__init__(name=f'save_{step}', daemon=True)
    self.failure: Exception | None = None  # What kept it from the disk.
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


class _Manager(ocp.CheckpointManager):
  """Orbax's, but deaf to preemption, which the loop listens for.

  Both would count on the same sync point, by other numbers, and miss it.
  """

  def reached_preemption(self, step: int) -> bool:
    """Never."""
    del step
    return False


def _manager(folder: Place, keep: int, keep_every: int | None = None) -> Any:
  # Two managers may save at the same time, and must not meet at a barrier.
  apart = {'barrier_sync_key_prefix': folder.name}
  options = ocp.CheckpointManagerOptions(
    max_to_keep=keep,
    keep_period=keep_every,
    create=True,
    # Hosts must not disagree on which steps there are.
    single_host_load_and_broadcast=True,
    multiprocessing_options=ocp.options.MultiprocessingOptions(**apart),
  )
  with orbax_access.refusals(folder):
    return _Manager(orbax_access.orbax_path(folder), options=options)


def _step_of(manager: Any) -> int | None:
  step = manager.latest_step()
  # On several hosts it is NumPy's: broadcast, and no JSON.
  return None if step is None else int(step)


@contextlib.contextmanager
def _storage_errors(folder: Place) -> Iterator[None]:
  """Turns errors of the disk, also in the background, into one line."""
  # TensorStore's are ValueErrors, JAX's and a barrier's RuntimeErrors; those of
  # TensorFlow and of the client, which a bucket needs, have no such parent.
  in_bucket = isinstance(folder, BucketPath)
  kinds: tuple[type[Exception], ...] = (OSError, ValueError, RuntimeError)
  kinds = (Exception,) if in_bucket else kinds
  try:
    with orbax_access.refusals(folder):
      yield
  except UserError:
    raise
  except kinds as error:
    reason = disk_full(error) or ' '.join(str(error).split())[:200]
    what = f'{folder}: {reason}; earlier steps are kept'
    remedy = 'run the same command again'
    remedy = remedy if in_bucket else f'free some space, then {remedy}'
    raise StorageError(f'{what}; {remedy}') from error


class Checkpoints:
  """The checkpoints of one work folder."""

  def __init__(
    self,
    workdir: Place,
    keep: int,
    keep_every: int | None = None,
    before_write: Callable[[], None] = lambda: None,
  ):
    """Opens or creates them; so many of the latest states stay.

    So do those of each multiple of `keep_every`, for good. `before_write` is
    called before each save; it may raise to forbid it.
    """
    quieten_orbax()
    self._states, self._kept = workdir / 'checkpoints', workdir / 'best'
    self._latest = _manager(self._states, keep, keep_every)
    self._best = _manager(self._kept, 1)
    self._best_score: float | None = None
    self._before_write = before_write
    self._watcher: SaveWatcher | None = None

  @property
  def latest_step(self) -> int | None:
    """The step to resume from, or None."""
    return _step_of(self._latest)

  def drop_unfinished(self) -> None:
    """Deletes what killed runs left half written; for the only writer."""
    for folder, manager in self._managers():
      integrity.drop_unfinished(folder)
      if isinstance(folder, BucketPath):  # Where copied steps may count now.
        with orbax_access.refusals(folder):
          manager.reload()

  def _managers(self) -> list[tuple[Place, Any]]:
    return [(self._states, self._latest), (self._kept, self._best)]

  def prepare(self, state: TrainState) -> None:
    """Compiles the checksums of `save`: a preempted host has no time for it."""
    fingerprints(state)

  def save(self, state: TrainState) -> None:
    """Saves a whole state in the background, unless it is there already.

    Raises:
      StorageError: this save, or the one before it, cannot be written.
      DivergedError: a number of the state is not finite.
    """
    step = int(state.step)
    if step in self._latest.all_steps():
      return
    self._before_write()
    watcher = SaveWatcher(self._latest, step)
    record = integrity.integrity_record(step, state)
    items = {integrity.STATE: ocp.args.StandardSave(state)}
    items[integrity.GUARD] = ocp.args.JsonSave(record)
    with _storage_errors(self._states):
      # Nothing later may be on disk before the best that was found earlier:
      # a killed run would resume without it.
      self._best.wait_until_finished()
      saved = self._latest.save(step, args=ocp.args.Composite(**items))
    if not saved:
      raise InputError(
        f'checkpoint of step {step} was refused: a later step '
        f'({self._latest.latest_step()}) lies in the work folder; '
        'use another --workdir'
      )
    self._watcher = watcher
    watcher.start()

  def check(self) -> None:
    """Waits for nothing; raises what kept the last save from the disk."""
    if self._watcher is not None and self._watcher.failure is not None:
      with _storage_errors(self._states):
        raise self._watcher.failure

  def restore(self, abstract: TrainState, shardings: TrainState) -> TrainState:
    """The latest whole state, on any mesh; an InputError if none is whole.

    Later ones that are damaged are moved to `checkpoints_damaged/`.
    """
    folder = self._states
    target = integrity.restore_targets(abstract, shardings)
    steps = [int(step) for step in self._latest.all_steps()]
    read = functools.partial(integrity.read_step, folder, target=target)
    state, damaged = integrity.newest_whole(steps, read, folder)
    if damaged:
      integrity.set_aside(folder, damaged)
      with orbax_access.refusals(folder):
        self._latest.reload()
    return state

  def best_score(self) -> float:
    """The best score so far; minus infinity before the first."""
    if self._best_score is not None:
      return self._best_score
    step = self._best.latest_step()
    if step is None:
      return -math.inf
    arguments = ocp.args.Composite(score=ocp.args.JsonRestore())
    try:
      with orbax_access.refusals(self._kept):
        restored = self._best.restore(step, args=arguments)
      score = float(restored['score']['score'])
      if not math.isfinite(score):  # Nothing would ever be better.
        raise ValueError(score)
      self._best_score = score
      return score
    except StorageError:
      raise
    except (OSError, ValueError, KeyError, TypeError) as error:
      raise InputError(
        f'{self._kept / str(step)}: the score is damaged; move this '
        'folder away, and the best is chosen among the steps to come'
      ) from error

  def save_best(self, step: int, params: Any, score: float) -> None:
    """Replaces the best parameters; raises as `save` does."""
    if step in self._best.all_steps():
      return
    self._before_write()
    record = {'score': score, **integrity.integrity_record(step, params)}
    arguments = ocp.args.Composite(
      params=ocp.args.StandardSave(params), score=ocp.args.JsonSave(record)
    )
    with _storage_errors(self._kept):
      for later in [s for s in self._best.all_steps() if s > step]:
        # Found by a run that was killed before its checkpoint, on another
        # mesh, and beaten here; Orbax would refuse to go back.
        self._best.wait_until_finished()
        self._best.delete(later)
      self._best.save(step, args=arguments)
    self._best_score = score

  def restore_best(self, abstract_params: Any, shardings: Any) -> Any:
    """The best parameters; an InputError where nothing was trained yet."""
    folder = self._kept
    with _storage_errors(folder):
      self._best.wait_until_finished()
    step = self._best.latest_step()
    if step is None:
      raise InputError(f'{folder}: holds no parameters; train first')
    target = integrity.restore_targets(abstract_params, shardings)
    try:
      return self._read_best(step, target)
    except ValueError:
      if not isinstance(folder, BucketPath):
        raise
      return self._read_best(step, target)  # As `integrity.read_step` does.

  def _read_best(self, step: int, target: Any) -> Any:
    arguments = ocp.args.Composite(
      params=ocp.args.StandardRestore(target), score=ocp.args.JsonRestore()
    )
    with orbax_access.refusals(self._kept):
      restored = self._best.restore(step, args=arguments)
    compare(restored['params'], restored['score'], self._kept)
    return restored['params']

  @property
  def best_step(self) -> int:
    """The step of the best parameters; -1 before the first."""
    step = _step_of(self._best)
    return -1 if step is None else step

  def close(self) -> None:
    """Waits until everything is written, or raises a StorageError."""
    for folder, manager in self._managers():
      with _storage_errors(folder):
        manager.wait_until_finished()
        manager.close()
    if self._watcher is not None:
      self._watcher.join()
