"""Hosts that hang are ended, hosts that pause are waited for."""

import signal
import time

import pytest

from biobert_jax import errors
from biobert_jax.training import train
from tests.fault_injection import children
from tests.fault_injection.children import LAST
from tests.fixtures import small_run
from tests.fixtures.saved_state import steps_of

pytestmark = pytest.mark.alone

WATCHDOG = 8


def test_a_stuck_host_ends_its_job(tmp_path, cache):
  """Its heart beats on: only the watchdogs notice."""
  folder = tmp_path / 'run'
  config = {'train__watchdog_seconds': WATCHDOG}
  fault = {'fault': 'sleep', 'at': 8, 'strikes': 1, 'config': config}
  with children.job(folder, 2, 2, cache=cache, **fault) as running:
    struck = running[1].landed_at()
    gone = max(child.gone_at(120) for child in running)
    codes = [child.wait() for child in running]
  assert all(code in (1, -signal.SIGABRT) for code in codes), codes
  assert errors.EXIT_FAILED in codes
  assert WATCHDOG - 2 < gone - struck < WATCHDOG + 5
  stuck = (folder / 'stacks_1.txt').read_text()
  assert 'in strike' in stuck
  assert 'tests/fault_injection/child.py' in stuck
  other = folder / 'stacks_0.txt'
  # The one that waits has been told to die by the other's death, if not by
  # its own watchdog.
  assert codes[0] != 1 or 'train.py' in other.read_text()
  assert steps_of(folder)[-1] == 6
  train.train(small_run.config(), str(folder))
  assert steps_of(folder)[-1] == LAST


def test_a_host_that_pauses_is_waited_for(tmp_path, cache):
  folder = tmp_path / 'run'
  fault = {'fault': 'SIGSTOP', 'at': 8, 'strikes': 1}
  with children.job(folder, 2, 2, cache=cache, **fault) as running:
    paused = running[1]
    paused.landed_at()
    time.sleep(3)
    # Stopped, and not merely slow: nothing ran in it.
    with open(f'/proc/{paused.process.pid}/stat') as stat:
      assert stat.read().rsplit(')')[-1].split()[0] == 'T'
    paused.send_signal(signal.SIGCONT)
    assert [child.wait() for child in running] == [0, 0]
    said = [child.said for child in running]
  assert 'host 1 stood still for' in said[1]
  assert 'host 0 stood still' not in said[0]
  assert steps_of(folder)[-1] == LAST
