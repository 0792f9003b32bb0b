"""Several runs at once: each a training process on a chip of its own.

A run's bytes are those of the same run alone on one such chip. Its log is
`log.txt` in its work folder; in a bucket, when its process has ended.
"""

import collections
import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from biobert_jax import errors
from biobert_jax.io import storage
from biobert_jax.io.storage import BucketPath, Place
from biobert_jax.protocol import device_slots, run_worker
from biobert_jax.protocol.device_slots import Slot
from biobert_jax.protocol.plan import Run
from biobert_jax.training.monitoring.metric_writer import METRICS_FILE

_log = logging.getLogger(__name__)
LOG_FILE = 'log.txt'
_WORKER = (sys.executable, '-m', run_worker.__name__)
_POLL_SECONDS = 0.2
_SECONDS_TO_SAVE = 60.0  # Of children that were told to stop.
_ATTEMPTS = 2
# The figures by which checkpoints are compared, of all tasks.
_SCORES = ('f1', 'macro_f1')
# On a terminal the table is drawn anew; elsewhere one line per minute each.
_REDRAW_SECONDS, _PRINT_SECONDS = 1.0, 60.0
# Metrics in a bucket are written anew no more often.
_LOOK_SECONDS = 30.0


@dataclasses.dataclass
class RunJob:
  """A run that is to be made, and the slots whose processes failed."""

  run: Run
  folder: Place
  num_steps: int
  failed_on: list[str] = dataclasses.field(default_factory=list)
  # What was seen of its metrics in a bucket, and when.
  _seen: tuple[float, str] = (-_LOOK_SECONDS, '')

  def progress(self) -> str:
    """Its step and best score, from the metrics written so far."""
    lines = self._metrics().splitlines(keepends=True)
    # The last line may be incomplete.
    records = [json.loads(line) for line in lines if line.endswith('\n')]
    step = max((record['step'] for record in records), default=0)
    shown = f'step {step:,} of {self.num_steps:,}'
    for name in _SCORES:
      key = f'{self.run.config.data.devel_split}/{name}'
      if scores := [record[key] for record in records if key in record]:
        shown += f', best dev {name} {max(scores):.2f}'
        break
    return f'{shown}, {self.run.name}'

  def _metrics(self) -> str:
    path = self.folder / METRICS_FILE
    if not isinstance(path, BucketPath):
      with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding='utf-8')
      return ''
    if time.monotonic() - self._seen[0] >= _LOOK_SECONDS:
      text = self._seen[1]
      with contextlib.suppress(OSError):  # It is only shown.
        text = storage.read_text(path)
      self._seen = time.monotonic(), text
    return self._seen[1]


class ProgressTable:
  """On standard error a line for the whole protocol, and one for each run."""

  def __init__(self, title: Callable[[], str]):
    """Draws nothing yet; `title` gives the line of the whole protocol."""
    self._title = title
    self._shown_at, self._lines_shown = time.monotonic(), 0

  def show(self, running: Iterable[tuple[str, RunJob]]) -> None:
    """Draws the runs of slots, by their names, where it is time to."""
    terminal = sys.stderr.isatty()
    every = _REDRAW_SECONDS if terminal else _PRINT_SECONDS
    if time.monotonic() - self._shown_at < every:
      return
    self._shown_at = time.monotonic()
    runs = [f'  {slot}: {job.progress()}' for slot, job in running]
    lines = [self._title(), *runs]
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


class Finished(NamedTuple):
  """A run that ended: `report` as `train.train` gives it, or 'diverged'."""

  run: Run
  report: dict[str, Any]
  seconds: float


class ProcessPool:
  """Runs jobs on slots; leaving its context ends all children.

  `failures` has a line for each run that failed twice.
  """

  def __init__(self, slots: Sequence[Slot], table: ProgressTable):
    """Starts nothing yet; `table` is what people see meanwhile."""
    self._slots, self._table = slots, table
    self._running: dict[str, tuple[RunJob, subprocess.Popen[bytes], float]] = {}
    self._stop_requested = False
    self._logs = tempfile.TemporaryDirectory()  # Of runs in buckets.
    self.failures: list[str] = []

  def __enter__(self) -> 'ProcessPool':
    self._before = signal.signal(signal.SIGTERM, self._request_stop)
    return self

  def __exit__(self, *_: object) -> None:
    signal.signal(signal.SIGTERM, self._before)
    self._stop_children()
    self._table.clear()
    self._logs.cleanup()

  def _log_of(self, job: RunJob) -> pathlib.Path:
    """Where the process of a run writes its log."""
    if isinstance(job.folder, BucketPath):
      name = f'{job.run.name}.{len(job.failed_on)}'
      return pathlib.Path(self._logs.name, name)
    return job.folder / LOG_FILE

  def _request_stop(self, *_: object) -> None:
    self._stop_requested = True

  def _stop_children(self) -> None:
    """SIGTERM, time to save, SIGKILL; a second Ctrl-C cuts the time short."""
    running = [*self._running.values()]
    children = [child for _, child, _ in running]
    try:
      for child in children:
        child.terminate()
      deadline = time.monotonic() + _SECONDS_TO_SAVE
      for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
          child.wait(max(0.0, deadline - time.monotonic()))
    finally:
      for child in children:
        child.kill()
        child.wait()
        _close(child)
      self._running.clear()
    for job, _, _ in running:
      _send_log(self._log_of(job), job.folder)

  def run(self, jobs: Sequence[RunJob]) -> Iterator[Finished]:
    """Makes all runs; those that end are handed out at once.

    A run whose process fails is tried once more, on another slot where there
    is one. An InputError: a run was refused. A PreemptedError: after SIGTERM,
    all children have saved their states.
    """
    waiting = collections.deque(jobs)
    while waiting or self._running:
      if self._stop_requested:
        self._stop_children()
        what = 'all runs were stopped and saved'
        what = f'{what}; run the same command again to resume'
        raise errors.PreemptedError(what)
      self._start(waiting)
      time.sleep(_POLL_SECONDS)
      for name, (job, child, began) in list(self._running.items()):
        if (code := child.poll()) is None:
          continue
        del self._running[name]
        _close(child)
        _send_log(self._log_of(job), job.folder)
        self._table.clear()
        report = self._outcome(name, job, code, waiting)
        if report is not None:
          yield Finished(job.run, report, time.monotonic() - began)
      running = self._running.items()
      self._table.show((name, job) for name, (job, _, _) in running)

  def _start(self, waiting: collections.deque[RunJob]) -> None:
    for slot in self._slots:
      if slot.name in self._running:
        continue
      job = next((j for j in waiting if slot.name not in j.failed_on), None)
      if job is not None:
        waiting.remove(job)
        child = _popen(slot, job, self._log_of(job))
        self._running[slot.name] = job, child, time.monotonic()

  def _outcome(
    self, slot: str, job: RunJob, code: int, waiting: collections.deque[RunJob]
  ) -> dict[str, Any] | None:
    """The report of a run whose process ended; None where it failed."""
    if code == errors.EXIT_DONE:
      text = storage.read_text(job.folder / 'results.json')
      report: dict[str, Any] = json.loads(text)
      return report
    why = _last_line(self._log_of(job))
    if code == errors.EXIT_BAD_INPUT:
      raise errors.InputError(f'{job.run.name}: {why.removeprefix("error: ")}')
    if code == errors.EXIT_DIVERGED:
      why = why.removeprefix('diverged: ')
      _log.warning('%s diverged: %s', job.run.name, why)
      return {'workdir': str(job.folder), 'diverged': why}
    failure = f'{job.run.name} failed on {slot} (exit code {code}): {why}'
    job.failed_on.append(slot)
    if len(job.failed_on) < _ATTEMPTS:
      _log.warning('%s; it is tried once more', failure)
      waiting.append(job)
    else:
      self.failures.append(f'{failure}; see {job.folder / LOG_FILE}')
    return None


def _popen(
  slot: Slot, job: RunJob, log_file: pathlib.Path
) -> subprocess.Popen[bytes]:
  """Starts the process of a run, confined to a slot."""
  if isinstance(job.folder, pathlib.Path):
    job.folder.mkdir(parents=True, exist_ok=True)
  request = {
    'config': json.loads(job.run.config.to_json_best_effort()),
    'workdir': str(job.folder),
    'argv': sys.argv,
  }
  everywhere = device_slots.available_cores()
  with log_file.open('ab') as log:
    # A child inherits the cores of the thread that starts it.
    _confine(slot.cores)
    try:
      child = subprocess.Popen(
        _WORKER,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env=device_slots.child_environment() | slot.environment,
        start_new_session=True,  # Ctrl-C reaches the parent, which decides.
      )
    finally:
      _confine(everywhere)
  assert child.stdin is not None
  with contextlib.suppress(BrokenPipeError):  # Its exit code says more.
    child.stdin.write(json.dumps(request).encode() + b'\n')
    child.stdin.flush()
  return child


def _send_log(log_file: pathlib.Path, folder: Place) -> None:
  """Adds a local log to that in a bucket."""
  if not isinstance(folder, BucketPath):
    return
  target, before = folder / LOG_FILE, b''
  try:
    with contextlib.suppress(FileNotFoundError):
      before = storage.read_bytes(target)
    storage.write(target, before + log_file.read_bytes())
  except OSError as error:
    _log.warning('%s: %s', target, error.strerror)


def _close(child: subprocess.Popen[bytes]) -> None:
  assert child.stdin is not None
  with contextlib.suppress(BrokenPipeError):
    child.stdin.close()


def _confine(cores: tuple[int, ...]) -> None:
  if cores and hasattr(os, 'sched_setaffinity'):
    os.sched_setaffinity(0, cores)


def _last_line(log: pathlib.Path) -> str:
  lines = log.read_text(encoding='utf-8', errors='replace').split('\n')
  return next((line for line in reversed(lines) if line.strip()), 'no message')
