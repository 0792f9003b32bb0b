"""Finds damage in saved states, and the newest state that has none.

Orbax notices a file that is missing or cut short, but not a flipped bit. So a
record of fingerprints lies beside each state: `STEP/state/` and `STEP/guard/`.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils

from biobert_jax.checkpoints.formats.array_checksums import (
  checksums_and_nonfinite,
  fingerprints,
)
from biobert_jax.errors import DivergedError, InputError

STATE, GUARD = 'state', 'guard'
DAMAGED_FOLDER = 'checkpoints_damaged'
# A tree of arrays: a training state, or parameters alone.
Tree = TypeVar('Tree')
_log = logging.getLogger(__name__)


def integrity_record(step: int, tree: Any) -> dict[str, Any]:
  """The record that is stored beside a tree of arrays.

  Args:
    step: training steps done.
    tree: the arrays, on the host or on any mesh.

  Returns:
    The step and the fingerprint of each array.

  Raises:
    DivergedError: a number is not finite. No relaunch could fix that, and
      the checkpoint would displace a good one.
  """
  found, wrong = checksums_and_nonfinite(tree)
  if wrong:
    name, count = next(iter(wrong.items()))
    raise DivergedError(
      f'{count} numbers of {name} are not finite at step {step}, which is not '
      'saved; checkpoints before it are kept; lower optim.learning_rate'
    )
  return {'step': step, 'fingerprints': found}


def restore_targets(abstract: Any, shardings: Any) -> Any:
  """Shapes to restore, and the sharding of each array."""
  return jax.tree.map(
    lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
    abstract,
    shardings,
  )


def read_step(
  folder: epath.Path, step: int, target: Tree
) -> tuple[Tree | None, str]:
  """One saved state, compared with its record.

  Args:
    folder: holds `STEP/`.
    step: its number.
    target: of `restore_targets`.

  Returns:
    The state and '', or None and why it must not be used. Every host gets the
    same verdict; the reason is its own.
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
    reason = _line(error)
  reason = _agreed(reason)
  if not reason:
    reason = _agreed(_difference(state, record))
  return (None if reason else state), reason


def _difference(state: Any, record: dict[str, Any]) -> str:
  found = fingerprints(state)
  expected = record.get('fingerprints', {})
  if found == expected:
    return ''
  names = [n for n in found if found[n] != expected.get(n)]
  names += [n for n in expected if n not in found]
  return f'{", ".join(names[:3])} differs from its fingerprint'


def _line(error: Exception) -> str:
  text = ' '.join(str(error).split())
  return f'{type(error).__name__}: {text[:200]}'


def _agreed(reason: str) -> str:
  """The reason, or that another host has one."""
  failed = multihost_utils.process_allgather(np.asarray(bool(reason)))
  if reason or not np.any(failed):
    return reason
  hosts = np.flatnonzero(failed).tolist()
  return f'host {hosts[0]} could not read it'


def newest_whole(
  steps: Sequence[int],
  read: Callable[[int], tuple[Tree | None, str]],
  folder: epath.Path,
) -> tuple[Tree, list[int]]:
  """Walks back from the latest step to one that is whole.

  Args:
    steps: those that are saved.
    read: step -> the state and '', or None and why.
    folder: where they lie; for messages.

  Returns:
    The state, and the later steps, which are damaged.

  Raises:
    InputError: no step is whole; names each with its reason.
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
  """Moves damaged steps out of the way of those that will be saved again.

  They go to `checkpoints_damaged/STEP` beside the folder, or `STEP.1`, … where
  that is taken. The first host moves; all wait for it.

  Raises:
    InputError: they cannot be moved.
  """
  failure = ''
  if jax.process_index() == 0:
    try:
      for step in steps:
        _move(folder / str(step), folder.parent / DAMAGED_FOLDER)
    except OSError as error:
      failure = f'{folder}: cannot move damaged steps away: {error.strerror}'
  failed = multihost_utils.process_allgather(np.asarray(bool(failure)))
  if np.any(failed):
    raise InputError(failure or f'{folder}: see what the first host says')


def _move(source: epath.Path, into: epath.Path) -> None:
  into.mkdir(parents=True, exist_ok=True)
  target, n = into / source.name, 0
  while target.exists():
    n += 1
    target = into / f'{source.name}.{n}'
  source.rename(target)
  _log.warning('moved %s to %s', source, target)


def drop_unfinished(folder: epath.Path) -> None:
  """Deletes steps that a killed run left half written; first host only.

  Orbax ignores them, but takes one away only when that step is saved again.
  """
  if jax.process_index() == 0:
    for path in folder.glob('*.orbax-checkpoint-tmp*'):
      path.rmtree(missing_ok=True)
      _log.info('deleted %s, which was not finished', path)
