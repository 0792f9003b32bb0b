"""The paper's protocol: a grid on devel, then test, over seeds or folds.

Every run is an ordinary work folder, `runs/NAME`. Finished runs stand in
`ledger.jsonl` and are never made again: kill the protocol anywhere and give the
same command. An interrupted run resumes from its last checkpoint.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

from etils import epath
from ml_collections import ConfigDict

from biobert_jax.errors import DivergedError, InputError
from biobert_jax.protocol import plan as plans
from biobert_jax.protocol import published_results, results_table
from biobert_jax.protocol.ledger import Ledger, Line, open_ledger
from biobert_jax.protocol.plan import Run
from biobert_jax.training import experiment as experiments
from biobert_jax.training import train
from biobert_jax.training import workdir as training_workdir
from biobert_jax.training.checkpointing.workdir_lease import Lease

_log = logging.getLogger(__name__)


def protocol(
  config: ConfigDict,
  workdir: str,
  grid: str,
  seeds: str,
  folds: str,
  corpus: str,
) -> dict[str, Any]:
  """Runs a protocol, or what is left of it, and writes its table.

  Args:
    config: an experiment of `configs/`.
    workdir: where everything is written.
    grid: what devel chooses from; see `protocol_plan.parse_grid`. Folds train
      with the config's own values.
    seeds: how many runs are tested, of each fold where there are folds.
    folds: of a corpus in folds, which; see `protocol_plan.parse_folds`.
    corpus: its name in the paper's tables; '' goes by its folder's.

  Returns:
    What `table.summary` makes of the runs, also in `table.json`.

  Raises:
    InputError: what is wrong, before anything is trained.
    As `train`, but for runs of the grid that diverge.
  """
  began = time.time()
  folder = training_workdir.folder_of(workdir)
  experiments.validate(config)
  wanted = plans.parse_folds(folds)
  given = (grid or plans.NO_GRID) if wanted[0] else grid
  points = plans.parse_grid(given, config)
  if wanted[0] and len(points) > 1:
    raise InputError(
      '--folds trains with the values that the config states; leave --grid out'
    )
  numbers = plans.parse_seeds(seeds, config)
  name = corpus or plans.corpus_folder(config).name
  if corpus and published_results.find(corpus) is None:
    known = ', '.join(row.corpus for row in published_results.CORPORA)
    raise InputError(f'--corpus {corpus}: the paper has {known}')
  plans.check_folds(config, wanted)
  chosen = plans.plan_grid(config, points)
  tests = plans.plan_tests(config, points[0], numbers, wanted)
  corpora, weights = _check_corpora(chosen[:1] + tests[:: len(numbers)])

  ledger = open_ledger(folder, plans.shared(config) | weights)
  ledger.check(corpora)
  runner = _Runner(folder, ledger, len(chosen) + len(tests))
  runner.go(chosen)
  if chosen:
    best = _best(chosen, ledger)
    _log.info('devel chooses %s', best.name)
    tests = plans.plan_tests(config, best.point, numbers, wanted)
  runner.go(tests)
  lines = [ledger[run.digest] for run in tests]
  if given_up := [line['run'] for line in lines if 'diverged' in line]:
    raise DivergedError(f'{", ".join(given_up)}; lower optim.learning_rate')
  devel = [ledger[run.digest] for run in chosen]
  summary = results_table.summary(name, lines, devel)
  results_table.write(folder, [summary])
  _log.info('%s after %.0f s', folder / 'table.md', time.time() - began)
  return {'workdir': str(folder), **summary}


def _check_corpora(
  runs: Sequence[Run],
) -> tuple[dict[tuple[str, str], str], dict[str, Any]]:
  """Opens every corpus once, so that what is wrong shows before training.

  Returns:
    The digest of each, by stage and fold; and that of the first weights.
  """
  digests: dict[tuple[str, str], str] = {}
  weights = ''
  for run in runs:
    experiment = experiments.from_config(run.config)
    digests[run.stage, run.fold] = experiment.dataset.sha256
    if not weights:
      weights = training_workdir.weights_digest(experiment.init_from)
  return digests, {'weights_sha256': weights}


def _best(runs: Sequence[Run], ledger: Ledger) -> Run:
  """The first of the runs that score highest on devel."""
  scores = [ledger[run.digest]['devel'] for run in runs]
  known = [score for score in scores if score is not None]
  if not known:
    raise DivergedError(
      'every run of the grid diverged; lower optim.learning_rate'
    )
  return runs[scores.index(max(known))]


class _Runner:
  """Makes the runs that are not in the ledger yet, one after another."""

  def __init__(self, folder: epath.Path, ledger: Ledger, total: int):
    """Args as `protocol`; `total` runs are planned."""
    self._folder, self._ledger, self._total = folder, ledger, total
    self._done = 0
    self._best: float | None = None
    self._lease = Lease.take(folder)

  def go(self, runs: Sequence[Run]) -> None:
    """Makes the runs of a stage."""
    finished = [run for run in runs if run.digest in self._ledger]
    self._count([self._ledger[run.digest] for run in finished])
    if finished:
      _log.info('%d of %d runs were finished before', len(finished), len(runs))
    for run in runs:
      if run.digest in self._ledger:
        continue
      self._say(run)
      began = time.time()
      line = _line(run, self._train(run), time.time() - began)
      self._lease.check()
      self._ledger.add([line])
      # States to resume from; those of twelve runs would fill a disk.
      states = self._folder / 'runs' / run.name / 'checkpoints'
      states.rmtree(missing_ok=True)
      self._count([line])

  def _train(self, run: Run) -> dict[str, Any]:
    workdir = str(self._folder / 'runs' / run.name)
    try:
      return train.train(run.config, workdir)
    except DivergedError as error:
      _log.warning('%s diverged: %s', run.name, error)
      return {'workdir': workdir, 'diverged': str(error)}

  def _count(self, lines: Sequence[Line]) -> None:
    self._done += len(lines)
    scores = [line['devel'] for line in lines if line['devel'] is not None]
    if scores:
      self._best = max(scores + ([] if self._best is None else [self._best]))

  def _say(self, run: Run) -> None:
    best = '' if self._best is None else f'; best devel so far {self._best:.2f}'
    took = self._ledger.seconds
    left = sum(took) / len(took) * (self._total - self._done) if took else 0
    left_text = f'; about {left / 60:.0f} min left' if took else ''
    number = self._done + 1
    _log.info(
      'run %d of %d%s%s: %s', number, self._total, best, left_text, run.name
    )


def _line(run: Run, report: dict[str, Any], seconds: float) -> Line:
  """What the ledger keeps of a finished run."""
  record = training_workdir.read_record(epath.Path(report['workdir']))
  data, results = run.config.data, report.get('results', {})
  scalars = {
    split: {k: v for k, v in figures.items() if isinstance(v, int | float)}
    for split, figures in results.items()
  }
  line = {
    'run': run.name,
    'digest': run.digest,
    'stage': run.stage,
    'fold': run.fold,
    'seed': run.seed,
    'point': run.point,
    'data_sha256': record['data_sha256'],
    'test_also_in_train': record['counts'].get(
      f'{data.test_split}_sentences_also_in_train'
    ),
    'step': report.get('step'),
    # The one figure that runs are compared by; None: diverged, or no devel.
    'devel': report.get('selection', {}).get(data.devel_split),
    'devel_figures': scalars.get(data.devel_split),
    'test_figures': scalars.get(data.test_split),
    'seconds': round(seconds, 1),
    'at_once': 1,
  }
  return line | {k: report[k] for k in ('diverged',) if k in report}
