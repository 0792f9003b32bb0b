"""SIGTERM ends a compilation within a second; else nothing is different."""

import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from biobert_jax.errors import PreemptedError
from biobert_jax.training.monitoring import interruptible

ROOT = pathlib.Path(__file__).parents[3]
# A program that XLA takes long to compile, and that runs no Python meanwhile.
PROGRAM = """
import signal, sys, time
import jax, jax.numpy as jnp
from biobert_jax import errors
from biobert_jax.training.monitoring import interruptible

asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(time.time()))

def long(x):
  for i in range(1500):
    x = jnp.sort(jnp.sin(x) @ x * (i + 1.0), axis=i % 2)
  return x

lowered = jax.jit(long).lower(jnp.ones((64, 64)))
print('compiling', flush=True)

def program():
  interruptible.run(lowered.compile, lambda: bool(asked))
  print('compiled', flush=True)

sys.exit(errors.exit_code_of(program))
"""


def test_sigterm_while_xla_compiles():
  process = subprocess.Popen(
    [sys.executable, '-c', PROGRAM],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  try:
    assert process.stdout.readline() == 'compiling\n'
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
  finally:
    process.kill()
  # One that waits for the compilation says 'compiled'.
  assert out == ''
  assert process.returncode == 42, err
  assert 'preempted: stopped while compiling' in err
  assert 'Fatal' not in err


def test_the_result_comes_back():
  assert interruptible.run(lambda: 7, lambda: True) == 7
  slow = interruptible.run(lambda: time.sleep(0.3), lambda: False)
  assert slow is None


def test_what_the_work_raises_is_raised():
  def fails():
    raise KeyError('here')

  with pytest.raises(KeyError, match='here'):
    interruptible.run(fails, lambda: False)


def test_it_does_not_wait_for_the_work():
  released = threading.Event()
  with pytest.raises(PreemptedError, match='run the same command again'):
    interruptible.run(lambda: released.wait(60), lambda: True)
  (left,) = (t for t in threading.enumerate() if t.name == 'interruptible')
  released.set()
  left.join()
