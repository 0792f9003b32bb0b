"""How many steps a run takes, and after which it evaluates and saves."""

import dataclasses
import logging
import math

from ml_collections import ConfigDict

_log = logging.getLogger(__name__)


def num_steps(config: ConfigDict, num_rows: int) -> int:
  """The steps of a whole run, for a training split of so many rows."""
  epochs = config.train.epochs * num_rows / config.batch_size
  return config.train.steps or math.ceil(epochs)


@dataclasses.dataclass(frozen=True)
class Plan:
  """Steps of a run, derived from epochs and fractions.

  Attributes:
    num_steps: of the whole run.
    warmup_steps: of the learning rate's rise.
    evaluations: how often the dev set is scored.
    checkpoint_every: steps between checkpoints, besides those at scores.
    scores: whether the dev set is scored on the way.
    selects: whether its scores select the checkpoint to keep; else the final
      one stays.
  """

  num_steps: int
  warmup_steps: int
  evaluations: int
  checkpoint_every: int
  scores: bool
  selects: bool

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
