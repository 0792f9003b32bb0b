"""Predictions of a long input, kept part by part until all of it is done.

A part is a file `OUTPUT.parts/NUMBER.json`, in the same bucket where the output
is in one: the digest of its records and of the model, and its results. When the
same command runs again, also with an input whose bad line was corrected, parts
of the same records are read.
"""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import logging
import pathlib
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from biobert_jax.checkpoints import detect
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.errors import InputError
from biobert_jax.inference.results import (
  QuestionResult,
  RelatedDocument,
  YesNoResult,
)
from biobert_jax.io import storage
from biobert_jax.io.atomic import is_stream
from biobert_jax.text.documents import Document

_KINDS = (Document, RelatedDocument, QuestionResult, YesNoResult)
_log = logging.getLogger(__name__)


class FinishedParts:
  """The parts of one output; of a stream, which cannot be read, none."""

  def __init__(self, output: str, key: str):
    """`key` is of all that decides the results of a record."""
    self._folder = storage.path(f'{output}.parts')
    self._kept = not is_stream(output)
    self._key = key
    self._reused = 0

  def predict(
    self,
    predictor: Callable[[list[Any]], list[Any]],
    records: Iterable[Any],
    size: int,
    counts: Counter[str],
  ) -> Iterator[Any]:
    """The results of all records, in their order.

    Args:
      predictor: gets the records of a part; counts exceptions in `counts`.
      records: a bad one raises an InputError; those before it are predicted
        and kept before the error goes on.
      size: records of a part.
      counts: also gets what is counted in parts that are read.
    """
    records = iter(records)
    failure: InputError | None = None
    for number in itertools.count():
      stored = self._read(number)
      part: list[Any] = []
      try:
        for record in itertools.islice(records, stored.get('records', size)):
          part.append(record)
      except InputError as error:
        failure = error
      if part:
        yield from self._results(number, part, stored, predictor, counts)
      if failure is not None:
        if self._kept and (number or part):
          _log.warning(
            'what is done stays in %s; correct the input, and the same '
            'command goes on from there',
            self._folder,
          )
        raise failure
      if not part:
        break
    if self._reused:
      _log.info('%d results were there, of an earlier run', self._reused)

  def _results(
    self,
    number: int,
    part: list[Any],
    stored: dict[str, Any],
    predictor: Callable[[list[Any]], list[Any]],
    counts: Counter[str],
  ) -> list[Any]:
    digest = hashlib.sha256(f'{self._key}{_encode(part)}'.encode()).hexdigest()
    if stored.get('digest') == digest:
      kind = next(k for k in _KINDS if k.__name__ == stored['kind'])
      counts.update(stored['counts'])
      self._reused += len(part)
      return [decode(kind, result) for result in stored['results']]
    before = counts.copy()
    results = predictor(part)
    if self._kept:
      fields = {
        'digest': digest,
        'records': len(part),
        'kind': type(results[0]).__name__,
        'counts': counts - before,
        'results': results,
      }
      storage.write(self._path(number), _encode(fields))
    return results

  def _path(self, number: int) -> storage.Place:
    return self._folder / f'{number:06}.json'

  def _read(self, number: int) -> dict[str, Any]:
    try:
      return dict(json.loads(storage.read_text(self._path(number))))
    except (OSError, ValueError, TypeError):
      return {}  # None, or damaged: it is made again.

  def delete(self) -> None:
    """Deletes the parts, when the output is written."""
    if not self._kept or not storage.is_dir(self._folder):
      return
    for path in storage.glob(self._folder / '[0-9]*.json'):
      storage.remove(path)
    if isinstance(self._folder, pathlib.Path):
      with contextlib.suppress(OSError):  # It holds somebody's other files.
        self._folder.rmdir()


def results_key(models: Sequence[Pretrained], **options: Any) -> str:
  """What decides a result besides its record: models and options."""
  digest = hashlib.sha256(repr(sorted(options.items())).encode())
  for model in models:
    facts = (model.head, model.labels, model.settings, model.bert)
    digest.update(f'{facts}{model.tokenizer.do_lower_case}'.encode())
    digest.update('\n'.join(model.tokenizer.pieces).encode())
    digest.update(detect.identity(model.source).encode())
  return digest.hexdigest()


def _encode(value: Any) -> str:
  def plain(one: Any) -> Any:
    if dataclasses.is_dataclass(one):
      return {f.name: getattr(one, f.name) for f in dataclasses.fields(one)}
    return one.item()  # A number of NumPy.

  return json.dumps(value, ensure_ascii=False, default=plain)


_hints: Callable[[Any], dict[str, Any]] = functools.cache(typing.get_type_hints)


def decode(kind: Any, value: Any) -> Any:
  """The value of a type that JSON holds as objects, lists and numbers."""
  arguments, origin = typing.get_args(kind), typing.get_origin(kind)
  if value is None or kind is Any:
    return value
  if origin in (types.UnionType, typing.Union):
    some = [a for a in arguments if a is not type(None)]
    return decode(some[0], value) if len(some) == 1 else value
  if origin is tuple:
    if arguments[-1] is ...:
      arguments = (arguments[0],) * len(value)
    return tuple(map(decode, arguments, value))
  if dataclasses.is_dataclass(kind):
    fields = {n: decode(_hints(kind)[n], v) for n, v in value.items()}
    return kind(**fields)  # type: ignore[operator]
  if hasattr(kind, '_fields'):
    return kind(*map(decode, _hints(kind).values(), value))
  return value
