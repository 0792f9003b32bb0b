"""A stopped process says so when it goes on; one that works says nothing."""

import pathlib
import signal
import subprocess
import sys
import time

from biobert_jax.training.pulse import Pulse

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import logging, time
from biobert_jax.training.pulse import Pulse
logging.basicConfig(format='%(message)s')
pulse = Pulse()
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
  assert 'host 0 stood still for 2.' in said


def test_a_process_that_works_is_silent(caplog):
  pulse = Pulse()
  until = time.monotonic() + 1
  while time.monotonic() < until:
    sum(range(1000))
  pulse.close()
  assert not pulse.is_alive()
  assert 'stood still' not in caplog.text
