"""A stopped process says so when it goes on; one that works says nothing."""

import pathlib
import re
import signal
import subprocess
import sys
import time

from biobert_jax.training.monitoring.stall_detector import StallDetector

ROOT = pathlib.Path(__file__).parents[3]
PROGRAM = """
import logging, time
from biobert_jax.training.monitoring.stall_detector import StallDetector
logging.basicConfig(format='%(message)s')
pulse = StallDetector()
print('works', flush=True)
time.sleep(4)
pulse.close()
"""


def test_a_stopped_process_says_how_long():
  process = subprocess.Popen(
    [sys.executable, '-c', PROGRAM],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  try:
    assert process.stdout.readline() == 'works\n'
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=60)
  finally:
    process.kill()
  assert process.returncode == 0
  (seconds,) = re.findall(r'host 0 stood still for (\d+\.\d) s', said)
  assert float(seconds) >= 2


def test_a_process_that_works_is_silent(caplog):
  pulse = StallDetector()
  began = before = time.monotonic()
  longest = 0.0
  while before < began + 1:
    sum(range(1000))
    now = time.monotonic()
    longest, before = max(longest, now - before), now
  pulse.close()
  assert not pulse.is_alive()
  # Unless the machine really stopped us.
  assert 'stood still' not in caplog.text or longest > 1
