"""Scores a trained model on a split of its corpus."""

import dataclasses
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np
from etils import epath

from biobert_jax import experiment as experiments
from biobert_jax.data.packing import Batch
from biobert_jax.errors import InputError
from biobert_jax.tasks.task import Rows, Scored, Task
from biobert_jax.training import checkpoint, metric_writer, sharding, state

_log = logging.getLogger(__name__)

Shapes = Callable[[int], dict[str, tuple[int, ...]]]


@dataclasses.dataclass(frozen=True)
class EvalStep:
  """An evaluation step on a mesh, which need not exist here.

  Attributes:
    batch_size: rows of a global batch.
    features: names of the arrays that the step takes.
    param_shardings: how parameters lie.
    lowering: what `state.lower_eval_step` takes; its last, the arguments, are
      (parameters, batch) as shapes.
  """

  batch_size: int
  features: tuple[str, ...]
  param_shardings: Any
  lowering: tuple[Any, ...]

  @classmethod
  def of(
    cls,
    task: Task,
    mesh: jax.sharding.Mesh,
    strategy: str,
    batch_size: int,
    feature_shapes: Shapes,
  ) -> 'EvalStep':
    """The step of a task; its arguments are those of `Evaluator`."""
    shards = mesh.shape[sharding.DATA]
    rows = -(-batch_size // shards) * shards
    abstract_params = jax.eval_shape(task.init, jax.random.key(0))
    specs = sharding.param_specs(abstract_params, strategy, mesh)
    param_shardings = sharding.shardings(specs, mesh)
    batch = {
      name: jax.ShapeDtypeStruct(shape, np.int32)
      for name, shape in feature_shapes(rows).items()
    }

    def predict(params: Any, batch: state.Batch) -> Any:
      params = sharding.gather(params, specs)
      # Whatever is drawn is drawn alike at every evaluation.
      keys = state.prepare_keys(jax.random.key(0), batch['row_ids'])
      batch = task.prepare(batch, keys)
      return task.predict(task.apply(params, batch), batch)

    # Each device its own rows, as in training: XLA cannot cut a kernel.
    by_rows = sharding.by_rows(mesh).spec
    eval_step = jax.shard_map(
      predict,
      mesh=mesh,
      in_specs=(sharding.manual_specs(specs), by_rows),
      out_specs=by_rows,
      axis_names=sharding.manual_axes(mesh),
      check_vma=False,
    )
    arguments = (abstract_params, batch)
    lowering = (eval_step, mesh, param_shardings, arguments)
    return cls(rows, tuple(batch), param_shardings, lowering)


class Evaluator:
  """A compiled evaluation step, ready to run over rows."""

  def __init__(
    self,
    task: Task,
    mesh: jax.sharding.Mesh,
    strategy: str,
    batch_size: int,
    feature_shapes: Shapes,
  ):
    """Compiles the step.

    Args:
      task: what to run.
      mesh: where.
      strategy: how parameters lie.
      batch_size: rows of a global batch; rounded up to fill the devices.
      feature_shapes: rows of a batch -> shape of each of its arrays.
    """
    step = EvalStep.of(task, mesh, strategy, batch_size, feature_shapes)
    self.batch_size = step.batch_size
    self._mesh = mesh
    self.param_shardings = step.param_shardings
    self._features = step.features
    self._step = state.compile_eval_step(*step.lowering)
    self.abstract_params = step.lowering[-1][0]

  def run(
    self,
    params: Any,
    rows: Rows,
    advance: Callable[[], None] = lambda: None,
  ) -> Iterator[tuple[Batch, dict[str, np.ndarray]]]:
    """Yields every batch of `rows` with its predictions, whole.

    Args:
      params: parameters, laid out as `param_shardings`.
      rows: what to predict.
      advance: called after each batch; it may raise to break off.

    Yields:
      (batch, predictions) with arrays [batch_size, L].
    """

    def dispatch(batch: Batch) -> Any:
      features = {name: batch[name] for name in self._features}
      return self._step(params, sharding.place_whole(features, self._mesh))

    batches = rows.eval_batches(self.batch_size)
    yield from one_ahead(dispatch, batches, advance)


def one_ahead(
  dispatch: Callable[[Batch], Any],
  batches: Iterable[Batch],
  advance: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Batch, Any]]:
  """Yields every batch with its outputs, and keeps the device busy.

  The next batch is handed to the device before the last is read back.

  Args:
    dispatch: a batch -> arrays on the device.
    batches: what to hand over.
    advance: called after each batch; it may raise to break off.

  Yields:
    (batch, its arrays on the host).
  """
  waiting: tuple[Batch, Any] | None = None
  for batch in batches:
    outputs = dispatch(batch)
    if waiting is not None:
      yield waiting[0], jax.device_get(waiting[1])
    waiting = batch, outputs
    advance()
  if waiting is not None:
    yield waiting[0], jax.device_get(waiting[1])


def write_files(scored: Scored, workdir: epath.Path) -> None:
  """Writes predictions and mistakes beside the model."""
  for name, text in scored.files.items():
    experiments.write_text(workdir / name, text)


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
  if experiments.is_first_host():
    for scored in scores.values():
      write_files(scored, folder)
    text = json.dumps(written, indent=2) + '\n'
    experiments.write_text(folder / 'results.json', text)
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
  checkpoints = checkpoint.Checkpoints(workdir, 1)
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
  folder = experiments.folder_of(workdir)
  overrides = {'data.dir': data_dir} if data_dir else {}
  experiment = experiments.from_workdir(folder, overrides, (split,))
  rows = experiment.dataset.rows(split)
  evaluator, params = open_model(experiment, folder, rows)
  scored = experiment.dataset.score(split, evaluator.run(params, rows))
  if experiments.is_first_host():
    write_files(scored, folder)
  return {'workdir': str(folder), 'split': split, **scored.figures}
