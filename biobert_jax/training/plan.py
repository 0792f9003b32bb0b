"""How many steps a run takes, and after which it evaluates and saves."""

import logging
import math
from typing import NamedTuple

from ml_collections import ConfigDict

_log = logging.getLogger(__name__)


def num_steps(config: ConfigDict, num_rows: int) -> int:
  """The steps of a whole run, for a training split of so many rows."""
  epochs = config.train.epochs * num_rows / config.batch_size
  return config.train.steps or math.ceil(epochs)


class Plan(NamedTuple):
  """Steps of a run, derived from epochs and fractions."""

  num_steps: int
  warmup_steps: int  # Of the learning rate's rise.
  evaluations: int  # How often the dev set is scored.
  checkpoint_every: int  # Steps between checkpoints, besides those at scores.
  scores: bool  # Whether the dev set is scored on the way.
  selects: bool  # Whether its scores select what is kept, not the last step.

  @classmethod
  def of(cls, config: ConfigDict, num_rows: int) -> 'Plan':
    """The plan of a config for a training split of so many packed sequences."""
    steps, data = num_steps(config, num_rows), config.data
    scores = bool(data.devel_split) and data.train_split != 'train_dev'
    selects = scores and config.train.keep == 'best'
    if not selects:
      _log.info('no selection on the dev set; keeping the final checkpoint')
    return cls(
      steps,
      int(steps * config.optim.warmup_fraction),
      config.train.evaluations,
      config.train.checkpoint_every_steps,
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
    return step % self.checkpoint_every == 0 or self._due_after(step)
