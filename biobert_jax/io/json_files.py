"""JSON files, written whole or not at all, and read with their faults."""

import json
import logging
import os
import pathlib
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io.atomic import staged

_log = logging.getLogger(__name__)


def write_json(
  path: str | os.PathLike[str], value: Any, sort_keys: bool = False
) -> None:
  """Writes indented JSON, and waits until the disk has it."""
  with staged(path) as aside, open(aside, 'w', encoding='utf-8') as file:
    json.dump(value, file, indent=2, sort_keys=sort_keys, ensure_ascii=False)
    file.write('\n')
    file.flush()
    os.fsync(file.fileno())


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
  """The object in a JSON file, else an InputError; empty without a file."""
  path = pathlib.Path(path)
  if not path.exists():
    return {}
  try:
    value = json.loads(path.read_text(encoding='utf-8'))
  except (OSError, ValueError, RecursionError) as error:
    raise InputError(f'{path}: not JSON ({error}); copy it again') from None
  if not isinstance(value, dict):
    raise InputError(f'{path}: not a JSON object; copy it again')
  return value


def read_json_lines(path: pathlib.Path) -> list[dict[str, Any]]:
  """The objects of a file of our own that is appended to, one per line.

  A line that a crash has cut is left out; without a file there are none.
  """
  objects = []
  for line in path.read_text().splitlines() if path.exists() else ():
    try:
      value = json.loads(line)
    except ValueError:
      value = None
    if isinstance(value, dict):
      objects.append(value)
    else:
      _log.warning('%s: dropped a cut line', path)
  return objects
