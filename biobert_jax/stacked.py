"""Several runs of one shape as one program: their models are stacked.

What `train` does for one run is done here for many at once, by the same step,
rows, evaluation and files. Each run leaves an ordinary work folder, but for
`checkpoints/`: states are saved together, in the folder of the stack, from
where a stack that was stopped or killed goes on.
"""

import contextlib
import dataclasses
import json
import logging
import math
import time
from collections.abc import Sequence
from typing import Any

import jax
import optax
from etils import epath
from ml_collections import ConfigDict

from biobert_jax.data import counts
from biobert_jax.parallel import sharding
from biobert_jax.stack_program import StackProgram
from biobert_jax.tasks.task import Scored
from biobert_jax.training import evaluate as evaluation
from biobert_jax.training import experiment as experiments
from biobert_jax.training import plan as training_plan
from biobert_jax.training import step_setup, workdir
from biobert_jax.training.checkpointing.manager import Checkpoints
from biobert_jax.training.experiment import Experiment
from biobert_jax.training.monitoring import metric_writer
from biobert_jax.training.run_guard import RunGuard, guarded_run

_log = logging.getLogger(__name__)

# What may differ between the runs of a stack: its data and its recipe.
OF_A_RUN = (
  'seed',
  'data.dir',
  'data.train_split',
  'optim.learning_rate',
  'optim.warmup_fraction',
  'train.epochs',
  'train.steps',
)


def program_of(config: ConfigDict) -> str:
  """Runs with equal programs can be stacked, if their models are alike."""
  flat = experiments.flatten(config)
  rest = {key: repr(v) for key, v in flat.items() if key not in OF_A_RUN}
  return json.dumps(rest, sort_keys=True)


def train_stack(
  runs: Sequence[Experiment], folders: Sequence[epath.Path], folder: epath.Path
) -> list[dict[str, Any]]:
  """Trains and scores several runs in one program.

  Args:
    runs: experiments of equal `program_of`, architecture and labels.
    folders: the work folder of each.
    folder: of the stack: its checkpoints.

  Returns:
    For each what `evaluate.report` gives; for one that diverged `{"workdir",
    "diverged": step}`.

  Raises:
    As `train`, but for a run that diverges.
  """
  programs = {(program_of(e.config), e.bert, e.labels) for e in runs}
  if len(programs) != 1:
    raise ValueError('these runs have different programs')
  began = time.time()
  for experiment, its_folder in zip(runs, folders, strict=True):
    workdir.save(experiment, its_folder)
    counts.say_counts(experiment.dataset.counts)
  folder.mkdir(parents=True, exist_ok=True)
  with contextlib.ExitStack() as exits:
    watch = exits.enter_context(guarded_run(runs[0].config, folder, began))
    program = StackProgram(runs, watch)
    stack = _Stack(exits, program, watch, runs, folders)
    _log.info(
      'stack of %d at step %d of %d after %.1f s; %.1f MB a device',
      *(len(runs), program.step, program.num_steps, time.time() - began),
      sharding.bytes_per_device(program.now) / 1e6,
    )
    stack.train()
    return stack.finish()


@dataclasses.dataclass
class _Member:
  """One run of a stack: what it scores, where it writes, how it stands."""

  index: int
  experiment: Experiment
  folder: epath.Path
  plan: training_plan.Plan
  rate: optax.Schedule
  checkpoints: Checkpoints
  writer: metric_writer.MetricWriter
  # The best scores that this process computed, by step.
  chosen: dict[int, Scored] = dataclasses.field(default_factory=dict)
  diverged: int = 0  # The step at which it was given up.


class _Stack:
  """The loop of a stack."""

  def __init__(
    self,
    exits: contextlib.ExitStack,
    program: StackProgram,
    watch: RunGuard,
    runs: Sequence[Experiment],
    folders: Sequence[epath.Path],
  ):
    """Opens the files of each run."""
    self._program, self._watch = program, watch
    self._config = runs[0].config.train
    self._pending: tuple[int, Any] | None = None
    self._members = []
    for index, (experiment, folder, plan) in enumerate(
      zip(runs, folders, program.plans, strict=True)
    ):
      rate, _ = step_setup.make_optimizer(experiment.config, plan)
      checkpoints = Checkpoints(folder, 1)
      exits.callback(checkpoints.close)
      writer = metric_writer.MetricWriter(folder, program.step)
      exits.callback(writer.close)
      self._members.append(
        _Member(index, experiment, folder, plan, rate, checkpoints, writer)
      )
    self._progress = metric_writer.Progress(
      f'stack of {len(runs)}', program.num_steps, program.step, 'steps'
    )
    exits.callback(self._progress.close)
    self._since = time.monotonic()

  def train(self) -> None:
    """Takes the steps that are left, and scores each run where it is due."""
    program, watch = self._program, self._watch
    watch.timeline.ready(program.step)
    # A checkpoint may have been written while evaluations still ran.
    if program.step > 0:
      self._score_those_due()
    for batch in program.batches():
      self._check()
      figures = program.advance(batch)
      self._flush()
      self._pending = program.step, figures
      watch.timeline.step(program.step)
      every = self._config.checkpoint_every_steps
      if program.step % every == 0 or program.step == program.num_steps:
        self._flush()
        watch.save(program.now)
      self._score_those_due()
    self._flush()

  def _check(self) -> None:
    self._watch.check(self._program.now, self._flush)

  def _flush(self) -> None:
    """Reads the figures that are still on the devices, one step late."""
    if self._pending is None:
      return
    (step, arrays), self._pending = self._pending, None
    figures = jax.device_get(arrays)
    spent, self._since = time.monotonic() - self._since, time.monotonic()
    losses = []
    for member in self._members:
      own = {name: float(v[member.index]) for name, v in figures.items()}
      in_a_row = own.pop('skipped_in_a_row')
      if member.diverged or step > member.plan.num_steps:
        continue
      losses.append(own['loss'])
      if in_a_row >= self._config.max_skipped_steps:
        member.diverged = step
        _log.warning('%s diverged at step %d', member.folder.name, step)
      if step % self._config.log_every_steps == 0 or step == 1:
        scalars = {
          f'train/{name}': v for name, v in own.items() if math.isfinite(v)
        }
        scalars['train/learning_rate'] = float(member.rate(step - 1))
        scalars['train/steps_per_second'] = 1 / max(spent, 1e-9)
        self._watch.may_write()
        member.writer.write(step, scalars)
    note = f'loss {min(losses):.4f} to {max(losses):.4f}' if losses else ''
    self._progress.advance(1, note)

  def _score_those_due(self) -> None:
    step = self._program.step
    for member in self._members:
      if step > member.plan.num_steps or member.diverged:
        continue
      if member.plan.evaluates_after(step):
        self._score(member)
      if step == member.plan.num_steps and not member.plan.selects:
        params = self._program.params_of(member.index)
        member.checkpoints.save_best(step, params, 0.0)

  def _score(self, member: _Member) -> None:
    """Scores a run on devel and, where it is the best, keeps it."""
    step, split = self._program.step, member.experiment.config.data.devel_split
    params = self._program.params_of(member.index)
    scored = self._scored(member, split, params)
    scalars = {
      f'{split}/{name}': value
      for name, value in scored.figures.items()
      if isinstance(value, float)
    }
    _log.info(
      'step %d, %s, %s: %.2f',
      *(step, member.folder.name, split, scored.selection),
    )
    self._watch.may_write()
    member.writer.write(step, scalars)
    best = scored.selection > member.checkpoints.best_score()
    best &= member.plan.selects
    if best or step == member.plan.num_steps:
      member.chosen.clear()
      member.chosen[step] = scored
    if best:
      member.checkpoints.save_best(step, params, scored.selection)

  def _scored(self, member: _Member, split: str, params: Any) -> Scored:
    dataset = member.experiment.dataset
    with self._watch.timeline.spent('evaluation'):
      outputs = self._program.evaluator.run(
        params, dataset.rows(split), self._check
      )
      return dataset.score(split, outputs)

  def finish(self) -> list[dict[str, Any]]:
    """Scores the best parameters of each run; writes what a run leaves."""
    return [self._finish(member) for member in self._members]

  def _finish(self, member: _Member) -> dict[str, Any]:
    if member.diverged:
      return {'workdir': str(member.folder), 'diverged': member.diverged}
    config = member.experiment.config
    params = member.checkpoints.restore_best(
      self._program.abstract_params, self._program.evaluator.param_shardings
    )
    step = member.checkpoints.best_step
    scores = {}
    for split in filter(
      None, (config.data.devel_split, config.data.test_split)
    ):
      known = (
        member.chosen.get(step) if split == config.data.devel_split else None
      )
      scores[split] = known or self._scored(member, split, params)
    self._watch.all_may_write()
    return evaluation.report(member.folder, config.task, step, scores)
