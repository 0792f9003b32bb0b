"""Two hosts do what one host with the devices of both does.

They train, find that run finished, and continue it as another.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys

import jax
import pytest

from biobert_jax.training import train
from tests.fixtures import small_run
from tests.fixtures.compiler_flags import QUICK

ROOT = pathlib.Path(__file__).parents[2]
# Run in each process: `small_run` by way of the library, as a pod job would.
PROGRAM = """
import sys, jax
jax.distributed.initialize(f'localhost:{sys.argv[1]}', 2, int(sys.argv[2]))
from biobert_jax.training import train
from tests.fixtures import small_run
two, longer = sys.argv[3:]
report = train.train(small_run.config(), two)
assert train.train(small_run.config(), two) == report, 'already finished'
config = small_run.config(train__epochs=4.0, optim__learning_rate=1e-3)
more = train.train(config, two, longer)
f1 = [r['results']['test']['f1'] for r in (report, more)]
print(jax.process_count(), jax.device_count(), *f1)
"""


def losses(folder: pathlib.Path) -> list[float]:
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  rows = [json.loads(line) for line in lines]
  return [row['train/loss'] for row in rows if 'train/loss' in row]


def test_two_hosts_train_as_one(tmp_path):
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = str(free.getsockname()[1])
  devices = jax.device_count()
  each = f'--xla_force_host_platform_device_count={devices // 2}'
  environment = os.environ | {
    'XLA_FLAGS': f'{each} {QUICK}',
    'PYTHONPATH': str(ROOT),
  }
  folders = [str(tmp_path / name) for name in ('two', 'two_longer')]
  hosts = [
    subprocess.Popen(
      [sys.executable, '-c', PROGRAM, port, str(host), *folders],
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
  config = small_run.config(train__epochs=4.0, optim__learning_rate=1e-3)
  given = (str(tmp_path / 'one'), str(tmp_path / 'one_longer'))
  more = train.train(config, *given)
  f1 = [str(r['results']['test']['f1']) for r in (report, more)]
  # Gloo, too, writes to standard output.
  last = [out.splitlines()[-1].split() for out, _ in said]
  assert last == [['2', str(devices), *f1]] * 2
  for run in ('', '_longer'):
    alone = losses(tmp_path / f'one{run}')
    assert len(alone) > 10
    assert losses(tmp_path / f'two{run}') == pytest.approx(alone, rel=1e-5)
