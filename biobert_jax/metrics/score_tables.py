"""Scores as a table for people and as figures for programs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from biobert_jax.metrics import ner, relation


class Outcome(NamedTuple):
  """The result of a scoring.

  Attributes:
    table: lines for people.
    figures: an object for JSON, described by the measure's `as_dict`.
    line: what the original would print, if it is another form; or ''.
  """

  table: str
  figures: dict[str, Any]
  line: str = ''


def layout(rows: Sequence[Sequence[str]]) -> str:
  """Rows of cells as a table: the first column to the left, others right."""
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  lines = []
  for first, *others in rows:
    cells = [first.ljust(widths[0])]
    cells += [o.rjust(w) for o, w in zip(others, widths[1:], strict=True)]
    lines.append('  '.join(cells).rstrip())
  return '\n'.join(lines)


def counted(score: ner.Score | relation.Score) -> list[str]:
  """The cells of a score that counts: percentages, then numbers."""
  figures = score.precision, score.recall, score.f1
  return [*(f'{figure:.2f}' for figure in figures), *map(str, score)]


def interval_line(name: str, pair: Sequence[float] | None) -> list[str]:
  """A line on a bootstrap interval, percent; none if there is no interval."""
  if not pair:
    return []
  low, high = pair
  return [f'95 % interval of {name}: {low:.2f} to {high:.2f} (bootstrap)']
