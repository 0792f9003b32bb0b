"""A process that is stuck ends, and tells where; one that works does not."""

import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
from etils import epath

from biobert_jax.training.monitoring.watchdog import StallDetector, Watchdog

ROOT = pathlib.Path(__file__).parents[3]
PROGRAM = """
import sys, threading, time
from etils import epath
from biobert_jax.training.monitoring.watchdog import Watchdog

def stuck_here():
  time.sleep(60)

def waits_elsewhere():
  time.sleep(60)

watchdog = Watchdog(1.5, epath.Path(sys.argv[1]))
time.sleep(1.8)  # It compiles.
for _ in range(4):
  time.sleep(0.45)
  watchdog.beat()
threading.Thread(target=waits_elsewhere, daemon=True).start()
print(time.time(), flush=True)
{body}
"""

STOPPED_PROGRAM = """
import logging, time
from biobert_jax.training.monitoring.watchdog import StallDetector
logging.basicConfig(format='%(message)s')
detector = StallDetector()
print('works', flush=True)
input()
time.sleep(0.5)
detector.close()
"""


def start(body: str, folder: pathlib.Path) -> subprocess.Popen[str]:
  folder.mkdir()
  return subprocess.Popen(
    [sys.executable, '-c', PROGRAM.replace('{body}', body), str(folder)],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def test_a_stuck_process_ends_and_one_that_ends_well_leaves_no_file(tmp_path):
  ends = 'watchdog.close()\ntime.sleep(1.8)\nprint("well")'
  with (
    start('stuck_here()', tmp_path / 'stuck') as stuck,
    start(ends, tmp_path / 'well') as well,
  ):
    begun, _ = stuck.communicate(timeout=180)
    ended = time.time()
    said, errors = well.communicate(timeout=180)
  assert stuck.returncode == 1
  # It outlived the start and the slow steps, and then not for long.
  assert 1 < ended - float(begun) < 30
  stacks = (tmp_path / 'stuck' / 'stacks_0.txt').read_text()
  assert 'stuck_here' in stacks
  assert 'waits_elsewhere' in stacks

  assert well.returncode == 0, errors
  assert said.endswith('well\n')
  assert not list((tmp_path / 'well').iterdir())


def test_stacks_of_an_earlier_fault_stay(tmp_path):
  (tmp_path / 'stacks_0.txt').write_text('before\n')
  watchdog = Watchdog(60, epath.Path(tmp_path))
  watchdog.close()
  watchdog.beat()
  assert (tmp_path / 'stacks_0.txt').read_text() == 'before\n'


@pytest.mark.parametrize('seconds', [0, 0.0])
def test_none_is_watched(tmp_path, seconds):
  watchdog = Watchdog(seconds, epath.Path(tmp_path))
  watchdog.beat()
  watchdog.close()
  assert not list(tmp_path.iterdir())


def test_a_stopped_process_says_how_long():
  process = subprocess.Popen(
    [sys.executable, '-c', STOPPED_PROGRAM],
    cwd=ROOT,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  try:
    assert process.stdout.readline() == 'works\n'
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.1)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate('\n', timeout=60)
  finally:
    process.kill()
  assert process.returncode == 0
  (seconds,) = re.findall(r'host 0 stood still for (\d+\.\d) s', said)
  assert float(seconds) >= 1.8


def test_a_process_that_works_is_silent(caplog):
  detector = StallDetector()
  began = before = time.monotonic()
  longest = 0.0
  while before < began + 1:
    sum(range(1000))
    now = time.monotonic()
    longest, before = max(longest, now - before), now
  detector.close()
  assert not detector.is_alive()
  # Unless the machine really stopped us.
  assert 'stood still' not in caplog.text or longest > 1
