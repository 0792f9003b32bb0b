"""The one training loop."""

import contextlib
import logging
import time
from typing import Any

import jax
from ml_collections import ConfigDict

from biobert_jax.data import counts, input_pipeline
from biobert_jax.parallel import multihost, sharding
from biobert_jax.tasks import evaluator as tasks_evaluator
from biobert_jax.tasks.task import Scored
from biobert_jax.training import evaluate as evaluation
from biobert_jax.training import experiment as experiments
from biobert_jax.training import init_weights, run_log, step_setup
from biobert_jax.training import plan as training_plan
from biobert_jax.training import train_step as training_train_step
from biobert_jax.training import workdir as training_workdir
from biobert_jax.training.monitoring.profiler import Profiler
from biobert_jax.training.run_guard import guarded_run

_log = logging.getLogger(__name__)


def train(config: ConfigDict, workdir: str) -> dict[str, Any]:
  """Trains, keeps the best parameters on devel, scores devel and test.

  Started again on the same folder, it goes on where it was stopped, and
  ends with the same bytes as a run that was not.

  Args:
    config: an experiment of `configs/`.
    workdir: where everything is written.

  Returns:
    What `evaluate.report` gives and writes.

  Raises:
    InputError: a wrong config or corpus, before anything is compiled.
    DivergedError: the loss is not finite.
    PreemptedError: SIGTERM; the state is saved.
    StorageError: the disk refused a checkpoint.
    TakenOverError: the same folder was given to a run that began later.
  """
  began = time.time()
  folder = training_workdir.folder_of(workdir)

  # Mesh.
  experiments.validate(config)
  strategy = config.mesh.strategy
  mesh = sharding.make_mesh(strategy, config.mesh.model)
  sharding.check_batch(config.batch_size, config.accumulate, mesh)

  # Data.
  experiment = experiments.from_config(config)
  dataset, task, data = experiment.dataset, experiment.task, config.data
  sharding.check_heads(experiment.bert.num_attention_heads, mesh)
  splits = [s for s in (data.devel_split, data.test_split) if s]
  rows = {s: dataset.rows(s) for s in (data.train_split, *splits)}
  train_rows = rows[data.train_split]
  plan = training_plan.Plan.of(config, train_rows.num_rows)
  rate, optimizer = step_setup.make_optimizer(config, plan)

  # Model, state and step, by their shapes.
  shapes = train_rows.feature_shapes(config.batch_size)
  plan_of_step = step_setup.step_of(config, task, optimizer, mesh, shapes)
  abstract, shardings = plan_of_step.abstract, plan_of_step.shardings
  weights = init_weights.load_weights(experiment, abstract.params)
  key = step_setup.step_key(config)
  training_workdir.save(experiment, folder)
  counts.say_counts(dataset.counts)

  with contextlib.ExitStack() as stack:
    watch = stack.enter_context(guarded_run(config, folder, began))
    checkpoints, timeline = watch.checkpoints, watch.timeline
    # Restore, or begin.
    if checkpoints.latest_step is not None:
      now = checkpoints.restore(abstract, shardings)
      _log.info('resumed at step %d of %d', int(now.step), plan.num_steps)
    else:
      first_key = jax.random.key(config.seed)
      now = watch.interruptible(
        lambda: training_train_step.create_state(
          task.init, optimizer, first_key, shardings
        )
      )
      now = now._replace(params=init_weights.replace(now.params, weights))
      checkpoints.prepare(now)
    step = int(now.step)

    # Steps, compiled once, before the first batch is spent.
    train_step = watch.interruptible(
      lambda: training_train_step.compile_train_step(*plan_of_step.lowering)
    )
    evaluator = watch.interruptible(
      lambda: tasks_evaluator.Evaluator(
        task,
        mesh,
        strategy,
        config.train.eval_batch_size,
        train_rows.feature_shapes,
      )
    )
    timeline.ready(step)
    _log.info(
      'ready after %.1f s; %.1f MB of parameters and moments a device',
      *(time.time() - began, sharding.bytes_per_device(now) / 1e6),
    )

    # Loop. Figures of a step are read once the next step is on its way.
    meter = run_log.meter(experiment, train_rows)
    log = run_log.Log(folder, config, plan, rate, step, meter, watch.may_write)
    stack.callback(log.close)
    to = folder / 'tensorboard'
    first = config.train.profile_step if multihost.is_first_host() else None
    profiler = stack.enter_context(Profiler(to, first))
    batches = log.timed(
      sharding.place_batch(batch, mesh)
      for batch in input_pipeline.train_batches(
        train_rows,
        batch_size=config.batch_size,
        start_step=step,
        num_steps=plan.num_steps,
        host=jax.process_index(),
        hosts=jax.process_count(),
      )
    )

    def check() -> None:
      watch.check(now, log.flush)

    # The best scores that this process computed, by step.
    chosen: dict[int, Scored] = {}

    def choose_best() -> None:
      with timeline.spent('evaluation'):
        outputs = evaluator.run(now.params, rows[data.devel_split], check)
        scored = dataset.score(data.devel_split, outputs)
      log.scores(step, data.devel_split, scored, timeline.goodput())
      best = plan.selects and scored.selection > checkpoints.best_score()
      if best or step == plan.num_steps:
        chosen.clear()
        chosen[step] = scored
      if best:
        checkpoints.save_best(step, now.params, scored.selection)

    # A checkpoint may have been written while its evaluation still ran.
    if step > 0 and plan.evaluates_after(step):
      choose_best()
    for batch in batches:
      check()
      with profiler.step(step + 1, now):
        now, figures = train_step(now, batch, key)
      step += 1
      log.step(step, figures)
      timeline.step(step)
      if plan.saves_after(step):
        log.flush()
        watch.save(now)
      if plan.evaluates_after(step):
        choose_best()
      if plan.saves_after(step):
        log.restart_clock(step)
    log.flush()
    if not plan.selects:
      checkpoints.save_best(step, now.params, 0.0)

    # Finish: the best parameters are scored.
    best = checkpoints.restore_best(abstract.params, shardings.params)
    best_step = checkpoints.best_step
    watch.all_may_write()
    scores = {}
    for split in splits:
      scored = chosen.get(best_step) if split == data.devel_split else None
      if scored is None:
        with timeline.spent('evaluation'):
          outputs = evaluator.run(best, rows[split], check)
          scored = dataset.score(split, outputs)
      scores[split] = scored
  return evaluation.report(folder, config.task, best_step, scores)
