"""Scores as a person reads them: rounded, and in percent."""

from collections.abc import Mapping
from typing import Any

# Tasks whose official scorers give fractions; those of others give percent.
_FRACTIONS = ('yes_no',)


def percent_factor(task: str) -> float:
  """The factor that turns a score of the task's scorer into percent."""
  return 100.0 if task in _FRACTIONS else 1.0


def _shown(task: str, metrics: Mapping[str, Any]) -> dict[str, str]:
  """Name -> text of each score; losses in nats, all else in percent."""
  shown = {}
  for name, value in metrics.items():
    if not isinstance(value, float) or name.endswith('_thresh'):
      continue  # A count, or scores of parts; a threshold of logits.
    text = name.replace('_', ' ')
    if name.endswith('_loss'):
      shown[f'{text} (nats)'] = f'{value:.4f}'
    else:
      shown[text] = f'{percent_factor(task) * value:.2f}'
  return shown


def line(task: str, metrics: Mapping[str, Any]) -> str:
  """The scores of a split in one line."""
  return ', '.join(f'{n} {text}' for n, text in _shown(task, metrics).items())


def table(task: str, results: Mapping[str, Mapping[str, Any]]) -> str:
  """The scores by split: a line per score, a column per split; '' for none."""
  columns = [_shown(task, metrics) for metrics in results.values()]
  names = list(dict.fromkeys(name for column in columns for name in column))
  if not names:
    return ''
  wide = max(map(len, ('scores (%)', *names))) + 2
  widths = [max(8, len(split) + 2) for split in results]

  def row(first: str, cells: list[str]) -> str:
    padded = (c.rjust(w) for c, w in zip(cells, widths, strict=True))
    return f'  {first.ljust(wide)}' + ''.join(padded)

  rows = [row(n, [column.get(n, '-') for column in columns]) for n in names]
  return '\n'.join([row('scores (%)', list(results)), *rows])
