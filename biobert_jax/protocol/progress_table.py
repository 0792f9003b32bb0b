"""The progress of a protocol on standard error, while runs train at once."""

import json
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from biobert_jax.protocol.plan import Run
from biobert_jax.training.monitoring.metric_writer import METRICS_FILE

# The figures by which checkpoints are compared, of all tasks.
_SCORES = ('f1', 'macro_f1')
# On a terminal the table is drawn anew; elsewhere a line a minute each.
_REDRAW_SECONDS, _PRINT_SECONDS = 1.0, 60.0


class Running(NamedTuple):
  """A run that trains now.

  Attributes:
    slot: the name of the chip.
    run: the run.
    folder: its work folder.
    num_steps: of the whole run.
  """

  slot: str
  run: Run
  folder: pathlib.Path
  num_steps: int


class ProgressTable:
  """One line for the whole protocol, one for each run that trains."""

  def __init__(self, title: Callable[[], str]):
    """Draws nothing yet; `title` gives the line of the whole protocol."""
    self._title = title
    self._shown_at, self._lines_shown = time.monotonic(), 0

  def show(self, running: Iterable[Running]) -> None:
    """Draws the table, where it is time to."""
    terminal = sys.stderr.isatty()
    every = _REDRAW_SECONDS if terminal else _PRINT_SECONDS
    if time.monotonic() - self._shown_at < every:
      return
    self._shown_at = time.monotonic()
    lines = [self._title(), *map(_describe, running)]
    self.clear()
    if terminal:
      width = shutil.get_terminal_size().columns - 1
      lines = [line[:width] for line in lines]
      self._lines_shown = len(lines)
    sys.stderr.write('\n'.join(lines) + '\n')

  def clear(self) -> None:
    """Takes the table from the terminal, for what else is to be written."""
    if self._lines_shown:
      sys.stderr.write(f'\x1b[{self._lines_shown}F\x1b[J')
      self._lines_shown = 0


def _describe(running: Running) -> str:
  records = _records(running.folder / METRICS_FILE)
  step = max((record['step'] for record in records), default=0)
  text = f'  {running.slot}: step {step:,} of {running.num_steps:,}'
  for name in _SCORES:
    key = f'{running.run.config.data.devel_split}/{name}'
    if scores := [record[key] for record in records if key in record]:
      text += f', best dev {name} {max(scores):.2f}'
      break
  return f'{text}, {running.run.name}'


def _records(path: pathlib.Path) -> list[dict[str, Any]]:
  """The records written so far; the last line may be incomplete."""
  try:
    lines = path.read_text(encoding='utf-8').splitlines(keepends=True)
  except FileNotFoundError:
    return []
  return [json.loads(line) for line in lines if line.endswith('\n')]
