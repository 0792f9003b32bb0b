"""Figures of a run: TensorBoard, `metrics.jsonl`, a picture, progress."""

import json
import logging
import sys
import time
from typing import Any

import tqdm
from etils import epath
from tensorboardX import SummaryWriter

from biobert_jax.errors import StorageError
from biobert_jax.io.atomic import write_text

METRICS_FILE = 'metrics.jsonl'
_log = logging.getLogger(__name__)


class MetricWriter:
  """Writes scalars of steps; only the first host of a job should have one."""

  def __init__(self, workdir: epath.Path, start_step: int):
    """Opens the files; drops what the continued run will write again.

    Args:
      workdir: the work folder.
      start_step: the step the run continues from.
    """
    self._path = workdir / METRICS_FILE
    kept = [
      record
      for record in read_metrics(workdir)
      if record['step'] < start_step
      or (record['step'] == start_step and 'train/loss' in record)
    ]
    text = ''.join(json.dumps(record) + '\n' for record in kept)
    write_text(self._path, text)
    self._board = SummaryWriter(
      str(workdir / 'tensorboard'), purge_step=start_step + 1
    )

  def write(self, step: int, scalars: dict[str, float]) -> None:
    """Appends one line of figures for a step.

    Raises:
      StorageError: the disk is full.
    """
    try:
      with self._path.open('a') as file:
        file.write(json.dumps({'step': step, **scalars}) + '\n')
    except OSError as error:
      raise StorageError(
        f'{self._path}: {error.strerror}; free some space, then run the same '
        'command again'
      ) from error
    for name, value in scalars.items():
      self._board.add_scalar(name, value, step)

  def close(self) -> None:
    """Flushes TensorBoard's file."""
    try:
      self._board.close()
    except OSError as error:
      # Whatever ends the run has more to say.
      _log.warning("TensorBoard's file is not whole: %s", error.strerror)


def read_metrics(workdir: epath.Path) -> list[dict[str, Any]]:
  """The lines of `metrics.jsonl`; a last line cut by a crash is left out."""
  path = workdir / METRICS_FILE
  records = []
  if path.exists():
    for line in path.read_text().splitlines():
      try:
        records.append(json.loads(line))
      except ValueError:
        _log.warning('%s: dropped a cut line', path)
  return records


Panels = tuple[tuple[str, tuple[str, ...]], ...]


def draw_curves(workdir: epath.Path, panels: Panels) -> None:
  """`curves.png`: figures over steps.

  Args:
    workdir: the work folder.
    panels: title and figures of each picture.
  """
  # A second to import, and only the end of a run needs it.
  import matplotlib as mpl

  mpl.use('Agg')
  from matplotlib import pyplot

  records = read_metrics(workdir)
  figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3.4))
  for axis, (title, names) in zip(axes, panels, strict=True):
    for name in names:
      points = [(r['step'], r[name]) for r in records if name in r]
      if points:
        marker = 'o' if len(points) < 40 else None
        axis.plot(*zip(*points, strict=True), marker=marker, ms=3, label=name)
    axis.set_title(title)
    axis.set_xlabel('step')
    axis.grid(alpha=0.3)
    if len(names) > 1 and axis.lines:
      axis.legend()
  figure.tight_layout()
  with (workdir / 'curves.png').open('wb') as file:
    figure.savefig(file, format='png', dpi=110)
  pyplot.close(figure)


class Progress:
  """A bar on a terminal; elsewhere a line now and then; both with a rate."""

  def __init__(self, what: str, total: int, start: int, unit: str):
    """Starts counting.

    Args:
      what: the title.
      total: units in all.
      start: units done before.
      unit: their name.
    """
    self._bar = None
    if sys.stderr.isatty():
      self._bar = tqdm.tqdm(
        total=total, initial=start, desc=what, unit=unit, file=sys.stderr
      )
    self._what, self._total, self._unit = what, total, unit
    self._start, self._done = start, start
    self._began = self._said = time.monotonic()

  def advance(self, count: int, note: str = '') -> None:
    """Counts units done; `note` is shown beside the rate."""
    self._done += count
    if self._bar is not None:
      self._bar.set_postfix_str(note, refresh=False)
      self._bar.update(count)
      return
    now = time.monotonic()
    if now - self._said >= 10 or self._done == self._total:
      self._said = now
      rate = (self._done - self._start) / max(1e-9, now - self._began)
      left = (self._total - self._done) / max(1e-9, rate)
      _log.info(
        '%s %d/%d %s, %.2f/s, %d s left %s',
        *(self._what, self._done, self._total, self._unit, rate, left, note),
      )

  def close(self) -> None:
    """Ends the bar's line."""
    if self._bar is not None:
      self._bar.close()
