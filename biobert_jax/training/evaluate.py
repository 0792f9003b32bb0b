"""Scores a trained model on a split of its corpus, and reports the scores."""

import json
import logging
from typing import Any

import numpy as np
from etils import epath
from jax.experimental import multihost_utils

from biobert_jax.errors import InputError
from biobert_jax.io.atomic import write_text
from biobert_jax.parallel import sharding
from biobert_jax.parallel.multihost import is_first_host
from biobert_jax.tasks.evaluator import Evaluator
from biobert_jax.tasks.task import Rows, Scored
from biobert_jax.training import score_table
from biobert_jax.training.checkpointing.manager import Checkpoints
from biobert_jax.training.experiment import TASKS, Experiment
from biobert_jax.training.monitoring.curves import draw_curves
from biobert_jax.training.workdir import (
  check_same_experiment,
  folder_of,
  from_workdir,
)

RESULTS_FILE = 'results.json'
_log = logging.getLogger(__name__)


def _write_files(scored: Scored, workdir: epath.Path) -> None:
  """Writes predictions and errors beside the model."""
  for name, text in scored.files.items():
    write_text(workdir / name, text)


def write_report(
  folder: epath.Path, task: str, step: int, scores: dict[str, Scored]
) -> dict[str, Any]:
  """Writes the last files of a run: scores, what they rest on, the curves.

  Args:
    folder: the run's work folder.
    task: the run's task.
    step: the step of the parameters that were scored.
    scores: those of each split.

  Returns:
    `{"workdir", "step", "results": {split: metrics}, "selection": {split:
    the metric by which runs are compared}}`, also in `results.json`, which is
    written last: a run that has it is finished.
  """
  report = {
    'workdir': str(folder),
    'step': step,
    'results': {split: scored.metrics for split, scored in scores.items()},
    'selection': {split: scored.selection for split, scored in scores.items()},
  }
  if is_first_host():
    for scored in scores.values():
      _write_files(scored, folder)
    factor = score_table.percent_factor(task)
    draw_curves(folder, TASKS[task].PANELS, step, factor)
    write_text(folder / RESULTS_FILE, json.dumps(report, indent=2) + '\n')
  _log_report('finished', task, report)
  return report


def _log_report(how: str, task: str, report: dict[str, Any]) -> None:
  _log.info(
    '%s: the parameters of step %d are kept in %s\n%s',
    *(how, report['step'], report['workdir']),
    score_table.table(task, report['results']),
  )


def finished_report(
  experiment: Experiment, folder: epath.Path
) -> dict[str, Any] | None:
  """The report of a run that was finished before; None where steps are left.

  Raises:
    InputError: the folder holds another experiment.
  """
  report = _read_report(folder)
  finished = np.asarray(report is not None)
  if not np.all(multihost_utils.process_allgather(finished)) or report is None:
    return None
  check_same_experiment(experiment, folder)
  report['workdir'] = str(folder)  # It may have been moved.
  _log_report('already finished', experiment.config.task, report)
  return report


def _read_report(folder: epath.Path) -> dict[str, Any] | None:
  """The report in a folder; None where it, or what it speaks of, is not whole.

  Such a run is taken up again, which writes the report anew.
  """
  try:
    report = json.loads((folder / RESULTS_FILE).read_text())
    kept = folder / 'best' / str(report['step'])
    whole = {'results', 'selection'} <= report.keys() and kept.exists()
  except (OSError, ValueError, TypeError, KeyError, AttributeError):
    return None
  return report if whole else None


def open_model(
  experiment: Experiment, workdir: epath.Path, rows: Rows
) -> tuple[Evaluator, Any]:
  """Compiles the evaluation step and restores the best parameters."""
  if not (workdir / 'best').exists():
    raise InputError(f'{workdir}: holds no parameters; train first')
  mesh = sharding.make_mesh('dp', 1)
  evaluator = Evaluator(
    experiment.task,
    mesh,
    'dp',
    experiment.config.train.eval_batch_size,
    rows.feature_shapes,
  )
  checkpoints = Checkpoints(workdir, 1)
  params = checkpoints.restore_best(
    evaluator.abstract_params, evaluator.param_shardings
  )
  checkpoints.close()
  return evaluator, params


def evaluate(workdir: str, split: str, data_dir: str = '') -> dict[str, Any]:
  """Scores the best parameters of a work folder on one split.

  Args:
    workdir: folder of a training run.
    split: 'train', 'devel', 'train_dev' or 'test'; 'train' or 'validation' of
      a pre-training corpus.
    data_dir: where the corpus is now, if it has moved.

  Returns:
    The metrics; predictions and errors are written to the folder.

  Raises:
    InputError: nothing trained there, or a wrong corpus.
  """
  folder = folder_of(workdir)
  overrides = {'data.dir': data_dir} if data_dir else {}
  experiment = from_workdir(folder, overrides, (split,))
  rows = experiment.dataset.rows(split)
  evaluator, params = open_model(experiment, folder, rows)
  scored = experiment.dataset.score(split, evaluator.run(params, rows))
  if is_first_host():
    _write_files(scored, folder)
  results = {split: scored.metrics}
  _log.info('\n%s', score_table.table(experiment.config.task, results))
  return {'workdir': str(folder), 'split': split, **scored.metrics}
