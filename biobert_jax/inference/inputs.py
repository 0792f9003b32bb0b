"""The inputs of predictors: one or many, strings or records.

One input gives one result; a list or tuple gives a list; an iterator gives an
iterator, which reads as it goes.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from biobert_jax.text.documents import Document

# Many texts: a list gives a list, an iterator an iterator.
Texts = list[str] | list[Document] | tuple[str | Document, ...]
TextStream = Iterator[str] | Iterator[Document]
Record = TypeVar('Record')
Result = TypeVar('Result')


def apply(
  given: Any,
  convert: Callable[[int, Any], Record],
  stream: Callable[[Iterable[Record]], Iterator[Result]],
) -> Any:
  """Runs a predictor over its input, whose type is checked at the call.

  Args:
    given: one input (a string, document or request), a list or tuple of them,
      or an iterator.
    convert: (number of an input from 1, the input) -> its record.
    stream: records -> results, in their order.

  Raises:
    TypeError: an input of another type. Only those of an iterator beyond its
      first are not seen at the call, but when they are read.
  """
  # An iterator over bytes gives numbers, one over a mapping keys.
  many = isinstance(given, Iterable)
  if isinstance(given, str | bytes | bytearray | Mapping) or not many:
    return next(iter(stream([convert(1, given)])))
  if isinstance(given, list | tuple):
    return list(stream([convert(n, one) for n, one in enumerate(given, 1)]))
  iterator = itertools.starmap(convert, enumerate(given, 1))
  first = [*itertools.islice(iterator, 1)]
  return stream(itertools.chain(first, iterator))


def grouped(
  items: Iterable[Record], most: int, size: Callable[[Record], int]
) -> Iterator[list[Record]]:
  """Lists of items, each of which ends where its sizes reach `most`."""
  group: list[Record] = []
  total = 0
  for item in items:
    group.append(item)
    total += size(item)
    if total >= most:
      yield group
      group, total = [], 0
  if group:
    yield group


def chunked(
  process: Callable[[list[Record]], Iterable[Result]], size: int
) -> Callable[[Iterable[Record]], Iterator[Result]]:
  """A stream that processes `size` records at a time, which bounds memory."""
  return lambda records: itertools.chain.from_iterable(
    map(process, grouped(records, size, lambda _: 1))
  )


def document_of(number: int, given: Any) -> Document:
  """A document of a string, named by its number; a TypeError: neither."""
  if isinstance(given, Document):
    return given
  if isinstance(given, str):
    return Document(str(number), given)
  what = f'input {number} is {type(given).__name__}; give a string'
  raise TypeError(f'{what} or a Document, or a list or an iterator of them')
