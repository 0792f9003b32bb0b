"""How many steps a run takes, and after which it evaluates and saves."""

import logging
import math
from typing import NamedTuple

from ml_collections import ConfigDict

from biobert_jax.checkpoints import run_steps
from biobert_jax.data.batch_sizes import Stages, first_row

_log = logging.getLogger(__name__)


def num_steps(config: ConfigDict, num_rows: int, earlier: Stages = ()) -> int:
  """The steps of a whole run, for a training split of so many rows.

  Those of `earlier` batch sizes are among them.
  """
  begun = earlier[-1].end if earlier else 0
  rows = config.train.epochs * num_rows - first_row(begun, 0, earlier)
  return config.train.steps or begun + math.ceil(rows / config.batch_size)


class Plan(NamedTuple):
  """Steps of a run, derived from epochs and fractions."""

  num_steps: int
  warmup_steps: int  # Of the learning rate's rise.
  evaluations: int  # How often the dev set is scored.
  checkpoint_every: int  # Steps between checkpoints, besides those at scores.
  keep_every: int  # Steps between those that stay for good; 0: none.
  scores: bool  # Whether the dev set is scored on the way.
  selects: bool  # Whether its scores select what is kept, not the last step.

  @classmethod
  def of(
    cls, config: ConfigDict, num_rows: int, earlier: Stages = ()
  ) -> 'Plan':
    """The plan of a config for a training split of so many packed sequences."""
    steps, data = num_steps(config, num_rows, earlier), config.data
    scores = bool(data.devel_split) and data.train_split != 'train_dev'
    selects = run_steps.selects(config)
    if not selects:
      _log.info('no selection on the dev set; keeping the final checkpoint')
    return cls(
      steps,
      int(steps * config.optim.warmup_fraction),
      config.train.evaluations,
      config.train.checkpoint_every_steps,
      config.train.keep_every_steps or 0,
      scores,
      selects,
    )

  def _due_after(self, step: int) -> bool:
    due = step * self.evaluations // self.num_steps
    return due > (step - 1) * self.evaluations // self.num_steps

  def evaluates_after(self, step: int) -> bool:
    """Whether the dev set is to be scored after so many steps."""
    return self.scores and self._due_after(step)

  def saves_after(self, step: int) -> bool:
    """Whether a checkpoint is due; always after the last step."""
    kept = bool(self.keep_every) and step % self.keep_every == 0
    return kept or step % self.checkpoint_every == 0 or self._due_after(step)
