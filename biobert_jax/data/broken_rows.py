"""What readers of a corpus count, and its broken rows: never silent."""

import logging
from collections import Counter

from biobert_jax.errors import InputError

_log = logging.getLogger(__name__)
_SHOWN = 5  # Rows that one message lists.


def log_counts(counts: Counter[str]) -> None:
  """Logs each count that is not zero."""
  for what, count in sorted((+counts).items()):
    _log.info('corpus: %d %s', count, what.replace('_', ' '))


class BrokenRows:
  """The broken rows of one file, tolerated up to a share."""

  def __init__(self, path: object, counts: Counter[str], noun: str = 'rows'):
    """Starts without any; `counts` receives the rows of each kind of fault."""
    self._path, self._counts, self._noun = path, counts, noun
    self._found: list[tuple[int | str, str]] = []

  def __len__(self) -> int:
    """How many rows are broken; a row with two faults counts once."""
    return len({place for place, _ in self._found})

  def add(self, place: int | str, kind: str, fault: str) -> None:
    """Adds a row by its line, id or place; the fault has its remedy."""
    self._counts[kind] += 1
    self._found.append((place, fault))

  def check(self, total: int, max_broken: float) -> None:
    """Names the first in the log; above a fraction of `total` an InputError."""
    messages = []
    for place, fault in self._found:
      separator = ':' if isinstance(place, int) else ': '
      messages.append(f'{self._path}{separator}{place}: {fault}')
    if len(self) > max_broken * total:
      others = self._found[1 : 1 + _SHOWN]
      lines = ', '.join(str(n) for n, _ in others if isinstance(n, int))
      more = f', also lines {lines}' if lines else ''
      raise InputError(
        f'{messages[0]} ({len(self)} of {total} {self._noun} are broken{more}; '
        f'more than {100 * max_broken:g} % is refused)'
      )
    for message in messages[:_SHOWN]:
      _log.warning('%s', message)
