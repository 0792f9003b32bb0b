"""Saves until it is killed: `python -m tests.fault_injection.saver FOLDER`.

Reads one number a line: for each it forks a process, which saves a state in
that folder again and again, and prints `begin STEP` and `end STEP` around each
save; then it prints `gone`, once that process has been killed. Forked, since
what takes long is to import JAX and Orbax.
"""

import os
import pathlib
import sys

import jax
import numpy as np
from etils import epath

from biobert_jax.checkpoints import integrity
from biobert_jax.training import train_step
from biobert_jax.training.checkpointing import manager

# Numbers of a state: 2 MB, so that a save takes longer than its overhead.
SHAPE = (64, 4096)
_MODULES = (manager, integrity)


def state_at(step: int) -> train_step.TrainState:
  """The state after so many steps, different at every step."""
  kernel = np.random.default_rng(step).random(SHAPE, np.float32)
  skipped = np.asarray([step, 0], np.int32)
  return train_step.TrainState(
    np.int32(step), {'kernel': kernel}, {'mu': kernel - 1}, skipped
  )


def save_for_ever(folder: str) -> None:
  """Resumes from the latest step."""
  checkpoints = manager.Checkpoints(epath.Path(folder), 3)
  step = checkpoints.latest_step or 0
  while True:
    step += 1
    now = jax.device_put(state_at(step))
    print('begin', step, flush=True)
    checkpoints.save(now)
    checkpoints._latest.wait_until_finished()
    print('end', step, flush=True)


def main(folder: str) -> None:
  """Forks a process for each line that is read."""
  print('ready', flush=True)
  for line in sys.stdin:
    child = os.fork()
    if not child:
      save_for_ever(str(pathlib.Path(folder, line.strip())))
    print('pid', child, flush=True)
    os.waitpid(child, 0)
    print('gone', flush=True)


if __name__ == '__main__':
  main(sys.argv[1])
