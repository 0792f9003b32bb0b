"""The runs of a protocol: its grid, its seeds, its folds.

Wrong flags are refused here, before any compilation.
"""

import copy
import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.training import experiment as experiments
from biobert_jax.training import workdir

# Config keys with the values of one grid configuration.
GridValues = dict[str, Any]
NO_GRID = 'none'
# Section 3.3 of Lee et al. 2019: batches of 10, 16, 32 and 64 sentences. A
# packed sequence of 128 tokens holds some 3.2 of them.
_RATES = 'optim.learning_rate=5e-5,3e-5,1e-5'
PAPER_GRIDS = {
  ('ner', False): f'batch_size=10,16,32,64;{_RATES}',
  ('ner', True): f'batch_size=3,5,10,20;{_RATES}',
}
# Keys that the protocol sets itself.
_RESERVED = ('task', 'seed', 'data.', 'train.keep', 'init_from', 'vocab.')


class Run(NamedTuple):
  """One training of a protocol."""

  stage: str  # 'grid', scored on the dev set; or 'test'.
  name: str  # That of its folder, `runs/NAME`.
  config: ConfigDict
  grid_values: GridValues  # The part of the config that the grid sets.
  fold: str  # '' without folds.
  digest: str  # Of everything that decides its result, except the corpus.


def parse_grid(text: str, config: ConfigDict) -> list[GridValues]:
  """Reads a grid such as `optim.learning_rate=1e-5,3e-5;batch_size=16,32`.

  '' is the paper's grid, where it has one; 'none' has one configuration, the
  config's own values. Of the combinations of values, those of the last key vary
  fastest. An InputError: no such key, or a value that does not fit.
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
      raise InputError(f'--grid: this config has no key {key}')
    if key.startswith(_RESERVED):
      raise InputError(f'--grid: the protocol sets {key} itself')
    axes[key] = [_value(value) for value in values.split(',')]
    if len({repr(value) for value in axes[key]}) != len(axes[key]):
      raise InputError(f'--grid: {key} has the same value twice')
  combined = itertools.product(*axes.values())
  configurations = [dict(zip(axes, v, strict=True)) for v in combined]
  for configuration in configurations:
    changed(config, configuration)  # Refuses wrong values.
  return configurations


def _value(text: str) -> Any:
  try:
    return json.loads(text)
  except ValueError:
    return text.strip()


def changed(config: ConfigDict, changes: dict[str, Any]) -> ConfigDict:
  """A config with other values; an InputError names one that does not fit."""
  other = copy.deepcopy(config)
  for key, value in changes.items():
    try:
      other.update_from_flattened_dict({key: value})
    except (TypeError, ValueError) as error:
      what = ' '.join(str(error).split())
      remedy = 'give values of the type that the config has'
      fault = f'--grid: {key} cannot be {value!r}: {what}; {remedy}'
      raise InputError(fault) from error
  experiments.validate(other)
  return other


def parse_seeds(text: str, config: ConfigDict) -> list[int]:
  """`--seeds=k`: the config's seed and the k - 1 numbers after it."""
  if not text.isdecimal() or int(text) < 1:
    raise InputError(f'--seeds is {text!r}; it must be a number, at least 1')
  return [config.seed + i for i in range(int(text))]


def parse_folds(text: str) -> list[str]:
  """`1-10`, `1,3,5`, or `10` for 1-10; '' for a corpus without folds."""
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


def corpus_folder(config: ConfigDict) -> storage.Place:
  """The folder of a corpus; with folds, the folder that holds them."""
  folder = storage.path(config.data.dir)
  return folder.parent if folder.name.isdecimal() else folder


def check_folds(config: ConfigDict, folds: Sequence[str]) -> None:
  """Raises an InputError that names all missing folds."""
  folder = corpus_folder(config)
  missing = [f for f in folds if f and not storage.is_dir(folder / f)]
  if missing:
    there = [name for name in storage.names(folder) if name.isdecimal()]
    held = ', '.join(sorted(there, key=int)) or 'no folds'
    what = f'no fold {", ".join(missing)}; it holds {held}'
    raise InputError(f'{folder}: {what}; name those with --folds')


def plan_grid(
  config: ConfigDict, configurations: Sequence[GridValues]
) -> list[Run]:
  """Runs that are scored on the dev set; none for a single configuration.

  The test set is not read, and the final parameters are kept: the selected
  configuration trains on the train and dev sets, where nothing is left to stop
  a run earlier. An InputError says that the config has no devel split.
  """
  if len(configurations) == 1:
    return []
  if not config.data.devel_split:
    what = 'data.devel_split is empty, so that a grid has no dev set'
    remedy = 'use --grid=none'
    raise InputError(f'{what} to be scored on; {remedy}')
  ours = {'data.test_split': '', 'train.keep': 'last'}
  return [_run('grid', config, values, ours) for values in configurations]


def plan_tests(
  config: ConfigDict,
  values: GridValues,
  seeds: Sequence[int],
  folds: Sequence[str],
) -> list[Run]:
  """Runs that are scored on the test set: one per seed, of each fold.

  Without folds they train on the train and dev sets. An InputError says that
  the config has no test split.
  """
  data = config.data
  if not data.test_split:
    what = 'data.test_split is empty; a protocol ends with test'
    raise InputError(f'{what}: leave --config.data.test_split out')
  runs = []
  for fold in folds:
    ours: dict[str, Any] = {}
    if fold:
      ours['data.dir'] = str(corpus_folder(config) / fold)
    elif data.devel_split:
      ours = {'data.train_split': 'train_dev', 'data.devel_split': ''}
    for seed in seeds:
      runs.append(_run('test', config, values, ours | {'seed': seed}, fold))
  return runs


def _run(
  stage: str,
  config: ConfigDict,
  values: GridValues,
  ours: dict[str, Any],
  fold: str = '',
) -> Run:
  whole = changed(config, values | ours)
  decides = json.dumps([stage, fold, shared(whole)], sort_keys=True)
  digest = hashlib.sha256(decides.encode()).hexdigest()
  named = [f'{k.split(".")[-1]}={v}' for k, v in values.items()]
  if stage == 'test':
    named = [f'fold{fold}'] * bool(fold) + [f'seed{whole.seed}']
  name = re.sub(r'[^\w.=+-]', '_', '-'.join([stage, *named, digest[:8]]))
  return Run(stage, name, whole, values, fold, digest)


def shared(config: ConfigDict) -> dict[str, Any]:
  """The part of a config that decides results: flat, of JSON values."""
  flat = experiments.flatten(json.loads(config.to_json_best_effort()))
  free = workdir.RESUMABLE_OVERRIDES
  return {k: v for k, v in flat.items() if not k.startswith(free)}
