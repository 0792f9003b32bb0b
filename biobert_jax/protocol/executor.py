"""Makes the runs that are not in the ledger yet, alone or several at once."""

import contextlib
import logging
import pathlib
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from etils import epath

from biobert_jax.errors import DivergedError, RunsFailedError
from biobert_jax.protocol.device_slots import Slot
from biobert_jax.protocol.ledger import Ledger, Line
from biobert_jax.protocol.plan import Run
from biobert_jax.protocol.process_pool import (
  Finished,
  Job,
  ProcessPool,
  ProgressTable,
)
from biobert_jax.training import experiment as experiments
from biobert_jax.training import plan as training_plan
from biobert_jax.training import train
from biobert_jax.training import workdir as training_workdir
from biobert_jax.training.checkpointing.workdir_lease import Lease

_log = logging.getLogger(__name__)
# (stage, fold), which decide what text a run reads -> the opened experiment.
Corpora = Mapping[tuple[str, str], experiments.Experiment]


class Executor:
  """Makes runs and records their results in the ledger."""

  def __init__(
    self,
    folder: epath.Path,
    ledger: Ledger,
    total: int,
    slots: Sequence[Slot],
    corpora: Corpora,
  ):
    """Takes the work folder, for a total of planned runs.

    Without slots they train one after another, in this process.
    """
    self._folder, self._ledger, self._total = folder, ledger, total
    self._slots, self._corpora = slots, corpora
    self._done: list[Line] = []
    self._lease = Lease.take(folder)

  def make(self, runs: Sequence[Run]) -> None:
    """Makes the runs of a stage.

    Raises:
      RunsFailedError: names the runs whose processes failed twice.
      As `train`, except for a run that diverges.
    """
    known = [run for run in runs if run.digest in self._ledger]
    self._done += [self._ledger[run.digest] for run in known]
    if known:
      _log.info('%d of %d runs were finished before', len(known), len(runs))
    missing = [run for run in runs if run.digest not in self._ledger]
    make = self._in_pool if self._slots else self._one_by_one
    with contextlib.closing(make(missing)) as finished:
      for run, report, seconds in finished:
        line = _line(run, report, seconds, max(1, len(self._slots)))
        self._lease.check()
        self._ledger.add(line)
        # States to resume from; those of twelve runs would fill a disk.
        (self._workdir(run) / 'checkpoints').rmtree(missing_ok=True)
        self._done.append(line)

  def _workdir(self, run: Run) -> epath.Path:
    return self._folder / 'runs' / run.name

  def _one_by_one(self, runs: Sequence[Run]) -> Generator[Finished, None, None]:
    for run in runs:
      _log.info('run %s: %s', self._progress(len(self._done) + 1), run.name)
      began, workdir = time.time(), str(self._workdir(run))
      try:
        report = train.train(run.config, workdir)
      except DivergedError as error:
        _log.warning('%s diverged: %s', run.name, error)
        report = {'workdir': workdir, 'diverged': str(error)}
      yield Finished(run, report, time.time() - began)

  def _in_pool(self, runs: Sequence[Run]) -> Generator[Finished, None, None]:
    jobs = [
      Job(run, pathlib.Path(self._workdir(run)), self._num_steps(run))
      for run in runs
    ]
    table = ProgressTable(
      lambda: f'runs done: {self._progress(len(self._done))}'
    )
    with ProcessPool(self._slots, table) as pool:
      for finished in pool.run(jobs):
        _log.info('%s is finished', finished.run.name)
        yield finished
    if pool.failures:
      raise RunsFailedError('; '.join(pool.failures))

  def _num_steps(self, run: Run) -> int:
    """The steps of a run, for which its corpus is packed."""
    dataset = self._corpora[run.stage, run.fold].dataset
    rows = dataset.rows(run.config.data.train_split)
    return training_plan.num_steps(run.config, rows.num_rows)

  def _progress(self, number: int) -> str:
    """'3 of 12', the best score so far and the time left, where known."""
    text = f'{number} of {self._total}'
    scores = [line['devel'] for line in self._done]
    if known := [score for score in scores if score is not None]:
      text += f'; best dev score so far {max(known):.2f}'
    if took := self._ledger.seconds:
      left = sum(took) / len(took) * (self._total - len(self._done))
      text += f'; about {left / 60:.0f} min left'
    return text


def _line(
  run: Run, report: dict[str, Any], seconds: float, at_once: int
) -> Line:
  """The line of a finished run in the ledger; see `Finished`.

  Its time is shared among the runs that trained at once.
  """
  record = training_workdir.read_record(epath.Path(report['workdir']))
  data = run.config.data
  scalars = {
    split: {k: v for k, v in figures.items() if isinstance(v, int | float)}
    for split, figures in report.get('results', {}).items()
  }
  also = f'{data.test_split}_sentences_also_in_train'
  line = {
    'run': run.name,
    'digest': run.digest,
    'stage': run.stage,
    'fold': run.fold,
    'seed': run.config.seed,
    'point': run.grid_values,
    'data_sha256': record['data_sha256'],
    'test_also_in_train': record['counts'].get(also),
    'step': report.get('step'),
    # The one figure that runs are compared by; None: diverged, or no dev set.
    'devel': report.get('selection', {}).get(data.devel_split),
    'devel_figures': scalars.get(data.devel_split),
    'test_figures': scalars.get(data.test_split),
    'seconds': round(seconds / at_once, 1),
    'at_once': at_once,
  }
  return line | {k: report[k] for k in ('diverged',) if k in report}
