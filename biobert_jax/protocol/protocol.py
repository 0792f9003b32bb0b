"""The paper's protocol: a grid on the dev set, then test, by seeds or folds.

Every run is an ordinary work folder, `runs/NAME`. Finished runs stand in
`ledger.jsonl` and are never made again: kill the protocol anywhere and give the
same command. An interrupted run resumes from its last checkpoint.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from biobert_jax.errors import DivergedError, InputError
from biobert_jax.protocol import plan as plans
from biobert_jax.protocol import published_results, results_table
from biobert_jax.protocol.device_slots import find_slots
from biobert_jax.protocol.executor import Executor
from biobert_jax.protocol.ledger import Ledger, open_ledger
from biobert_jax.protocol.plan import Run
from biobert_jax.training import experiment as experiments
from biobert_jax.training import workdir as training_workdir

_log = logging.getLogger(__name__)


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
    As `train`, except for runs of the grid that diverge.
  """
  began = time.time()
  folder = training_workdir.folder_of(workdir)
  experiments.validate(config)
  wanted = plans.parse_folds(folds)
  given = (grid or plans.NO_GRID) if wanted[0] else grid
  configurations = plans.parse_grid(given, config)
  if wanted[0] and len(configurations) > 1:
    raise InputError(
      '--folds trains with the values that the config states; leave --grid out'
    )
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
    raise DivergedError(f'{", ".join(given_up)}; lower optim.learning_rate')
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
    raise DivergedError(
      'every run of the grid diverged; lower optim.learning_rate'
    )
  return runs[scores.index(max(known))]
