"""SIGTERM and Ctrl-C: after the step, or at once while XLA compiles."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from biobert_jax import errors
from biobert_jax.training.preemption import Preemption
from biobert_jax.training.train_step import TrainState

ROOT = pathlib.Path(__file__).parents[2]
STATE = TrainState(np.int32(7), {}, (), np.zeros(2, np.int32))
# A program that XLA takes long to compile, and that runs no Python meanwhile.
# A shell's background job, as which the tests may run, ignores Ctrl-C.
PROGRAM = """
import signal, sys
import jax, jax.numpy as jnp
from biobert_jax import errors
from biobert_jax.training.preemption import Preemption

def long(x):
  for i in range(400):
    x = jnp.sort(jnp.sin(x) @ x * (i + 1.0), axis=i % 2)
  return x

lowered = jax.jit(long).lower(jnp.ones((64, 64)))
signal.signal(signal.SIGINT, signal.default_int_handler)
preemption = Preemption()
print('compiling', flush=True)

def program():
  preemption.interruptible(lowered.compile)
  print('compiled', flush=True)

sys.exit(errors.exit_code_of(program))
"""


@pytest.fixture
def preemption():
  # Where the tests run as a shell's background job, Ctrl-C is ignored.
  ours = signal.signal(signal.SIGINT, signal.default_int_handler)
  before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
  listening = Preemption()
  yield listening
  listening.close()
  after = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
  signal.signal(signal.SIGINT, ours)
  assert after == before


def never(*_):
  raise AssertionError


def test_without_a_signal_nothing_happens(preemption):
  preemption.check(STATE, never, never)
  assert not preemption.requested


@pytest.mark.parametrize(
  ('number', 'error'),
  [
    (signal.SIGTERM, errors.PreemptedError),
    (signal.SIGINT, errors.UserInterruptError),
  ],
)
def test_a_signal_saves_the_state(preemption, number, error):
  done = []
  os.kill(os.getpid(), number)
  assert preemption.requested
  with pytest.raises(error, match='stopped at step 7, which is saved; run the'):
    preemption.check(STATE, done.append, lambda: done.append('flushed'))
  assert done == ['flushed', STATE]


def test_a_second_interrupt_does_not_wait_for_the_step(preemption):
  os.kill(os.getpid(), signal.SIGINT)
  with pytest.raises(KeyboardInterrupt):
    os.kill(os.getpid(), signal.SIGINT)
  assert preemption.requested


def test_a_background_job_goes_on_ignoring_interrupts():
  before = signal.signal(signal.SIGINT, signal.SIG_IGN)
  try:
    listening = Preemption()
    os.kill(os.getpid(), signal.SIGINT)
    assert not listening.requested
    listening.close()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
  finally:
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
  ('number', 'code', 'kind'),
  [(signal.SIGTERM, 42, 'preempted'), (signal.SIGINT, 130, 'interrupted')],
)
def test_a_signal_while_xla_compiles(number, code, kind):
  process = subprocess.Popen(
    [sys.executable, '-c', PROGRAM],
    cwd=ROOT,
    env=os.environ | {'XLA_FLAGS': ''},  # Those of the tests compile fast.
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  try:
    assert process.stdout.readline() == 'compiling\n'
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
  finally:
    process.kill()
  # One that waits for the compilation says 'compiled'.
  assert out == ''
  assert process.returncode == code, err
  assert err.startswith(f'{kind}: stopped while compiling')
  assert err.count('\n') == 1


def test_the_result_comes_back(preemption):
  assert preemption.interruptible(lambda: 7) == 7
  assert preemption.interruptible(lambda: time.sleep(0.3)) is None


def test_what_the_work_raises_is_raised(preemption):
  def fails():
    raise KeyError('here')

  with pytest.raises(KeyError, match='here'):
    preemption.interruptible(fails)


def test_it_does_not_wait_for_the_work(preemption):
  released = threading.Event()
  os.kill(os.getpid(), signal.SIGTERM)
  with pytest.raises(errors.PreemptedError, match='run the same command again'):
    preemption.interruptible(lambda: released.wait(60))
  (left,) = (t for t in threading.enumerate() if t.name == 'interruptible')
  released.set()
  left.join()
