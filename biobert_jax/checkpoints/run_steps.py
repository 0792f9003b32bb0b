"""The parameters of a run's steps, also while the run goes on.

`best/STEP/` holds the parameters that scored highest, `checkpoints/STEP/` a
whole state. Orbax gives a step its name when it is complete; the run deletes
old steps, perhaps while they are read here.
"""

import logging
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from biobert_jax.checkpoints import integrity
from biobert_jax.checkpoints.formats import orbax_params
from biobert_jax.errors import InputError

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


def saved(
  run: pathlib.Path, folders: Sequence[str] = _FOLDERS
) -> list[pathlib.Path]:
  """The folders of all complete steps of a run, the newest first."""
  found = [p for name in folders for p in (run / name).glob('*')]
  steps = [path for path in found if path.name.isdecimal()]
  return sorted(steps, key=lambda path: -int(path.name))


def candidates(
  run: pathlib.Path, config: Mapping[str, Any], step: str
) -> list[pathlib.Path]:
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


def weights_of(step: pathlib.Path) -> pathlib.Path:
  """The folder whose files identify the weights of a step."""
  return step.parent if step.parent.name == BEST else step


def weights(
  run: pathlib.Path, config: Mapping[str, Any], step: str
) -> pathlib.Path:
  """The folder of the weights that a step means, which may be gone."""
  for found in candidates(run, config, step):
    return weights_of(found)
  named = step in ('', BEST, LATEST)
  return run / BEST if named else run / 'checkpoints' / step


def read(
  run: pathlib.Path, config: Mapping[str, Any], step: str
) -> tuple[pathlib.Path, Any]:
  """The folder and the parameters of a step, on the host, found whole.

  Where a step is damaged, or deleted while it is read, the next newest of
  `candidates` is read instead, and said. An InputError: there is none.
  """
  failures: dict[pathlib.Path, InputError] = {}
  while True:
    found = candidates(run, config, step)
    left = [path for path in found if path not in failures]
    if not left:
      raise _none_left(run, step, failures)
    try:
      params = _read(epath.Path(left[0]))
    # A damaged file can make a reader raise anything.
    except Exception as error:
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


def _read(folder: epath.Path) -> Any:
  if folder.parent.name == BEST:
    return orbax_params.read_tree(folder / 'params', folder / 'score')
  guard = folder / integrity.GUARD
  if not guard.exists():
    raise InputError(f'{folder}: its record is missing; copy it again')
  state = orbax_params.read_tree(folder / integrity.STATE, guard, 'params')
  return state['params']


def _failure(folder: pathlib.Path, error: Exception) -> InputError:
  """Why a step could not be read: the run has deleted it, or it is damaged."""
  until = time.monotonic() + _DELETING_SECONDS
  while folder.exists() and time.monotonic() < until:
    time.sleep(0.1)
  if not folder.exists():
    return InputError(f'{folder}: deleted by the run while it was read')
  if isinstance(error, InputError):
    return error
  reason = f'{type(error).__name__}: {" ".join(str(error).split())[:200]}'
  return InputError(f'{folder}: damaged ({reason}); copy it again')


def _none_left(
  run: pathlib.Path, step: str, failures: Mapping[pathlib.Path, InputError]
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
