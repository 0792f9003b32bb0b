"""Which runs a protocol has: its grid, its seeds, its folds.

Everything a user can get wrong is found here, before any compilation.
"""

import copy
import dataclasses
import hashlib
import itertools
import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from biobert_jax.errors import InputError
from biobert_jax.training import experiment as experiments
from biobert_jax.training import workdir

Point = dict[str, Any]
NO_GRID = 'none'
# Of the paper, section 3.3 of Lee et al. 2019: batches of 10, 16, 32, 64
# sentences; as rows of 128 that are packed, some 3.2 sentences each.
_RATES = 'optim.learning_rate=5e-5,3e-5,1e-5'
PAPER_GRIDS = {
  ('ner', False): f'batch_size=10,16,32,64;{_RATES}',
  ('ner', True): f'batch_size=3,5,10,20;{_RATES}',
}
# What the protocol sets itself.
_OURS = ('task', 'seed', 'data.', 'train.keep', 'init_from', 'vocab.')


@dataclasses.dataclass(frozen=True)
class Run:
  """One training of a protocol.

  Attributes:
    stage: 'grid', scored on devel; or 'test'.
    name: of its folder, `runs/NAME`.
    config: all of it.
    point: what of it the grid chose.
    fold: of a corpus in folds, '' for others.
    digest: of all that decides its result, but for the corpus.
  """

  stage: str
  name: str
  config: ConfigDict
  point: Point
  fold: str
  digest: str

  @property
  def seed(self) -> int:
    """Of initialisation, dropout and the order of the data."""
    seed: int = self.config.seed
    return seed


def parse_grid(text: str, config: ConfigDict) -> list[Point]:
  """The points of a grid: `optim.learning_rate=1e-5,3e-5;batch_size=16,32`.

  Args:
    text: as above; '' is the paper's, where it has one; 'none' has one point,
      the config's own values.
    config: the experiment.

  Returns:
    Each combination of values, those of the last key first.

  Raises:
    InputError: no such key, a value of another type or out of range.
  """
  if not text:
    pack = config.task == 'ner' and config.data.pack
    text = PAPER_GRIDS.get((config.task, pack), NO_GRID)
  if text == NO_GRID:
    return [{}]
  axes: dict[str, list[Any]] = {}
  for part in text.split(';'):
    key, equals, values = part.strip().partition('=')
    if not equals or not values:
      raise InputError(f'--grid: {part!r} is not KEY=VALUE,VALUE,…')
    if key not in experiments.flatten(config):
      raise InputError(f'--grid: {key} is no key of this config')
    if key.startswith(_OURS):
      raise InputError(f'--grid: {key} is not for a grid to choose')
    axes[key] = [_value(value) for value in values.split(',')]
    if len({repr(value) for value in axes[key]}) != len(axes[key]):
      raise InputError(f'--grid: a value of {key} stands there twice')
  combined = itertools.product(*axes.values())
  points = [dict(zip(axes, values, strict=True)) for values in combined]
  for point in points:
    changed(config, point)
  return points


def _value(text: str) -> Any:
  try:
    return json.loads(text)
  except ValueError:
    return text.strip()


def changed(config: ConfigDict, changes: dict[str, Any]) -> ConfigDict:
  """A config with other values, checked.

  Raises:
    InputError: a value of another type, or out of range.
  """
  other = copy.deepcopy(config)
  for key, value in changes.items():
    try:
      other.update_from_flattened_dict({key: value})
    except (TypeError, ValueError) as error:
      what = ' '.join(str(error).split())
      raise InputError(f'{key} cannot be {value!r}: {what}') from error
  experiments.validate(other)
  return other


def parse_seeds(text: str, config: ConfigDict) -> list[int]:
  """`--seeds=k`: the config's seed and those that follow it.

  Raises:
    InputError: not a number, or below 1.
  """
  if not text.isdecimal() or int(text) < 1:
    raise InputError(f'--seeds is {text!r}; it must be a number, at least 1')
  return [config.seed + i for i in range(int(text))]


def parse_folds(text: str) -> list[str]:
  """`1-10`, `1,3,5`, or `10` for 1-10; '' for a corpus without folds.

  Raises:
    InputError: none of these.
  """
  if not text:
    return ['']
  if text.isdecimal():
    text = f'1-{text}'
  found: list[int] = []
  for part in text.split(','):
    match = re.fullmatch(r'(\d+)(?:-(\d+))?', part)
    if match is None:
      raise InputError(f'--folds is {text!r}; write 10, 1-10 or 1,3,5')
    first = int(match[1])
    found += range(first, int(match[2] or first) + 1)
  if not found or len(set(found)) != len(found):
    raise InputError(f'--folds is {text!r}; name each fold once')
  return [str(fold) for fold in found]


def corpus_folder(config: ConfigDict) -> pathlib.Path:
  """The folder of a corpus: of one in folds, the folder that holds them."""
  folder = pathlib.Path(config.data.dir).expanduser()
  return folder.parent if folder.name.isdecimal() else folder


def check_folds(config: ConfigDict, folds: Sequence[str]) -> None:
  """Refuses folds that are not there.

  Raises:
    InputError: names all that are missing.
  """
  folder = corpus_folder(config)
  missing = [f for f in folds if f and not (folder / f).is_dir()]
  if missing:
    there = [p.name for p in folder.glob('*') if p.name.isdecimal()]
    held = ', '.join(sorted(there, key=int)) or 'no folds'
    raise InputError(
      f'{folder}: no fold {", ".join(missing)}; it holds {held}; name those '
      'with --folds'
    )


def plan_grid(config: ConfigDict, points: Sequence[Point]) -> list[Run]:
  """Runs that are scored on devel; none where there is nothing to choose.

  Test is left alone, and the parameters are those of the last step: when the
  best point trains on train and devel, nothing is left to stop it earlier.

  Raises:
    InputError: the config has no devel split.
  """
  if len(points) == 1:
    return []
  if not config.data.devel_split:
    raise InputError(
      'data.devel_split is empty, so that there is nothing to choose by; '
      'leave --grid out, or use --grid=none'
    )
  ours = {'data.test_split': '', 'train.keep': 'last'}
  return [_run('grid', config, point, ours) for point in points]


def plan_tests(
  config: ConfigDict, point: Point, seeds: Sequence[int], folds: Sequence[str]
) -> list[Run]:
  """Runs that are scored on test: each fold, or train and devel, a seed each.

  Raises:
    InputError: the config has no test split.
  """
  data = config.data
  if not data.test_split:
    raise InputError('data.test_split is empty; a protocol ends with test')
  runs = []
  for fold in folds:
    ours: dict[str, Any] = {}
    if fold:
      ours['data.dir'] = str(corpus_folder(config) / fold)
    elif data.devel_split:
      ours = {'data.train_split': 'train_dev', 'data.devel_split': ''}
    for seed in seeds:
      runs.append(_run('test', config, point, ours | {'seed': seed}, fold))
  return runs


def _run(
  stage: str,
  config: ConfigDict,
  point: Point,
  ours: dict[str, Any],
  fold: str = '',
) -> Run:
  whole = changed(config, point | ours)
  digest = digest_of([stage, fold, shared(whole)])
  named = [f'{k.split(".")[-1]}={v}' for k, v in point.items()]
  if stage == 'test':
    named = [f'fold{fold}'] * bool(fold) + [f'seed{whole.seed}']
  name = re.sub(r'[^\w.=+-]', '_', '-'.join([stage, *named, digest[:8]]))
  return Run(stage, name, whole, point, fold, digest)


def shared(config: ConfigDict) -> dict[str, Any]:
  """What of a config decides results: flat, of JSON values."""
  text = config.to_json_best_effort()
  return {
    key: value
    for key, value in experiments.flatten(json.loads(text)).items()
    if not key.startswith(workdir.RESUMABLE_OVERRIDES)
  }


def digest_of(value: Any) -> str:
  """SHA-256 of a JSON value."""
  return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
