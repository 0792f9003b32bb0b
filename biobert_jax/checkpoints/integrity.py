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
from etils import epath
from jax.experimental import multihost_utils

from biobert_jax.checkpoints.formats import array_checksums, orbax_params
from biobert_jax.errors import DivergedError, InputError

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
  folder: epath.Path, step: int, target: Tree
) -> tuple[Tree | None, str]:
  """One saved state, of the shapes of `target`, compared with its record.

  Or None and why it must not be used: the verdict is every host's, the reason
  its own.
  """
  state, record, reason = None, {}, ''
  # The handlers alone: Orbax's managers meet the other hosts when they have
  # read, and would wait there for one that could not.
  try:
    state = ocp.StandardCheckpointHandler().restore(
      folder / str(step) / STATE, args=ocp.args.StandardRestore(target)
    )
    record = ocp.JsonCheckpointHandler().restore(folder / str(step) / GUARD)
    if record['step'] != step:
      reason = f'its record is of step {record["step"]}'
  # A damaged file can make a reader raise anything.
  except Exception as error:
    text = ' '.join(str(error).split())
    reason = f'{type(error).__name__}: {text[:200]}'
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


def damage_of(folder: epath.Path) -> str:
  """Compares a saved state with its record, on this host alone; '' if whole."""
  try:
    if not (folder / GUARD).exists():
      return 'its record is missing'
    orbax_params.read_tree(folder / STATE, folder / GUARD)
  # A damaged file can make a reader raise anything.
  except Exception as error:
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
  folder: epath.Path,
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


def set_aside(folder: epath.Path, steps: Sequence[int]) -> None:
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


def _move(source: epath.Path, into: epath.Path) -> None:
  into.mkdir(parents=True, exist_ok=True)
  target, numbers = into / source.name, itertools.count(1)
  while target.exists():
    target = into / f'{source.name}.{next(numbers)}'
  source.rename(target)
  _log.warning('moved %s to %s', source, target)


def drop_unfinished(folder: epath.Path) -> None:
  """Deletes steps that a killed run left half written; first host only."""
  if jax.process_index() == 0:
    for path in folder.glob('*.orbax-checkpoint-tmp*'):
      path.rmtree(missing_ok=True)
      _log.info('deleted %s, which was not finished', path)
