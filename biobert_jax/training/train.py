"""The one training loop."""

import contextlib
import logging
import time
import types
from typing import Any

import jax
from ml_collections import ConfigDict

from biobert_jax.data.broken_rows import log_counts
from biobert_jax.errors import InputError
from biobert_jax.parallel import multihost, sharding
from biobert_jax.tasks.evaluator import Evaluator
from biobert_jax.tasks.task import Scored
from biobert_jax.training import continuation, evaluate, optimizer, train_step
from biobert_jax.training import experiment as experiments
from biobert_jax.training.monitoring import start_log
from biobert_jax.training.monitoring.profiler import Profiler
from biobert_jax.training.plan import Plan
from biobert_jax.training.run_guard import guarded_run
from biobert_jax.training.run_log import Log, Meter
from biobert_jax.training.workdir import (
  folder_of,
  history_of,
  resumes,
  save_experiment,
  stages_of,
)

_log = logging.getLogger(__name__)


def train(
  config: ConfigDict, workdir: str, continue_as: str = ''
) -> dict[str, Any]:
  """Trains, keeps the best parameters on the dev set, scores dev and test set.

  Started again on the same folder, it resumes bit-exactly: it ends with the
  same bytes as a run that was never stopped. A finished run is not run again,
  unless it has more steps now.

  Args:
    config: of the experiment; what decides the result stays when a run resumes.
    workdir: work folder, new or to resume.
    continue_as: a new work folder, in which the run of `workdir` continues from
      its newest checkpoint with another learning rate, batch or schedule.

  Returns:
    The report of `evaluate.write_report`.

  Raises:
    InputError: a wrong config or corpus, before anything is compiled.
    DivergedError: the loss is not finite.
    PreemptedError: SIGTERM; the state is saved.
    UserInterruptError: Ctrl-C; the state is saved.
    StorageError: the disk refused a checkpoint.
    TakenOverError: the same folder was given to a run that began later.
  """
  began = time.time()
  folder = folder_of(workdir)

  # Mesh.
  experiments.validate(config)
  strategy = config.mesh.strategy
  mesh = sharding.make_mesh(strategy, config.mesh.model)
  sharding.check_batch(config.batch_size, config.accumulate, mesh)

  # Data.
  input_pipeline = _import_input_pipeline()
  experiment = experiments.from_config(config)
  if continue_as:
    new = folder_of(continue_as)
    continuation.continue_as(experiment, folder, new)
    folder = new
  if (report := evaluate.finished_report(experiment, folder)) is not None:
    return report
  dataset, task, data = experiment.dataset, experiment.task, config.data
  sharding.check_heads(experiment.bert.num_attention_heads, mesh)
  splits = [s for s in (data.devel_split, data.test_split) if s]
  rows = {s: dataset.rows(s) for s in (data.train_split, *splits)}
  train_rows = rows[data.train_split]
  history = history_of(folder)
  plan = Plan.of(config, train_rows.num_rows, stages_of(history))

  # Model, state and step, by their shapes.
  learning_rate, update = optimizer.of_config(config, plan)
  shapes = train_rows.feature_shapes(config.batch_size)
  setup = train_step.step_of(config, task, update, mesh, shapes)
  abstract, shardings = setup.abstract, setup.shardings
  weights: dict[str, Any] = {}
  if not resumes(folder):
    experiment, weights = experiments.load_weights(experiment, abstract.params)
  key = train_step.step_key(config)
  save_experiment(experiment, folder)
  history = history_of(folder)
  log_counts(dataset.counts)
  start_log.log_start(experiment, abstract.params)

  with contextlib.ExitStack() as stack:
    guard = stack.enter_context(guarded_run(config, folder, began))
    checkpoints, timeline = guard.checkpoints, guard.timeline
    interruptible = guard.preemption.interruptible

    # Restore, or begin. From here on programs are compiled.
    _log.info('compiling')
    compiling = time.time()
    if checkpoints.latest_step is not None:
      state = checkpoints.restore(abstract, shardings)
      _log.info('resumed at step %d of %d', int(state.step), plan.num_steps)
      at = (train_rows.num_rows, history, int(state.step))
      continuation.log_change(config, plan, *at)
    else:
      start = (task.init, update, jax.random.key(config.seed), shardings)
      state = interruptible(lambda: train_step.create_state(*start))
      params = experiments.replace_params(state.params, weights)
      state = state._replace(params=params)
      checkpoints.prepare(state)
    step = int(state.step)

    # Steps, compiled once, before the first batch is spent.
    lower, size = train_step.lower_train_step, config.train.eval_batch_size
    compiled_step = interruptible(lambda: lower(*setup.lowering).compile())
    scoring = (task, mesh, strategy, size, train_rows.feature_shapes)
    evaluator = interruptible(lambda: Evaluator(*scoring).compile())
    timeline.ready(step)
    _log.info(
      'compiled in %.0f s on %s; parameters and optimizer state: %.1f MB per '
      'device',
      *(time.time() - compiling, start_log.device_names(jax.devices())),
      sharding.bytes_per_device(state) / 1e6,
    )

    # Loop. The metrics of a step are read once the next step is on its way.
    meter, may_write = Meter.of(experiment, train_rows), guard.lease.check
    log = Log(folder, config, plan, learning_rate, step, meter, may_write)
    stack.callback(log.close)
    first = config.train.profile_step if multihost.is_first_host() else None
    profiler = Profiler(folder / 'tensorboard', first)
    stack.callback(profiler.close)
    own = input_pipeline.train_batches(
      train_rows,
      batch_size=config.batch_size,
      start_step=step,
      num_steps=plan.num_steps,
      host=jax.process_index(),
      hosts=jax.process_count(),
      earlier=stages_of(history),
    )
    batches = log.timed(sharding.shard_host_batch(batch, mesh) for batch in own)

    def check() -> None:
      guard.check(state, log.sync)

    def score(params: Any, split: str) -> Scored:
      with timeline.spent('evaluation'):
        outputs = evaluator.run(params, rows[split], check)
        scored = dataset.score(split, outputs)
      evaluate.check_finite(scored, split, step)
      return scored

    # The scores of the best parameters that this process computed, by step.
    best_scores: dict[int, Scored] = {}

    def evaluate_and_select() -> None:
      scored = score(state.params, data.devel_split)
      log.scores(step, data.devel_split, scored, timeline.goodput())
      best = plan.selects and scored.selection > checkpoints.best_score()
      if best or step == plan.num_steps:
        best_scores.clear()
        best_scores[step] = scored
      if best:
        checkpoints.save_best(step, state.params, scored.selection)

    # A checkpoint may have been written while its evaluation still ran.
    if step > 0 and plan.evaluates_after(step):
      evaluate_and_select()
    for batch in batches:
      check()
      with profiler.step(step + 1, state):
        state, metrics = compiled_step(state, batch, key)
      step += 1
      log.step(step, metrics)
      timeline.step(step)
      if plan.saves_after(step):
        log.sync()
        guard.save(state)
      if plan.evaluates_after(step):
        evaluate_and_select()
      if plan.saves_after(step):
        log.restart_clock(step)
    log.sync()
    if not plan.selects:
      checkpoints.save_best(step, state.params, 0.0)

    # Finish: the best parameters are scored.
    params = checkpoints.restore_best(abstract.params, shardings.params)
    best_step = checkpoints.best_step
    guard.lease.check_together()
    scores = {}
    for split in splits:
      known = best_scores.get(best_step) if split == data.devel_split else None
      scores[split] = known or score(params, split)
  return evaluate.write_report(folder, config.task, best_step, scores)


def _import_input_pipeline() -> types.ModuleType:
  """The one module that needs TensorFlow, imported for training only."""
  try:
    from biobert_jax.data import input_pipeline
  except ModuleNotFoundError as error:
    if (error.name or '').partition('.')[0] != 'tensorflow':
      raise
    raise InputError(
      'training reads its batches through tf.data, and TensorFlow is not '
      "installed: pip install 'biobert-jax[train]'"
    ) from None
  return input_pipeline
