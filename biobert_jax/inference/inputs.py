"""The inputs of predictors: one or many, strings or records.

One input gives one result; a list or tuple gives a list; an iterator gives an
iterator, which reads as it goes, so that millions of documents take no more
memory than a few hundred.
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
  is_one: bool,
  convert: Callable[[int, Any], Record],
  stream: Callable[[Iterable[Record]], Iterator[Result]],
) -> Any:
  """Runs a predictor over its input, whose type is checked at the call.

  Args:
    given: one input, a list or tuple of them, or an iterator.
    is_one: whether `given` is one input.
    convert: (number of an input from 1, the input) -> its record.
    stream: records -> results, in their order.

  Returns:
    One result, a list, or an iterator.

  Raises:
    TypeError: an input of another type. Only those of an iterator beyond its
      first are not seen at the call, but when they are read.
  """
  if is_one:
    return next(iter(stream([convert(1, given)])))
  if isinstance(given, list | tuple):
    return list(stream([convert(n, one) for n, one in enumerate(given, 1)]))
  # Of these an iterator gives keys, or numbers.
  unfit = isinstance(given, str | bytes | bytearray | Mapping)
  if unfit or not isinstance(given, Iterable):
    return convert(1, given)  # Raises.
  iterator = enumerate(given, 1)
  first = [convert(*pair) for pair in itertools.islice(iterator, 1)]
  rest = itertools.starmap(convert, iterator)
  return stream(itertools.chain(first, rest))


def in_chunks(
  records: Iterable[Record],
  size: int,
  process: Callable[[list[Record]], Iterable[Result]],
) -> Iterator[Result]:
  """Yields the results of `size` records at a time, which bounds memory."""
  iterator = iter(records)
  while chunk := list(itertools.islice(iterator, size)):
    yield from process(chunk)


def document_of(number: int, given: Any) -> Document:
  """A document of a string, named by its number; documents as they are.

  Raises:
    TypeError: neither of them.
  """
  if isinstance(given, Document):
    return given
  if isinstance(given, str):
    return Document(str(number), given)
  raise TypeError(
    f'input {number} is {type(given).__name__}; give a string or a Document, '
    'or a list or an iterator of them'
  )
