"""Scores a trained model on a split of its corpus, and reports the scores."""

import contextlib
import json
import logging
from typing import Any

import numpy as np
from etils import epath
from jax.experimental import multihost_utils

from biobert_jax.checkpoints import integrity
from biobert_jax.checkpoints.formats import orbax_params
from biobert_jax.errors import InputError
from biobert_jax.io.atomic import write_text
from biobert_jax.io.json_files import write_json
from biobert_jax.parallel import sharding
from biobert_jax.parallel.multihost import is_first_host
from biobert_jax.tasks.evaluator import Evaluator
from biobert_jax.tasks.task import Scored
from biobert_jax.training import score_table
from biobert_jax.training import workdir as workdirs
from biobert_jax.training.checkpointing.manager import Checkpoints
from biobert_jax.training.experiment import TASKS, Experiment
from biobert_jax.training.monitoring.curves import draw_curves

RESULTS_FILE = 'results.json'
_LEARNING_RATE = ('learning rate', ('train/learning_rate',))
_log = logging.getLogger(__name__)


def _write_files(scored: Scored, workdir: epath.Path) -> None:
  for name, text in scored.files.items():
    write_text(workdir / name, text)


def write_report(
  folder: epath.Path, task: str, step: int, scores: dict[str, Scored]
) -> dict[str, Any]:
  """Writes the last files of a run: scores, what they rest on, the curves.

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
    panels = (*TASKS[task].PANELS, _LEARNING_RATE)
    draw_curves(folder, panels, step, factor)
    write_json(folder / RESULTS_FILE, report, ascii=True)
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

  Steps are also left where the last checkpoint is damaged: the run is taken up
  from the one before it or, where none is whole, refused.
  """
  report = _read_report(folder)
  finished = report is not None
  if finished and is_first_host():
    finished = _last_checkpoint_is_whole(folder / 'checkpoints')
  agreed = np.all(multihost_utils.process_allgather(np.asarray(finished)))
  if not agreed or report is None:
    return None
  workdirs.check_same_experiment(experiment, folder)
  report['workdir'] = str(folder)  # It may have been moved.
  _log_report('already finished', experiment.config.task, report)
  return report


def _read_report(folder: epath.Path) -> dict[str, Any] | None:
  """The report in a folder; None where it, or what it names, is not whole."""
  try:
    report = json.loads((folder / RESULTS_FILE).read_text())
    kept = folder / 'best' / str(report['step'])
    whole = {'results', 'selection'} <= report.keys() and kept.exists()
  except (OSError, ValueError, TypeError, KeyError, AttributeError):
    return None
  return report if whole else None


def _last_checkpoint_is_whole(folder: epath.Path) -> bool:
  """Compares the last state with its record; true where none was kept."""
  found = folder.glob('*') if folder.exists() else ()
  steps = [path.name for path in found if path.name.isdecimal()]
  if not steps:
    return True
  path = folder / max(steps, key=int)
  try:
    record = json.loads((path / integrity.GUARD / 'metadata').read_text())
    state = orbax_params.read_params(path / integrity.STATE)
    orbax_params.compare(state, record, path)
  # A damaged file can make a reader raise anything.
  except Exception as error:
    _log.warning('checkpoint %s is damaged: %s', path, error)
    return False
  return True


def evaluate(workdir: str, split: str, data_dir: str = '') -> dict[str, Any]:
  """Scores the best parameters of a work folder on one split; writes files.

  Splits are 'train', 'devel', 'train_dev' and 'test'; of a pre-training corpus
  'train' and 'validation'. `data_dir` is for a corpus that has moved.

  Raises:
    InputError: nothing trained there, or a wrong corpus.
  """
  folder = workdirs.folder_of(workdir)
  overrides = {'data.dir': data_dir} if data_dir else {}
  experiment = workdirs.from_workdir(folder, overrides, (split,))
  rows = experiment.dataset.rows(split)
  if not (folder / 'best').exists():
    raise InputError(f'{folder}: holds no parameters; train first')
  size = experiment.config.train.eval_batch_size
  mesh, shapes = sharding.make_mesh('dp', 1), rows.feature_shapes
  evaluator = Evaluator(experiment.task, mesh, 'dp', size, shapes).compile()
  layout = (evaluator.abstract_params, evaluator.param_shardings)
  with contextlib.closing(Checkpoints(folder, 1)) as checkpoints:
    params = checkpoints.restore_best(*layout)
  scored = experiment.dataset.score(split, evaluator.run(params, rows))
  if is_first_host():
    _write_files(scored, folder)
  results = {split: scored.metrics}
  _log.info('\n%s', score_table.table(experiment.config.task, results))
  return {'workdir': str(folder), 'split': split, **scored.metrics}
