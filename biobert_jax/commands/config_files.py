"""Configs: found by name or path from any folder, loaded, overridden."""

import ast
import importlib.util
import os
import pathlib
import sys
import traceback
import types
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from biobert_jax.commands.values import did_you_mean, nearest_path, typed
from biobert_jax.errors import InputError
from biobert_jax.io import storage

if TYPE_CHECKING:
  from ml_collections import ConfigDict

# Keys that name files: not empty, and with `~` expanded.
PATH_KEYS = ('data.dir', 'init_from', 'vocab.path')
_PACKAGE = pathlib.Path(__file__).resolve().parents[1]


def configs_folder() -> pathlib.Path:
  """The experiments that come with the code: installed, inside the package."""
  inside = _PACKAGE / 'configs'
  return inside if inside.is_dir() else _PACKAGE.parent / 'configs'


def config_names() -> list[str]:
  """The names of the experiments that come with the code."""
  return sorted(path.stem for path in configs_folder().glob('[a-z]*.py'))


def find_config(name: str) -> pathlib.Path:
  """The file of a config.

  Args:
    name: a path to a `.py` file, also in a bucket; or the bare name of an
      experiment, or `configs/NAME.py`: in the current folder's `configs`, else
      in `configs_folder`.

  Raises:
    InputError: no such file; names the nearest experiment.
  """
  place = storage.path(name)
  if isinstance(place, storage.BucketPath):
    return _fetched(place)
  path = place
  if path.suffix == '.py' and path.is_file():
    return path
  stem = path.name.removesuffix('.py')
  if path.parent in (pathlib.Path(), pathlib.Path('configs')):
    for folder in (pathlib.Path('configs'), configs_folder()):
      if (found := folder / f'{stem}.py').is_file():
        return found
    known = config_names()
    hint = did_you_mean(stem, known)
    raise InputError(
      f'--config {name}: no such config{hint}'
      + ('' if hint else f'; choose from {", ".join(known)}, or give a path')
    )
  beside = [file.name for file in path.parent.glob('*.py')]
  raise InputError(
    f'--config {name}: no such file'
    + did_you_mean(f'{stem}.py', beside, f'{path.parent}/')
  )


def load_config(
  given: str, overrides: Iterable[tuple[str, str]] = ()
) -> 'ConfigDict':
  """Loads a config and sets what the command line overrides.

  Args:
    given: NAME or PATH, with `:VARIANT` or without.
    overrides: (key, text) pairs, such as ('optim.learning_rate', '3e-5').

  Raises:
    InputError: no such config, variant or key; or a value of another type.
  """
  scheme, mark, rest = given.rpartition('://')
  name, _, variant = rest.partition(':')
  path = find_config(f'{scheme}{mark}{name}')
  module = _load(path)
  if not hasattr(module, 'get_config'):
    raise InputError(f'{path}: has no function get_config(size)')
  try:
    config = module.get_config(*([variant] if variant else []))
  except Exception as error:
    raise InputError(f'--config {given}: {_line(path, error)}') from error
  for key, text in overrides:
    group, name = _group(config, key), key.rpartition('.')[2]
    group[name] = _value(key, text, group.get_type(name))
  for key, group in _keys(config).items():
    name = key.rpartition('.')[2]
    if isinstance(value := group[name], tuple):
      # Such as labels, which may have been written as numbers.
      group[name] = tuple(map(str, value))
  return config


def _fetched(place: storage.BucketPath) -> pathlib.Path:
  """The local copy of a config file; of a folder `configs`, beside the rest."""
  if not storage.exists(place):
    raise InputError(f'--config {place}: no such object; check the name')
  if place.parent.name == 'configs':
    return storage.local(place.parent) / place.name
  return storage.local(place)


def _load(path: pathlib.Path) -> types.ModuleType:
  _offer_shared_keys(path.parent)
  # A member of `configs`: a copy elsewhere finds `.common` as well.
  name = f'configs.{path.stem}'
  spec = importlib.util.spec_from_file_location(name, path)
  assert spec is not None
  assert spec.loader is not None
  module = importlib.util.module_from_spec(spec)
  try:
    spec.loader.exec_module(module)
  except Exception as error:
    raise InputError(f'{path}: {_line(path, error)}') from error
  return module


def _offer_shared_keys(folder: pathlib.Path) -> None:
  """Makes `configs.common` importable: installed, no package `configs` exists.

  Where the config's own folder is a `configs`, what it shares comes first.
  """
  if 'configs' not in sys.modules:
    own = [str(folder.resolve())] * (folder.resolve().name == 'configs')
    package = types.ModuleType('configs')
    package.__path__ = [*own, str(configs_folder())]
    sys.modules['configs'] = package


def _line(path: pathlib.Path, error: Exception) -> str:
  """The mistake in a config file, and its place, in one line."""
  what = ' '.join(str(error).split()) or type(error).__name__
  if isinstance(error, ValueError):  # Raised by it for whom it may concern.
    return what
  lines = [
    frame.lineno
    for frame in traceback.extract_tb(error.__traceback__)
    if pathlib.Path(frame.filename) == path
  ]
  where = f'line {lines[-1]}: ' if lines else ''
  return f'{where}{type(error).__name__}: {what}'


def _keys(config: 'ConfigDict', prefix: str = '') -> dict[str, 'ConfigDict']:
  """All dotted keys of a config, each with the group that holds it."""
  found: dict[str, ConfigDict] = {}
  for name, inner in config.items():
    if hasattr(inner, 'get_type'):
      found |= _keys(inner, f'{prefix}{name}.')
    else:
      found[f'{prefix}{name}'] = config
  return found


def _group(config: 'ConfigDict', key: str) -> 'ConfigDict':
  """The group of a dotted key; an InputError names the nearest key."""
  known = _keys(config)
  if key in known:
    return known[key]
  inside = [name for name in known if name.startswith(f'{key}.')]
  if inside:
    what = f'--config.{key} is a group of keys'
    raise InputError(f'{what}; set one of them, such as --config.{inside[0]}')
  # The last word alone is often right, and only its group forgotten.
  same = [name for name in known if name.rpartition('.')[2] == key]
  hint = did_you_mean(key, known, '--config.')
  if same:
    hint = f'; did you mean --config.{same[0]}?'
  raise InputError(f'no config key {key}{hint}')


def _value(key: str, text: str, wanted: type) -> Any:
  """A text as a value of a type, or `InputError`."""
  flag = f'--config.{key}'
  if not text and (key in PATH_KEYS or wanted is not str):
    what = f'{flag} is empty (an unset variable of the shell?)'
    raise InputError(f'{what}; give a value or leave it out')
  if key in PATH_KEYS:
    text = os.path.expanduser(text)
    storage.path(text)
    if close := nearest_path(text):
      what = f'{flag}={text}: no such file or folder; did you mean {close}?'
      raise InputError(what)
  if wanted is tuple:
    return _tuple(text)
  return typed(f'{flag}={text}', text, wanted)


def _tuple(text: str) -> tuple[Any, ...]:
  """`a,b`, or a tuple or list as Python writes it."""
  try:
    value = ast.literal_eval(text)
  except (SyntaxError, ValueError):
    return tuple(part.strip() for part in text.split(','))
  return tuple(value) if isinstance(value, tuple | list) else (value,)
