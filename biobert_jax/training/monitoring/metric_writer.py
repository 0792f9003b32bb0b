"""Metrics of a run: `metrics.jsonl` and TensorBoard's file."""

import json
import logging
from typing import Any

from etils import epath
from tensorboardX import SummaryWriter

from biobert_jax.errors import StorageError
from biobert_jax.io.atomic import write_text
from biobert_jax.io.json_files import read_json_lines

METRICS_FILE = 'metrics.jsonl'
_log = logging.getLogger(__name__)


class MetricWriter:
  """Writes scalars of steps; only the first host of a job should have one."""

  def __init__(self, workdir: epath.Path, start_step: int):
    """Opens the files; drops what a run resumed here will write again."""
    self._path = workdir / METRICS_FILE
    kept = [
      record
      for record in read_metrics(workdir)
      if record['step'] < start_step
      or (record['step'] == start_step and 'train/loss' in record)
    ]
    write_text(self._path, ''.join(json.dumps(r) + '\n' for r in kept))
    board = str(workdir / 'tensorboard')
    self._board = SummaryWriter(board, purge_step=start_step + 1)

  def write(self, step: int, scalars: dict[str, float]) -> None:
    """Appends one line of metrics for a step; StorageError on a full disk."""
    try:
      with self._path.open('a') as file:
        file.write(json.dumps({'step': step, **scalars}) + '\n')
    except OSError as error:
      what = f'{self._path}: {error.strerror}; free some space'
      raise StorageError(f'{what}, then run the same command again') from error
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
  return read_json_lines(workdir / METRICS_FILE)
