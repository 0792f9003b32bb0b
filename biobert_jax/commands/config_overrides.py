"""`--config.KEY=TEXT`: typed values for keys that a config has."""

import ast
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from biobert_jax.commands.nearest import did_you_mean, nearest_path
from biobert_jax.errors import InputError

if TYPE_CHECKING:
  from ml_collections import ConfigDict

# Keys that name files: not empty, and with `~` expanded.
PATH_KEYS = ('data.dir', 'init_from', 'vocab.path')
_BOOLEANS = {'true': True, 'false': False}


def apply(config: 'ConfigDict', overrides: Iterable[tuple[str, str]]) -> None:
  """Sets keys of a config.

  Args:
    config: changed in place; it keeps its keys and their types.
    overrides: (dotted key, text) pairs.

  Raises:
    InputError: no such key, or a text that is no value of its type.
  """
  for key, text in overrides:
    group = _group(config, key)
    name = key.rpartition('.')[2]
    wanted = group.get_type(name)
    group[name] = _value(key, text, wanted)


def _keys(config: 'ConfigDict', prefix: str = '') -> list[str]:
  """All dotted keys of a config, without those of groups."""
  found = []
  for name in config:
    inner = config[name]
    if hasattr(inner, 'get_type'):
      found += _keys(inner, f'{prefix}{name}.')
    else:
      found.append(f'{prefix}{name}')
  return found


def _group(config: 'ConfigDict', key: str) -> 'ConfigDict':
  """The group of keys that holds a dotted key.

  Raises:
    InputError: no such key; names the nearest.
  """
  known = _keys(config)
  if key not in known:
    inside = [name for name in known if name.startswith(f'{key}.')]
    if inside:
      raise InputError(
        f'--config.{key} is a group of keys; set one of them, such as '
        f'--config.{inside[0]}'
      )
    # The last word alone is often right, and only its group forgotten.
    same = [name for name in known if name.rpartition('.')[2] == key]
    hint = did_you_mean(key, same or known, '--config.')
    if same:
      hint = f'; did you mean --config.{same[0]}?'
    raise InputError(f'no config key {key}{hint}')
  group = config
  for name in key.split('.')[:-1]:
    group = group[name]
  return group


def _value(key: str, text: str, wanted: type) -> Any:
  """A text as a value of a type.

  Raises:
    InputError: it is none.
  """
  flag = f'--config.{key}'
  if not text and (key in PATH_KEYS or wanted is not str):
    raise InputError(
      f'{flag} is empty (an unset variable of the shell?); give a value or '
      'leave it out'
    )
  if key in PATH_KEYS:
    text = os.path.expanduser(text)
    if close := nearest_path(text):
      raise InputError(
        f'{flag}={text}: no such file or folder; did you mean {close}?'
      )
  if wanted is bool:
    if text.lower() not in _BOOLEANS:
      raise InputError(f'{flag}={text}; give true or false')
    return _BOOLEANS[text.lower()]
  if wanted is tuple:
    return _tuple(text)
  if wanted in (int, float):
    what = 'a whole number' if wanted is int else 'a number'
    try:
      return wanted(text)
    except ValueError:
      raise InputError(f'{flag}={text}; give {what}') from None
  return text


def _tuple(text: str) -> tuple[Any, ...]:
  """`a,b`, or a tuple or list as Python writes it."""
  try:
    value = ast.literal_eval(text)
  except (SyntaxError, ValueError):
    return tuple(part.strip() for part in text.split(','))
  return tuple(value) if isinstance(value, tuple | list) else (value,)
