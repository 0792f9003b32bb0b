"""Runs of a protocol in processes of their own, against the same runs alone."""

import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from etils import epath

from biobert_jax.checkpoints.formats import orbax_params
from biobert_jax.protocol import device_slots
from biobert_jax.training import workdir
from tests.fixtures.compiler_flags import QUICK

# One device, so that the cores alone decide what runs at once.
_ENVIRONMENT = {'XLA_FLAGS': QUICK}
CODE = """
import sys
from biobert_jax import errors
from biobert_jax.protocol import protocol
from tests.fixtures import small_run
config = small_run.config(train__epochs=2.0)
sys.exit(errors.exit_code_of(lambda: protocol.protocol(
  config, sys.argv[1], 'none', '2', '', sys.argv[2], ''
)))
"""


def start(folder, processes, cores):
  # A child inherits the cores of the thread that starts it.
  everywhere = os.sched_getaffinity(0)
  os.sched_setaffinity(0, cores)
  try:
    return subprocess.Popen(
      [sys.executable, '-c', CODE, str(folder), processes],
      env=device_slots.child_environment() | _ENVIRONMENT,
    )
  finally:
    os.sched_setaffinity(0, everywhere)


def runs_of(folder):
  return sorted((folder / 'runs').iterdir())


@pytest.mark.skipif(
  len(device_slots.available_cores()) < 2, reason='needs two CPU cores'
)
def test_a_run_s_bytes_are_those_of_the_run_alone(tmp_path):
  cores = device_slots.available_cores()[:2]
  # Killed in between, as by the kernel, and started again.
  together = start(tmp_path / 'together', '2', cores)
  deadline = time.monotonic() + 500
  while not list((tmp_path / 'together').glob('runs/*/checkpoints/5')):
    assert time.monotonic() < deadline
    assert together.poll() is None
    time.sleep(0.1)
  together.send_signal(signal.SIGKILL)
  assert together.wait() == -signal.SIGKILL
  alone = start(tmp_path / 'alone', '1', cores[:1])
  together = start(tmp_path / 'together', '2', cores)
  assert alone.wait() == together.wait() == 0
  names = [run.name for run in runs_of(tmp_path / 'alone')]
  assert [run.name for run in runs_of(tmp_path / 'together')] == names
  assert len(names) == 2
  for name in names:
    _assert_equal(
      tmp_path / 'alone' / 'runs' / name, tmp_path / 'together' / 'runs' / name
    )
  tables = [
    (tmp_path / which / 'table.json').read_text()
    for which in ('alone', 'together')
  ]
  assert tables[0] == tables[1]


def _assert_equal(alone, together):
  for name in ('predictions_test.tsv', 'errors_test.tsv'):
    assert (alone / name).read_bytes() == (together / name).read_bytes()
  reports = [
    json.loads((folder / 'results.json').read_text())
    for folder in (alone, together)
  ]
  for report in reports:
    del report['workdir']
  assert reports[0] == reports[1]
  records = [workdir.read_record(epath.Path(f)) for f in (alone, together)]
  for record in records:
    del record['command']  # It names --workdir.
  assert records[0] == records[1]
  params = [orbax_params.read_params(f / 'best') for f in (alone, together)]
  jax.tree.map(np.testing.assert_array_equal, *params)
