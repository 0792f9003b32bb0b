"""Two hosts of four devices do what one host of eight does."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

from biobert_jax.training import train
from tests.fixtures import small_run

ROOT = pathlib.Path(__file__).parents[2]
# Run in each process: `small_run` by way of the library, as a pod job would.
PROGRAM = """
import sys, jax
jax.distributed.initialize(f'localhost:{sys.argv[1]}', 2, int(sys.argv[2]))
from biobert_jax.training import train
from tests.fixtures import small_run
report = train.train(small_run.config(), sys.argv[3])
print(jax.process_count(), jax.device_count(), report['results']['test']['f1'])
"""


def losses(folder: pathlib.Path) -> list[float]:
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  return [row['train/loss'] for row in rows if 'train/loss' in row]


def test_two_hosts_train_as_one(tmp_path):
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = str(free.getsockname()[1])
  devices = '--xla_force_host_platform_device_count=4'
  environment = os.environ | {'XLA_FLAGS': devices, 'PYTHONPATH': str(ROOT)}
  hosts = [
    subprocess.Popen(
      [sys.executable, '-c', PROGRAM, port, str(host), str(tmp_path / 'two')],
      env=environment,
      cwd=ROOT,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for host in range(2)
  ]
  try:
    said = [host.communicate(timeout=240) for host in hosts]
  finally:
    for host in hosts:
      host.kill()
  assert [h.returncode for h in hosts] == [0, 0], said
  report = train.train(small_run.config(), str(tmp_path / 'one'))
  f1 = report['results']['test']['f1']
  # Gloo, too, writes to standard output.
  last = [out.splitlines()[-1].split() for out, _ in said]
  assert last == [['2', '8', str(f1)]] * 2
  alone = losses(tmp_path / 'one')
  assert len(alone) > 10
  assert losses(tmp_path / 'two') == pytest.approx(alone, rel=1e-5)
