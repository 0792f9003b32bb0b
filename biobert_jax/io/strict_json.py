"""JSON read strictly: faults are named by place or id; so is a repeated key."""

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any, TypeVar

from biobert_jax.errors import InputError
from biobert_jax.io.lines import read_text

Value = TypeVar('Value')


def read_object(path: str, *, numbers_as_text: bool = False) -> dict[str, Any]:
  """Reads a file ('-': standard input) of one object; see `parse_object`."""
  return parse_object(path, read_text(path), numbers_as_text=numbers_as_text)


def parse_object(
  path: str, text: str, *, first_line: int = 1, numbers_as_text: bool = False
) -> dict[str, Any]:
  """The JSON object of a text, such as a file's, or that of one of its lines.

  Args:
    path: of the file, for messages.
    first_line: of the text in the file.
    numbers_as_text: whether a number is kept as it is written.

  Raises:
    InputError: it is not JSON (NaN is none) or no object, or has a key twice.
  """

  def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
      key = Counter(key for key, _ in pairs).most_common(1)[0][0]
      where = f' (id {found["id"]})' if 'id' in found else ''
      what = f'{path}: key {key!r} stands twice in an object{where}'
      raise InputError(f'{what}; keep one of the two')
    return found

  def refuse(constant: str) -> None:
    raise InputError(f'{path}: {constant} is not JSON; write a number or text')

  number: Callable[[str], Any] | None = str if numbers_as_text else None
  try:
    content = json.loads(
      text,
      object_pairs_hook=unique,
      parse_constant=refuse,
      parse_int=number,
      parse_float=number,
    )
  except json.JSONDecodeError as error:
    what = f'is not JSON ({error.msg}, column {error.colno}); fix the file'
    line = first_line + error.lineno - 1
    raise InputError.at(path, line, what) from error
  except (RecursionError, ValueError) as error:
    if isinstance(error, InputError):
      raise
    what = f'{path}: is not JSON that can be read ({str(error)[:80]})'
    raise InputError(f'{what}; fix the file') from error
  if not isinstance(content, dict):
    what = f'{path}: holds no JSON object but {str(content)[:40]!r}'
    raise InputError(f'{what}; write an object, {{...}}')
  return content


def require_id(path: str, place: str, row: Any, known: Container[str]) -> str:
  """The `id` of an object; an InputError if it has none or it is known."""
  id_ = require_text(path, place, row, 'id')
  if id_ in known:
    what = f'{path}: {place}: the id {id_} stands twice'
    raise InputError(f'{what}; give each question one id and one place')
  return id_


def require_text(path: str, place: str, row: Any, key: str) -> str:
  """The text under a key, or its integer as text; else an InputError."""
  if isinstance(row, dict) and type(row.get(key)) is int:
    return str(row[key])
  return _require(path, place, row, key, str, 'a text')


def require_list(path: str, place: str, row: Any, key: str) -> list[Any]:
  """The list under a key; an InputError if there is none."""
  return _require(path, place, row, key, list, 'a list')


def require_rows(path: str, place: str, row: Any, key: str) -> list[Any]:
  """The list of objects under a key; an InputError if there is none.

  One object may stand for its list, and so may its columns, as the hub's
  datasets have them: `{"text": ["a", "b"], "answer_start": [3, 9]}`.
  """
  value = row.get(key) if isinstance(row, dict) else None
  if not isinstance(value, dict):
    return require_list(path, place, row, key)
  columns = list(value.values())
  if not columns or not all(isinstance(column, list) for column in columns):
    return [value]
  if len({len(column) for column in columns}) > 1:
    sizes = ', '.join(f'{name} has {len(value[name])}' for name in value)
    what = f'{path}: {place}: the lists under {key!r} differ in length ({sizes}'
    raise InputError(f'{what}); give one of each for every answer')
  rows = zip(*columns, strict=True)
  return [dict(zip(value, cells, strict=True)) for cells in rows]


def squad_rows(path: str, content: Any) -> Iterator[tuple[str, Any, Any]]:
  """(place, question, its paragraph) of each question of a SQuAD file.

  Where `data` lists questions, each with its context, as `run_qa.py` of
  transformers reads them, a question is its own paragraph.
  """
  for i, article in enumerate(require_list(path, '', content, 'data')):
    where = f'data[{i}]'
    flat = isinstance(article, dict) and 'paragraphs' not in article
    if flat and 'id' in article:
      yield where, article, article
      continue
    paragraphs = require_list(path, where, article, 'paragraphs')
    for j, paragraph in enumerate(paragraphs):
      there = f'{where}.paragraphs[{j}]'
      for k, row in enumerate(require_list(path, there, paragraph, 'qas')):
        yield f'{there}.qas[{k}]', row, paragraph


def _require(
  path: str, place: str, row: Any, key: str, kind: type[Value], what: str
) -> Value:
  where = f'{path}: {place}: ' if place else f'{path}: '
  if not isinstance(row, dict):
    found = f'{str(row)[:40]!r} is not an object'
  elif key not in row:
    found = f'{key!r} is missing'
  elif isinstance(value := row[key], kind):
    return value
  else:
    found = f'{key!r} is {str(row[key])[:40]!r}'
  raise InputError(f'{where}{found}; write {what} under {key!r}')


def some(ids: Iterable[str]) -> str:
  """The first id in order, and how many more there are."""
  first, *others = sorted(ids)
  return f'{first} and {len(others)} more ids' if others else f'id {first}'
