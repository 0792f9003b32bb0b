"""JSON files, written whole or not at all, and read with their faults."""

import json
import logging
import os
import pathlib
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.atomic import atomic_write
from biobert_jax.io.storage import AnyPath, Place

_log = logging.getLogger(__name__)


def json_text(
  value: Any, indent: int = 2, sort_keys: bool = False, ascii: bool = False
) -> str:
  """JSON for people: indented, with a newline at its end.

  With `ascii` all other characters are escaped.
  """
  text = json.dumps(
    value, indent=indent, sort_keys=sort_keys, ensure_ascii=ascii
  )
  return text + '\n'


def write_json(path: AnyPath, value: Any, **form: Any) -> None:
  """Writes `json_text(value, **form)`, and waits until the disk has it."""
  text = json_text(value, **form)
  with atomic_write(path) as file:
    file.write(text)


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


def read_json_lines(path: Place) -> list[dict[str, Any]]:
  """The objects of a file of our own that is appended to, one per line.

  A line that a crash has cut is left out; without a file there are none.
  """
  try:
    text = storage.read_text(path)
  except FileNotFoundError:
    return []
  return parse_json_lines(text, path)


def parse_json_lines(text: str, path: Place) -> list[dict[str, Any]]:
  """The objects of the text of such a file; the path is for messages."""
  objects = []
  for line in text.splitlines():
    try:
      value = json.loads(line)
    except ValueError:
      value = None
    if isinstance(value, dict):
      objects.append(value)
    else:
      _log.warning('%s: dropped a cut line', path)
  return objects
