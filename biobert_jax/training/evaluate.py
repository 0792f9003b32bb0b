"""Scores a trained model on a split of its corpus, and reports the scores."""

import json
import logging
import math
import pathlib
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from biobert_jax.checkpoints import integrity, run_steps
from biobert_jax.errors import STEP, BucketError, DivergedError, check_ranges
from biobert_jax.io import storage
from biobert_jax.io.atomic import write_text
from biobert_jax.io.json_files import write_json
from biobert_jax.io.storage import Place
from biobert_jax.parallel import sharding
from biobert_jax.parallel.multihost import is_first_host
from biobert_jax.tasks.evaluator import Evaluator
from biobert_jax.tasks.task import Scored
from biobert_jax.training import score_table
from biobert_jax.training import workdir as workdirs
from biobert_jax.training.experiment import TASKS, Experiment, flatten
from biobert_jax.training.monitoring.curves import draw_curves

RESULTS_FILE = workdirs.RESULTS_FILE
_LEARNING_RATE = ('learning rate', ('train/learning_rate',))
_log = logging.getLogger(__name__)


def _write_files(scored: Scored, workdir: Place) -> None:
  for name, text in scored.files.items():
    write_text(workdir / name, text)


def write_report(
  folder: Place, task: str, step: int, scores: dict[str, Scored]
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
  experiment: Experiment, folder: Place
) -> dict[str, Any] | None:
  """The report of a run that was finished before; None where steps are left.

  Steps are left where the config has more of them now, and where the last
  checkpoint is damaged: the run is taken up from the one before it or, where
  none is whole, refused.
  """
  report = _read_report(folder)
  finished = report is not None
  if finished and is_first_host():
    finished = _last_checkpoint_is_whole(folder / 'checkpoints')
  agreed = np.all(multihost_utils.process_allgather(np.asarray(finished)))
  if not agreed or report is None:
    return None
  if not workdirs.is_same_experiment(experiment, folder):
    return None
  report['workdir'] = str(folder)  # It may have been moved.
  _log_report('already finished', experiment.config.task, report)
  return report


def _read_report(folder: Place) -> dict[str, Any] | None:
  """The report in a folder; None where it, or what it names, is not whole."""
  try:
    report = json.loads(storage.read_text(folder / RESULTS_FILE))
    kept = folder / 'best' / str(report['step'])
    whole = {'results', 'selection'} <= report.keys() and storage.exists(kept)
  except BucketError as error:
    if not isinstance(error, FileNotFoundError):
      raise  # Nobody knows whether there is one.
    return None
  except (OSError, ValueError, TypeError, KeyError, AttributeError):
    return None
  return report if whole else None


def _last_checkpoint_is_whole(folder: Place) -> bool:
  """Compares the last state with its record; true where none was kept."""
  steps = run_steps.saved(folder.parent, (folder.name,))
  if not steps:
    return True
  path = steps[0]
  damage = integrity.damage_of(path)
  if damage:
    _log.warning('checkpoint %s is damaged: %s', path, damage)
  return not damage


def evaluate(
  workdir: str, split: str, data_dir: str = '', step: str = ''
) -> dict[str, Any]:
  """Scores the parameters of a run on one split of its corpus; writes files.

  Args:
    workdir: work folder of a run, which may still train.
    split: 'train', 'devel', 'train_dev' or 'test'; of a pre-training corpus
      'train' or 'validation'.
    data_dir: for a corpus that has moved.
    step: 'best', 'latest' or a number, whose files go to `step_N/`; '' is the
      best where one is chosen, else the latest.

  Raises:
    InputError: nothing trained there, or a wrong corpus.
    DivergedError: a score is not finite.
  """
  folder = workdirs.folder_of(workdir)
  check_ranges({'step': step}, {'step': STEP})
  overrides = {'data.dir': data_dir} if data_dir else {}
  experiment = workdirs.from_workdir(folder, overrides, (split,))
  config, rows = experiment.config, experiment.dataset.rows(split)
  path, params = run_steps.read(folder, config, step)
  size, shapes = config.train.eval_batch_size, rows.feature_shapes
  mesh = sharding.make_mesh('dp', 1)
  evaluator = Evaluator(experiment.task, mesh, 'dp', size, shapes).compile()
  params = jax.device_put(params, evaluator.param_shardings)
  scored = experiment.dataset.score(split, evaluator.run(params, rows))
  check_finite(scored, split, int(path.name))
  if is_first_host():
    target = folder / f'step_{path.name}' if step else folder
    if isinstance(target, pathlib.Path):
      target.mkdir(parents=True, exist_ok=True)
    _write_files(scored, target)
  results = {split: scored.metrics}
  _log.info('\n%s', score_table.table(config.task, results))
  about = {'workdir': str(folder), 'split': split, 'step': int(path.name)}
  return {**about, **scored.metrics}


def check_finite(scored: Scored, split: str, step: int) -> None:
  """Raises a DivergedError for a score that is no number: nothing equals it."""
  values = flatten({'selection': scored.selection, **scored.metrics})
  for name, value in values.items():
    # A threshold may lie beyond all scores.
    threshold = name.endswith('_thresh')
    is_float = isinstance(value, float | np.floating)
    wrong = is_float and not math.isfinite(value)
    if wrong and not threshold:
      raise DivergedError(
        f'{name} of {split} is {value} at step {step}: the model is not '
        'usable; take an earlier checkpoint by --step, or lower '
        '--config.optim.learning_rate in a new --workdir'
      )
