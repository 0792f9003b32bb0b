"""Metrics of a run: `metrics.jsonl` and TensorBoard's file."""

import json
import logging
from collections.abc import Callable
from typing import Any

from biobert_jax.errors import BucketChangedError, StorageError, UserError
from biobert_jax.io import storage
from biobert_jax.io.json_files import read_json_lines
from biobert_jax.io.storage import Place
from biobert_jax.training.monitoring.event_files import SummaryWriter

METRICS_FILE = 'metrics.jsonl'
_log = logging.getLogger(__name__)


class MetricWriter:
  """Writes scalars of steps; only the first host of a job should have one."""

  def __init__(
    self,
    workdir: Place,
    start_step: int,
    before_write: Callable[[], None] = lambda: None,
  ):
    """Opens the files; drops what a run resumed here will write again.

    `before_write` may raise to forbid a line.
    """
    self._path, self._before_write = workdir / METRICS_FILE, before_write
    kept = [
      record
      for record in read_metrics(workdir)
      if record['step'] < start_step
      or (record['step'] == start_step and 'train/loss' in record)
    ]
    self._lines = storage.Lines(self._path, before_write)
    self._lines.rewrite([json.dumps(record) for record in kept])
    board = str(workdir / 'tensorboard')
    self._board = SummaryWriter(board, purge_step=start_step + 1)

  def write(self, step: int, scalars: dict[str, float]) -> None:
    """Appends one line of metrics for a step; StorageError on a full disk."""
    self._to_disk(
      lambda: self._lines.add(json.dumps({'step': step, **scalars}))
    )
    for name, value in scalars.items():
      self._board.add_scalar(name, value, step)

  def flush(self) -> None:
    """Sends what a bucket has not got yet; raises as `write` does."""
    self._to_disk(self._lines.flush)

  def _to_disk(self, write: Callable[[], None]) -> None:
    try:
      write()
    except BucketChangedError:
      self._before_write()  # Knows who changed it, if it was another run.
      raise
    except UserError:
      raise
    except OSError as error:
      what = f'{self._path}: {error.strerror}; free some space'
      raise StorageError(f'{what}, then run the same command again') from error

  def close(self) -> None:
    """Sends the last lines and flushes TensorBoard's file."""
    # Whatever ends the run has more to say than a disk.
    try:
      self._board.close()
    except OSError as error:
      _log.warning("TensorBoard's file is not whole: %s", error.strerror)
    try:
      self._lines.flush()
    except OSError as error:
      _log.warning('%s: %s', self._path, error.strerror)


def read_metrics(workdir: Place) -> list[dict[str, Any]]:
  """The lines of `metrics.jsonl`; a last line cut by a crash is left out."""
  return read_json_lines(workdir / METRICS_FILE)
