"""Finds damage in saved states, and the newest state that has none.

Orbax does not notice a flipped bit, so a record of fingerprints lies beside
each state: `STEP/state/` and `STEP/guard/`.
"""

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from biobert_jax.checkpoints import bucket_steps
from biobert_jax.checkpoints.formats import (
  array_checksums,
  orbax_access,
  orbax_params,
)
from biobert_jax.errors import DivergedError, InputError, StorageError
from biobert_jax.io import storage
from biobert_jax.io.storage import BucketPath, Place

STATE, GUARD = 'state', 'guard'
DAMAGED_FOLDER = 'checkpoints_damaged'
# A tree of arrays: a training state, or parameters alone.
Tree = TypeVar('Tree')
_log = logging.getLogger(__name__)


def integrity_record(step: int, tree: Any) -> dict[str, Any]:
  """The record beside a tree of arrays: step and fingerprints.

  Numbers that are not finite raise `DivergedError`: no relaunch could fix that.
  """
  found, wrong = array_checksums.checksums_and_nonfinite(tree)
  if wrong:
    name, count = next(iter(wrong.items()))
    raise DivergedError(
      f'{count} numbers of {name} are not finite at step {step}, which is not '
      'saved; checkpoints before it are kept; lower '
      '--config.optim.learning_rate, in a new --workdir'
    )
  return {'step': step, 'fingerprints': found}


def restore_targets(abstract: Any, shardings: Any) -> Any:
  """Shapes to restore, and the sharding of each array."""

  def target(x: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)

  return jax.tree.map(target, abstract, shardings)


def read_step(
  folder: Place, step: int, target: Tree
) -> tuple[Tree | None, str]:
  """One saved state, of the shapes of `target`, compared with its record.

  Or None and why it must not be used: the verdict is every host's, the reason
  its own. A StorageError: the bucket does not let us see what is there.
  """
  state, reason = _read_step(folder, step, target)
  if reason and isinstance(folder, BucketPath):
    # TensorStore knows no checksum of the service: bits may flip on their way.
    _log.warning('checkpoint %d in %s: %s; read again', step, folder, reason)
    state, reason = _read_step(folder, step, target)
  return state, reason


def _read_step(
  folder: Place, step: int, target: Tree
) -> tuple[Tree | None, str]:
  state, record, reason, refused = None, {}, '', ''
  path = orbax_access.orbax_path(folder / str(step))
  # The handlers alone: Orbax's managers meet the other hosts when they have
  # read, and would wait there for one that could not.
  try:
    state = ocp.StandardCheckpointHandler().restore(
      path / STATE, args=ocp.args.StandardRestore(target)
    )
    record = ocp.JsonCheckpointHandler().restore(path / GUARD)
    if record['step'] != step:
      reason = f'its record is of step {record["step"]}'
  # A damaged file can make a reader raise anything.
  except Exception as error:
    text = ' '.join(str(error).split())
    reason = f'{type(error).__name__}: {text[:200]}'
    refused = orbax_access.refusal(error)
  if isinstance(folder, BucketPath) and (refused := _agreed(refused)):
    raise StorageError(f'{folder}: {refused}; run the same command again')
  reason = _agreed(reason) or _agreed(_difference(state, record))
  return (None if reason else state), reason


def _difference(state: Any, record: dict[str, Any]) -> str:
  found = array_checksums.fingerprints(state)
  expected = record.get('fingerprints', {})
  if found == expected:
    return ''
  names = [n for n in found if found[n] != expected.get(n)]
  names += [n for n in expected if n not in found]
  return f'{", ".join(names[:3])} differs from its fingerprint'


def damage_of(folder: Place) -> str:
  """Compares a saved state with its record, on this host alone; '' if whole.

  A StorageError: the bucket does not let us see what is there.
  """
  damage = _damage_of(folder)
  if damage and isinstance(folder, BucketPath):
    damage = _damage_of(folder)  # As `read_step` does.
  return damage


def _damage_of(folder: Place) -> str:
  path = orbax_access.orbax_path(folder)
  try:
    if not (path / GUARD).exists():
      return 'its record is missing'
    orbax_params.read_tree(path / STATE, path / GUARD)
  # A damaged file can make a reader raise anything.
  except Exception as error:
    refused = orbax_access.refusal(error)
    if refused and isinstance(folder, BucketPath):
      what = f'{folder}: {refused}; run the same command again'
      raise StorageError(what) from error
    return ' '.join(str(error).split())[:300] or type(error).__name__
  return ''


def _agreed(reason: str) -> str:
  """The reason, or that another host has one."""
  failed = multihost_utils.process_allgather(np.asarray(bool(reason)))
  if reason or not np.any(failed):
    return reason
  return f'host {np.flatnonzero(failed)[0]} could not read it'


def newest_whole(
  steps: Sequence[int],
  read: Callable[[int], tuple[Tree | None, str]],
  folder: Place,
) -> tuple[Tree, list[int]]:
  """Walks back from the latest step to one that is whole.

  `read` gives the state and '', or None and why. Returns the state, and the
  later steps, which are damaged.
  """
  reasons: dict[int, str] = {}
  for step in sorted(steps, reverse=True):
    state, reason = read(step)
    if state is not None:
      return state, list(reasons)
    _log.warning('checkpoint %d in %s is damaged: %s', step, folder, reason)
    reasons[step] = reason
  listed = '; '.join(f'step {step}: {why}' for step, why in reasons.items())
  raise InputError(
    f'{folder}: no checkpoint can be read, so this run does not begin again '
    f'by itself; copy one back, or use a new --workdir ({listed})'
  )


def set_aside(folder: Place, steps: Sequence[int]) -> None:
  """Moves damaged steps to `checkpoints_damaged/STEP` (or `STEP.1`, …).

  The first host moves; all wait for it.
  """
  failure = ''
  if jax.process_index() == 0:
    try:
      for step in steps:
        _move(folder / str(step), folder.parent / DAMAGED_FOLDER)
    except OSError as error:
      failure = f'{folder}: cannot move damaged steps away: {error.strerror}'
  if _agreed(failure):
    raise InputError(failure or f'{folder}: see what the first host says')


def _move(source: Place, into: Place) -> None:
  target, numbers = into / source.name, itertools.count(1)
  while storage.exists(target):
    target = into / f'{source.name}.{next(numbers)}'
  storage.move_tree(source, target)
  _log.warning('moved %s to %s', source, target)


def drop_unfinished(folder: Place) -> None:
  """Deletes steps that a killed run left half written; first host only.

  In a bucket they are set aside where it is in doubt who left them.
  """
  if jax.process_index() != 0:
    return
  for path in storage.glob(folder / '*.orbax-checkpoint-tmp*'):
    storage.remove_tree(path)
    _log.info('deleted %s, which was not finished', path)
  if isinstance(folder, BucketPath):
    bucket_steps.settle(folder)
