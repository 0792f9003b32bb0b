"""The parameters of a run's steps, also while the run goes on.

`best/STEP/` holds the parameters that scored highest, `checkpoints/STEP/` a
whole state. Orbax gives a step its name when it is complete; the run deletes
old steps, perhaps while they are read here.
"""

import errno
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from biobert_jax.checkpoints import bucket_steps, integrity
from biobert_jax.checkpoints.formats import orbax_params
from biobert_jax.errors import BucketError, InputError
from biobert_jax.io import storage
from biobert_jax.io.storage import BucketPath, Place

BEST, LATEST = 'best', 'latest'
# Of the same step, parameters alone are read sooner than a whole state.
_FOLDERS = ('best', 'checkpoints')
_DELETING_SECONDS = 1.0  # How long a step may take to vanish.
_log = logging.getLogger(__name__)


def selects(config: Mapping[str, Any]) -> bool:
  """Whether a run's scores on the dev set choose what it keeps."""
  data = config['data']
  scores = bool(data['devel_split']) and data['train_split'] != 'train_dev'
  return scores and config['train']['keep'] == 'best'


def saved(run: Place, folders: Sequence[str] = _FOLDERS) -> list[Place]:
  """The folders of all complete steps of a run, the newest first."""
  steps: list[Place] = []
  for folder in (run / name for name in folders):
    if isinstance(folder, BucketPath):
      steps += bucket_steps.complete(folder)
    else:
      steps += [path for path in folder.glob('*') if path.name.isdecimal()]
  return sorted(steps, key=lambda path: -int(path.name))


def candidates(run: Place, config: Mapping[str, Any], step: str) -> list[Place]:
  """The folders that a step means, the first choice first.

  `step` is 'best', 'latest' or a number; '' is the best where the run chooses
  one and has one, else the latest. A whole state of the best step has the same
  parameters; no other step stands in for the best.
  """
  every = saved(run)
  best = {path.name for path in every if path.parent.name == BEST}
  if step == BEST or (not step and best and selects(config)):
    return [path for path in every if path.name in best]
  if step in ('', LATEST):
    return every
  return [path for path in every if int(path.name) == int(step)]


def weights_of(step: Place) -> Place:
  """The folder whose files identify the weights of a step."""
  return step.parent if step.parent.name == BEST else step


def weights(run: Place, config: Mapping[str, Any], step: str) -> Place:
  """The folder of the weights that a step means, which may be gone."""
  for found in candidates(run, config, step):
    return weights_of(found)
  named = step in ('', BEST, LATEST)
  return run / BEST if named else run / 'checkpoints' / step


def read(run: Place, config: Mapping[str, Any], step: str) -> tuple[Place, Any]:
  """The folder and the parameters of a step, on the host, found whole.

  Where a step is damaged, or deleted while it is read, the next newest of
  `candidates` is read instead, and said. An InputError: there is none.
  """
  failures: dict[Place, InputError] = {}
  while True:
    found = candidates(run, config, step)
    left = [path for path in found if path not in failures]
    if not left:
      raise _none_left(run, step, failures)
    try:
      params = _read(left[0])
    # A damaged file can make a reader raise anything.
    except Exception as error:
      if is_refused(error):
        raise
      failures[left[0]] = _failure(left[0], error)
      _log.warning('%s', failures[left[0]])
      continue
    chosen = left[0].parent.name == BEST and selects(config)
    how = 'the best on the dev set' if chosen else f'of {left[0].parent.name}/'
    newest = max((int(path.name) for path in saved(run)), default=0)
    _log.info(
      '%s: parameters of step %s, %s (the newest step there is %d)',
      *(run, left[0].name, how, newest),
    )
    return left[0], params


def _read(step: Place) -> Any:
  folder = storage.local(step)
  try:
    if step.parent.name == BEST:
      return orbax_params.read_tree(folder / 'params', folder / 'score')
    guard = folder / integrity.GUARD
    if not guard.exists():
      raise InputError(f'{folder}: its record is missing; copy it again')
    state = orbax_params.read_tree(folder / integrity.STATE, guard, 'params')
  except InputError as error:  # Its copy is as damaged as what is there.
    raise InputError(storage.shown(str(error))) from error
  return state['params']


def is_refused(error: Exception) -> bool:
  """Whether a bucket could not be read, which says nothing about the step."""
  # A run deletes and replaces steps while they are read.
  gone = getattr(error, 'errno', None) in (errno.ENOENT, errno.ESTALE)
  return isinstance(error, BucketError) and not gone


def _failure(folder: Place, error: Exception) -> InputError:
  """Why a step could not be read: the run has deleted it, or it is damaged."""
  until = time.monotonic() + _DELETING_SECONDS
  while storage.exists(folder) and time.monotonic() < until:
    time.sleep(0.1)
  if not storage.exists(folder):
    return InputError(f'{folder}: deleted by the run while it was read')
  if isinstance(error, InputError):
    return error
  reason = f'{type(error).__name__}: {" ".join(str(error).split())[:200]}'
  return InputError(f'{folder}: damaged ({reason}); copy it again')


def _none_left(
  run: Place, step: str, failures: Mapping[Place, InputError]
) -> InputError:
  there = sorted({int(path.name) for path in saved(run)})
  others = [n for n in there if str(n) not in {p.name for p in failures}]
  listed = ', '.join(map(str, others))
  if failures:
    why = '; '.join(map(str, failures.values()))
    if others and step in ('', BEST):
      why += '; no other step stands in for the best'
    return InputError(why + (f'; or use step {listed}' if others else ''))
  if not there:
    return InputError(f'{run / BEST}: holds no parameters; train first')
  if step == BEST:
    what = f'{run}: no best parameters are chosen yet; use the step latest'
    return InputError(f'{what}, or one of {listed}')
  return InputError(f'{run}: has no step {step}; it has {listed}')
