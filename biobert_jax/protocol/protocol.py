"""The paper's protocol: a grid on the dev set, then test, by seeds or folds.

Every run is an ordinary work folder, `runs/NAME`. Finished runs stand in
`ledger.jsonl` and are never made again: kill the protocol anywhere and give the
same command. An interrupted run resumes from its last checkpoint.
"""

import contextlib
import logging
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from biobert_jax.errors import DivergedError, InputError, RunsFailedError
from biobert_jax.io import storage
from biobert_jax.io.storage import Place
from biobert_jax.protocol import plan as plans
from biobert_jax.protocol import process_pool, published_results, results_table
from biobert_jax.protocol.device_slots import Slot, find_slots
from biobert_jax.protocol.ledger import Ledger, Line, open_ledger
from biobert_jax.protocol.plan import Run
from biobert_jax.protocol.process_pool import Finished, RunJob
from biobert_jax.training import experiment as experiments
from biobert_jax.training import plan as training_plan
from biobert_jax.training import train
from biobert_jax.training import workdir as training_workdir
from biobert_jax.training.checkpointing.workdir_lease import Lease

_log = logging.getLogger(__name__)
# (stage, fold), which decide what text a run reads -> the opened experiment.
Corpora = Mapping[tuple[str, str], experiments.Experiment]


# Finished runs are kept, diverged ones too.
_LOWER = (
  'lower --config.optim.learning_rate and that of --grid, in a new --workdir'
)


class Executor:
  """Makes runs and records their results in the ledger."""

  def __init__(
    self,
    folder: Place,
    ledger: Ledger,
    total: int,
    slots: Sequence[Slot],
    corpora: Corpora,
  ):
    """Takes the work folder, for a total of runs; without slots, one by one."""
    self._folder, self._ledger, self._total = folder, ledger, total
    self._slots, self._corpora = slots, corpora
    self._done: list[Line] = []
    self._lease = Lease.take(folder)

  def make(self, runs: Sequence[Run]) -> None:
    """Makes the runs of a stage; one that diverges is no error."""
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
        storage.remove_tree(self._workdir(run) / 'checkpoints')
        self._done.append(line)

  def _workdir(self, run: Run) -> Place:
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
      RunJob(run, self._workdir(run), self._num_steps(run)) for run in runs
    ]
    table = process_pool.ProgressTable(
      lambda: f'runs done: {self._progress(len(self._done))}'
    )
    with process_pool.ProcessPool(self._slots, table) as pool:
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
  """A run's line in the ledger; runs at once share the time."""
  record = training_workdir.read_record(storage.path(report['workdir']))
  data = run.config.data
  scalars = {
    split: {k: v for k, v in figures.items() if isinstance(v, int | float)}
    | figures.get('unrounded', {})
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


def protocol(
  config: ConfigDict,
  workdir: str,
  grid: str,
  seeds: str,
  folds: str,
  processes: str,
  corpus: str,
) -> dict[str, Any]:
  """Makes the runs that are missing, and writes the table of all.

  Args:
    config: an experiment of `configs/`.
    workdir: where everything is written.
    grid: see `plan.parse_grid`. Folds train with the config's own values.
    seeds: how many runs are tested, of each fold where there are folds.
    folds: see `plan.parse_folds`.
    processes: see `device_slots.find_slots`.
    corpus: its name in the paper's tables; '' goes by its folder's.

  Returns:
    The `results_table.summary` of the runs, also in `table.json`.

  Raises:
    InputError: what is wrong, before anything is trained.
    RunsFailedError: names the runs whose processes failed twice.
  """
  began = time.time()
  folder = training_workdir.folder_of(workdir)
  experiments.validate(config)
  wanted = plans.parse_folds(folds)
  given = (grid or plans.NO_GRID) if wanted[0] else grid
  configurations = plans.parse_grid(given, config)
  if wanted[0] and len(configurations) > 1:
    what = '--folds trains with the values that the config states'
    raise InputError(f'{what}; leave --grid out')
  numbers = plans.parse_seeds(seeds, config)
  name = corpus or plans.corpus_folder(config).name
  if corpus and published_results.find(corpus) is None:
    known = ', '.join(row.corpus for row in published_results.CORPORA)
    raise InputError(f'--corpus {corpus}: the paper has {known}')
  plans.check_folds(config, wanted)
  chosen = plans.plan_grid(config, configurations)
  tests = plans.plan_tests(config, configurations[0], numbers, wanted)
  # Before anything here initializes the devices, which children may need.
  slots = find_slots(processes)
  # Every corpus is opened once, so that errors show before training.
  corpora = {
    (run.stage, run.fold): experiments.from_config(run.config)
    for run in chosen[:1] + tests[:: len(numbers)]
  }
  init_from = next(iter(corpora.values())).init_from
  weights = {'weights_sha256': training_workdir.weights_digest(init_from)}
  ledger = open_ledger(folder, plans.shared(config) | weights)
  ledger.check({key: one.dataset.sha256 for key, one in corpora.items()})
  total = len(chosen) + len(tests)
  executor = Executor(folder, ledger, total, slots, corpora)
  executor.make(chosen)
  if chosen:
    best = _best(chosen, ledger)
    _log.info('the dev set selects %s', best.name)
    tests = plans.plan_tests(config, best.grid_values, numbers, wanted)
  executor.make(tests)
  lines = [ledger[run.digest] for run in tests]
  if given_up := [line['run'] for line in lines if 'diverged' in line]:
    raise DivergedError(f'{", ".join(given_up)}; {_LOWER}')
  devel = [ledger[run.digest] for run in chosen]
  summary = results_table.summary(name, lines, devel)
  results_table.write(folder, [summary])
  _log.info('%s after %.0f s', folder / 'table.md', time.time() - began)
  return {'workdir': str(folder), **summary}


def _best(runs: Sequence[Run], ledger: Ledger) -> Run:
  """The first of the runs with the highest score on the dev set."""
  scores = [ledger[run.digest]['devel'] for run in runs]
  known = [score for score in scores if score is not None]
  if not known:
    raise DivergedError(f'every run of the grid diverged; {_LOWER}')
  return runs[scores.index(max(known))]
