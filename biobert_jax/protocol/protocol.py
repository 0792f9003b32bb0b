"""The paper's protocol: a grid on devel, then test, over seeds or folds.

Every run is an ordinary work folder, `runs/NAME`; several at once are one
program (`stacked`). What is finished stands in `ledger.jsonl` and is never made
again: kill the protocol anywhere and give the same command. A run that was cut
goes on from its last checkpoint, a stack from that of the stack.
"""

import dataclasses
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from etils import epath
from ml_collections import ConfigDict

from biobert_jax import stacked
from biobert_jax.errors import DivergedError, InputError
from biobert_jax.protocol import plan as plans
from biobert_jax.protocol import published_results, results_table
from biobert_jax.protocol.ledger import Ledger, Line, open_ledger
from biobert_jax.protocol.plan import Run
from biobert_jax.stack_program import most_at_once
from biobert_jax.training import experiment as experiments
from biobert_jax.training import train
from biobert_jax.training import workdir as training_workdir
from biobert_jax.training.checkpointing.workdir_lease import Lease
from biobert_jax.training.experiment import Experiment

_log = logging.getLogger(__name__)
AUTO = 'auto'
# A run, and its experiment where its corpus is opened.
_Opened = tuple[Run, Experiment | None]


def protocol(
  config: ConfigDict,
  workdir: str,
  grid: str,
  seeds: str,
  folds: str,
  stack: str,
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
    stack: how many runs share a program; 'auto': as many as memory holds.
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
  if stack != AUTO and not (stack.isdecimal() and int(stack) >= 1):
    raise InputError(f'--stack is {stack!r}; a number, or {AUTO}')
  plans.check_folds(config, wanted)
  chosen = plans.plan_grid(config, points)
  tests = plans.plan_tests(config, points[0], numbers, wanted)
  corpora, weights = _check_corpora(chosen[:1] + tests[:: len(numbers)])

  ledger = open_ledger(folder, plans.shared(config) | weights)
  ledger.check(corpora)
  runner = _Runner(folder, ledger, len(chosen) + len(tests), stack)
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
  """Makes runs that are not in the ledger yet, as many at once as fit."""

  def __init__(
    self, folder: epath.Path, ledger: Ledger, total: int, stack: str
  ):
    """Args as `protocol`; `total` runs are planned."""
    self._folder, self._ledger = folder, ledger
    self._total, self._stack = total, stack
    self._done = 0
    self._best: float | None = None
    self._lease = Lease.take(folder)

  def go(self, runs: Sequence[Run]) -> None:
    """Makes the runs of a stage."""
    finished = [run for run in runs if run.digest in self._ledger]
    self._count([self._ledger[run.digest] for run in finished])
    if finished:
      _log.info('%d of %d runs were finished before', len(finished), len(runs))
    missing = [run for run in runs if run.digest not in self._ledger]
    for group in self._groups(missing):
      self._say([run for run, _ in group])
      began = time.time()
      reports = self._make(group)
      seconds = (time.time() - began) / len(group)
      lines = [
        _line(run, report, seconds, len(group))
        for (run, _), report in zip(group, reports, strict=True)
      ]
      self._lease.check()
      self._ledger.add(lines)
      # States to go on from; of twelve runs they would fill a disk.
      self._stack_folder(group).rmtree(missing_ok=True)
      for run, _ in group:
        states = self._folder / 'runs' / run.name / 'checkpoints'
        states.rmtree(missing_ok=True)
      self._count(lines)

  def _groups(self, runs: Sequence[Run]) -> Iterator[list[_Opened]]:
    """Runs that train together, each with its corpus opened, or alone."""
    if self._stack == '1':
      for run in runs:
        yield [(run, None)]
      return
    alike: dict[Any, list[Run]] = {}
    for run in runs:
      alike.setdefault(stacked.program_of(run.config), []).append(run)
    for bucket in alike.values():
      same: dict[Any, list[_Opened]] = {}
      for run, experiment in _open(bucket):
        # Vocabularies that are built of a corpus differ in size.
        what = experiment.bert, experiment.labels
        same.setdefault(what, []).append((run, experiment))
      for group in same.values():
        first = group[0][1]
        assert first is not None
        most = int(self._stack) if self._stack != AUTO else most_at_once(first)
        # Evenly: 10 where 8 fit are 5 and 5.
        each = -(-len(group) // -(-len(group) // most))
        for start in range(0, len(group), each):
          yield group[start : start + each]

  def _make(self, group: Sequence[_Opened]) -> list[dict[str, Any]]:
    folders = [self._folder / 'runs' / run.name for run, _ in group]
    opened = [e for _, e in group if e is not None]
    if opened:
      return stacked.train_stack(opened, folders, self._stack_folder(group))
    (run, _), workdir = group[0], str(folders[0])
    try:
      return [train.train(run.config, workdir)]
    except DivergedError as error:
      _log.warning('%s diverged: %s', run.name, error)
      return [{'workdir': workdir, 'diverged': str(error)}]

  def _stack_folder(self, group: Sequence[_Opened]) -> epath.Path:
    digest = plans.digest_of([run.digest for run, _ in group])
    return self._folder / 'stacks' / digest[:8]

  def _count(self, lines: Sequence[Line]) -> None:
    self._done += len(lines)
    scores = [line['devel'] for line in lines if line['devel'] is not None]
    if scores:
      self._best = max(scores + ([] if self._best is None else [self._best]))

  def _say(self, runs: Sequence[Run]) -> None:
    first = self._done + 1
    last = first + len(runs) - 1
    which = f'run {first}' if len(runs) == 1 else f'runs {first} to {last}'
    best = '' if self._best is None else f'; best devel so far {self._best:.2f}'
    took = self._ledger.seconds
    left = sum(took) / len(took) * (self._total - self._done) if took else 0
    left_text = f'; about {left / 60:.0f} min left' if took else ''
    names = ', '.join(run.name for run in runs)
    _log.info('%s of %d%s%s: %s', which, self._total, best, left_text, names)


def _open(runs: Sequence[Run]) -> Iterator[tuple[Run, Experiment]]:
  """Opens the corpus of each run, once for all that share it."""
  opened: dict[str, Experiment] = {}
  for run in runs:
    flat = experiments.flatten(run.config)
    own = ('optim.', 'train.', 'batch_size')
    rest = {k: repr(v) for k, v in flat.items() if not k.startswith(own)}
    key = plans.digest_of(rest)
    if key not in opened:
      opened[key] = experiments.from_config(run.config)
    yield run, dataclasses.replace(opened[key], config=run.config)


def _line(
  run: Run, report: dict[str, Any], seconds: float, at_once: int
) -> Line:
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
    'at_once': at_once,
  }
  return line | {k: report[k] for k in ('diverged',) if k in report}
