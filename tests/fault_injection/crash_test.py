"""kill -9: what was committed is whole, and the job can go on from it."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from etils import epath

from biobert_jax.training import train
from biobert_jax.training.checkpointing import manager
from tests.fault_injection import children, saver
from tests.fault_injection.children import LAST
from tests.fixtures import small_run
from tests.fixtures.saved_state import steps_of

pytestmark = pytest.mark.alone

HEARTBEAT = 10
KILLS = 20


class Saver:
  """`tests/fault_injection/saver.py`, and what it says."""

  def __init__(self, folder: pathlib.Path, cache: pathlib.Path):
    self.process = subprocess.Popen(
      [sys.executable, '-m', 'tests.fault_injection.saver', str(folder)],
      cwd=children.ROOT,
      env=children.environment(1, cache),
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.DEVNULL,
      text=True,
    )
    assert self.process.stdout.readline() == 'ready\n'

  def line(self) -> list[str]:
    """The next line's words."""
    words = self.process.stdout.readline().split()
    assert words, 'it ended by itself'
    return words

  def kill_in_a_save(self, name: str, rng: random.Random) -> tuple[int, bool]:
    """Kills one that saves, at a random moment of its third save.

    Returns:
      The step that it was saving; whether it was still being saved.
    """
    self.process.stdin.write(name + '\n')
    self.process.stdin.flush()
    words, pid, took, seen = [''], 0, 0.0, 0
    # The number of the process may come late, and 0 would be our own group.
    while words[0] != 'begin' or seen < 3 or not pid:
      words = self.line()
      if words[0] == 'pid':
        pid = int(words[1])
      elif words[0] == 'begin':
        seen, began = seen + 1, time.monotonic()
      else:
        took = time.monotonic() - began
    time.sleep(rng.uniform(0, took))
    os.kill(pid, signal.SIGKILL)
    after = []
    while after[-1:] != [['gone']]:
      after.append(self.line())
    return int(words[1]), ['end', words[1]] not in after


def test_kill_inside_a_save(tmp_path, cache):
  """At random moments, until twenty of them lay within a save."""
  rng = random.Random(0)
  one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  abstract = jax.eval_shape(lambda: saver.state_at(1))
  places = jax.tree.map(lambda _: one, abstract)
  killer, inside, unfinished = Saver(tmp_path, cache), 0, 0
  try:
    for trial in range(3 * KILLS):
      folder = tmp_path / str(trial)
      step, landed = killer.kill_in_a_save(folder.name, rng)
      inside += landed
      half = list((folder / 'checkpoints').glob('*.orbax-checkpoint-tmp*'))
      unfinished += bool(half)
      checkpoints = manager.Checkpoints(epath.Path(folder), 3)
      restored = checkpoints.restore(abstract, places)
      # At most the save that was killed is lost.
      assert int(restored.step) in ((step - 1, step) if landed else (step,))
      wanted = saver.state_at(int(restored.step))
      for a, b in zip(
        jax.tree.leaves(wanted), jax.tree.leaves(restored), strict=True
      ):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
      assert not (folder / 'checkpoints_damaged').exists()
      # And the next save is not in the way of what was left half done.
      checkpoints.drop_unfinished()
      checkpoints.save(restored._replace(step=restored.step + 1))
      checkpoints.close()
      assert steps_of(folder)[-1] == int(restored.step) + 1
      if inside == KILLS:
        break
  finally:
    killer.process.kill()
    killer.process.communicate()
  assert inside == KILLS
  # The harness reached into the writing, not only around it.
  assert unfinished >= KILLS // 4


# Rank 0 serves the others' coordinator; they notice at once.
@pytest.mark.parametrize(('killed', 'bound'), [(1, HEARTBEAT + 5), (0, 5)])
def test_kill_of_one_host(tmp_path, cache, killed, bound):
  folder = tmp_path / 'run'
  fault = {'fault': 'SIGKILL', 'at': 8, 'strikes': killed}
  with children.job(
    folder, 2, 2, cache=cache, heartbeat=HEARTBEAT, **fault
  ) as running:
    struck = running[killed].landed_at()
    gone = running[1 - killed].gone_at(60)
    assert running[killed].wait() == -signal.SIGKILL
    # Aborted, or by an exception of the collective: but to be relaunched.
    assert running[1 - killed].wait() not in (0, 3, 4, 42)
  assert gone - struck < bound
  # Saved after steps 5 and 6: at most the steps since then are lost.
  assert steps_of(folder)[-1] == 6
  if killed == 1:
    done = children.finish(folder, hosts=2, devices=2, cache=cache)
    assert 'resumed at step 6 of 12' in done[0].said
    # What was not told before the kill counts as down.
    assert 'goodput ' in done[0].said
    assert 'down 0.0 s' not in done[0].said
  else:
    train.train(small_run.config(), str(folder))
  assert steps_of(folder)[-1] == LAST
