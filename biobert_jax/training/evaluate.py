"""Scores a trained model on a split of its corpus."""

import json
import logging
from typing import Any

from etils import epath

from biobert_jax.errors import InputError
from biobert_jax.io import atomic
from biobert_jax.parallel import multihost, sharding
from biobert_jax.tasks.evaluator import Evaluator
from biobert_jax.tasks.task import Rows, Scored
from biobert_jax.training import experiment as experiments
from biobert_jax.training import workdir as training_workdir
from biobert_jax.training.checkpointing import manager
from biobert_jax.training.monitoring import metric_writer

_log = logging.getLogger(__name__)


def write_files(scored: Scored, workdir: epath.Path) -> None:
  """Writes predictions and mistakes beside the model."""
  for name, text in scored.files.items():
    atomic.write_text(workdir / name, text)


def report(
  folder: epath.Path, task: str, step: int, scores: dict[str, Scored]
) -> dict[str, Any]:
  """Writes what a run ends with: scores, their files, the curves.

  Args:
    folder: the run's work folder.
    task: the run's.
    step: of the parameters that were scored.
    scores: of each split.

  Returns:
    `{"workdir", "step", "results": {split: figures}, "selection": {split:
    the figure by which runs are compared}}`, also in `results.json`.
  """
  written = {
    'workdir': str(folder),
    'step': step,
    'results': {split: scored.figures for split, scored in scores.items()},
    'selection': {split: scored.selection for split, scored in scores.items()},
  }
  if multihost.is_first_host():
    for scored in scores.values():
      write_files(scored, folder)
    text = json.dumps(written, indent=2) + '\n'
    atomic.write_text(folder / 'results.json', text)
    metric_writer.draw_curves(folder, experiments.TASKS[task].PANELS)
  return written


def open_model(
  experiment: experiments.Experiment, workdir: epath.Path, rows: Rows
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
  checkpoints = manager.Checkpoints(workdir, 1)
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
    The figures; predictions and mistakes are written to the folder.

  Raises:
    InputError: nothing trained there, or a wrong corpus.
  """
  folder = training_workdir.folder_of(workdir)
  overrides = {'data.dir': data_dir} if data_dir else {}
  experiment = training_workdir.from_workdir(folder, overrides, (split,))
  rows = experiment.dataset.rows(split)
  evaluator, params = open_model(experiment, folder, rows)
  scored = experiment.dataset.score(split, evaluator.run(params, rows))
  if multihost.is_first_host():
    write_files(scored, folder)
  return {'workdir': str(folder), 'split': split, **scored.figures}
