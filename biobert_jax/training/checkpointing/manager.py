"""Checkpoints by Orbax: the latest states to resume from, and the best.

Under a work folder, `checkpoints/STEP/` hold whole states and `best/STEP/`
the parameters that scored highest on the dev set, with their score. Orbax
writes each aside and renames it when complete; fingerprints beside it show
damage.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import orbax.checkpoint as ocp
from etils import epath

from biobert_jax.checkpoints import integrity
from biobert_jax.checkpoints.formats.array_checksums import fingerprints
from biobert_jax.checkpoints.formats.orbax_params import compare
from biobert_jax.errors import InputError, StorageError, UserError
from biobert_jax.training.checkpointing.orbax_logging import quieten_orbax
from biobert_jax.training.checkpointing.save_watcher import SaveWatcher
from biobert_jax.training.train_step import TrainState


class _Manager(ocp.CheckpointManager):
  """Orbax's, but deaf to preemption, which the loop listens for.

  Both would count on the same sync point, by other numbers, and miss it.
  """

  def reached_preemption(self, step: int) -> bool:
    """Never."""
    del step
    return False


def _manager(folder: epath.Path, keep: int) -> Any:
  options = ocp.CheckpointManagerOptions(
    max_to_keep=keep,
    create=True,
    # Hosts must not disagree on which steps there are.
    single_host_load_and_broadcast=True,
    # Two managers may save at the same time, and must not meet at a barrier.
    multiprocessing_options=ocp.options.MultiprocessingOptions(
      barrier_sync_key_prefix=folder.name
    ),
  )
  return _Manager(folder, options=options)


def _step_of(manager: Any) -> int | None:
  step = manager.latest_step()
  # On several hosts it is NumPy's: broadcast, and no JSON.
  return None if step is None else int(step)


@contextlib.contextmanager
def _storage_errors(folder: epath.Path) -> Iterator[None]:
  """Turns errors of the disk, also in the background, into one line."""
  try:
    yield
  except UserError:
    raise
  # TensorStore's are ValueErrors, JAX's and a barrier's RuntimeErrors.
  except (OSError, ValueError, RuntimeError) as error:
    reason = ' '.join(str(error).split())[:200]
    raise StorageError(
      f'{folder}: {reason}; earlier steps are kept; free some space, then run '
      'the same command again'
    ) from error


class Checkpoints:
  """The checkpoints of one work folder."""

  def __init__(
    self,
    workdir: epath.Path,
    keep: int,
    before_write: Callable[[], None] = lambda: None,
  ):
    """Opens or creates them.

    Args:
      workdir: absolute path of the work folder.
      keep: how many of the latest states stay.
      before_write: called before each save; it may raise to forbid it.
    """
    quieten_orbax()
    self._latest = _manager(workdir / 'checkpoints', keep)
    self._best = _manager(workdir / 'best', 1)
    self._best_score: float | None = None
    self._before_write = before_write
    self._watcher: SaveWatcher | None = None

  @property
  def latest_step(self) -> int | None:
    """The step to resume from, or None."""
    return _step_of(self._latest)

  def drop_unfinished(self) -> None:
    """Deletes what killed runs left half written; for the only writer."""
    for manager in (self._latest, self._best):
      integrity.drop_unfinished(manager.directory)

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
    with _storage_errors(self._latest.directory):
      # Nothing later may be on disk before the best that was found earlier:
      # a killed run would resume without it.
      self._best.wait_until_finished()
      saved = self._latest.save(
        step,
        args=ocp.args.Composite(
          **{
            integrity.STATE: ocp.args.StandardSave(state),
            integrity.GUARD: ocp.args.JsonSave(record),
          }
        ),
      )
    if not saved:
      raise InputError(
        f'checkpoint of step {step} was refused: a later step '
        f'({self._latest.latest_step()}) lies in the work folder; '
        'use another --workdir'
      )
    self._watcher = watcher
    watcher.start()

  def check(self) -> None:
    """Waits for nothing; raises what kept the last save from the disk.

    Raises:
      StorageError: names the folder and the reason.
    """
    if self._watcher is not None and self._watcher.failure is not None:
      with _storage_errors(self._latest.directory):
        raise self._watcher.failure

  def restore(self, abstract: TrainState, shardings: TrainState) -> TrainState:
    """The latest whole state, laid out as `shardings` say, on any mesh.

    Later ones that are damaged are moved to `checkpoints_damaged/`.

    Raises:
      InputError: none is whole.
    """
    folder = self._latest.directory
    steps = [int(step) for step in self._latest.all_steps()]
    read = functools.partial(
      integrity.read_step,
      folder,
      target=integrity.restore_targets(abstract, shardings),
    )
    state, damaged = integrity.newest_whole(steps, read, folder)
    if damaged:
      integrity.set_aside(folder, damaged)
      self._latest.reload()
    return state

  def best_score(self) -> float:
    """The best score so far; minus infinity before the first."""
    if self._best_score is None:
      self._best_score = self._read_best_score()
    return self._best_score

  def _read_best_score(self) -> float:
    step = self._best.latest_step()
    if step is None:
      return -math.inf
    try:
      restored = self._best.restore(
        step, args=ocp.args.Composite(score=ocp.args.JsonRestore())
      )
      return float(restored['score']['score'])
    except (OSError, ValueError, KeyError, TypeError) as error:
      raise InputError(
        f'{self._best.directory / str(step)}: the score is damaged; move this '
        'folder away, and the best is chosen among the steps to come'
      ) from error

  def save_best(self, step: int, params: Any, score: float) -> None:
    """Replaces the best parameters.

    Raises:
      StorageError: this save, or the one before it, cannot be written.
      DivergedError: a parameter is not finite.
    """
    if step in self._best.all_steps():
      return
    self._before_write()
    record = {'score': score, **integrity.integrity_record(step, params)}
    with _storage_errors(self._best.directory):
      for later in [s for s in self._best.all_steps() if s > step]:
        # Found by a run that was killed before its checkpoint, on another
        # mesh, and beaten here; Orbax would refuse to go back.
        self._best.wait_until_finished()
        self._best.delete(later)
      self._best.save(
        step,
        args=ocp.args.Composite(
          params=ocp.args.StandardSave(params),
          score=ocp.args.JsonSave(record),
        ),
      )
    self._best_score = score

  def restore_best(self, abstract_params: Any, shardings: Any) -> Any:
    """The best parameters.

    Raises:
      InputError: nothing was trained in this folder yet.
    """
    with _storage_errors(self._best.directory):
      self._best.wait_until_finished()
    step = self._best.latest_step()
    if step is None:
      raise InputError(
        f'{self._best.directory}: holds no parameters; train first'
      )
    target = integrity.restore_targets(abstract_params, shardings)
    restored = self._best.restore(
      step,
      args=ocp.args.Composite(
        params=ocp.args.StandardRestore(target), score=ocp.args.JsonRestore()
      ),
    )
    compare(restored['params'], restored['score'], self._best.directory)
    return restored['params']

  @property
  def best_step(self) -> int:
    """The step of the best parameters; -1 before the first."""
    step = _step_of(self._best)
    return -1 if step is None else step

  def close(self) -> None:
    """Waits until everything is written.

    Raises:
      StorageError: something could not be.
    """
    for manager in (self._latest, self._best):
      with _storage_errors(manager.directory):
        manager.wait_until_finished()
        manager.close()
    if self._watcher is not None:
      self._watcher.join()
