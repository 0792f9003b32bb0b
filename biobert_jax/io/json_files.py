"""JSON files, written aside and renamed, and read with their faults."""

import json
import os
import pathlib
from typing import Any

from biobert_jax.errors import InputError


def write_json(path: str | os.PathLike[str], value: Any) -> None:
  """Writes JSON with sorted keys, aside and then renamed."""
  aside = f'{os.fspath(path)}.tmp'
  with open(aside, 'w', encoding='utf-8') as file:
    json.dump(value, file, indent=2, sort_keys=True, ensure_ascii=False)
    file.write('\n')
    file.flush()
    os.fsync(file.fileno())
  os.replace(aside, path)


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
  """The object in a JSON file; empty where there is no file.

  Raises:
    InputError: The file is not JSON, or not an object.
  """
  path = pathlib.Path(path)
  if not path.exists():
    return {}
  try:
    value = json.loads(path.read_text(encoding='utf-8'))
  except (OSError, ValueError, RecursionError) as error:
    raise InputError(
      f'{path}: not readable as JSON ({error}); copy it again'
    ) from None
  if not isinstance(value, dict):
    raise InputError(f'{path}: expected a JSON object; copy it again')
  return value
