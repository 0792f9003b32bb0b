"""launch.sh with real processes: four train, are killed, and two go on."""

import json
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Sequence

from biobert_jax.commands.main import main
from tests.fixtures.compiler_flags import QUICK

ROOT = pathlib.Path(__file__).parents[2]
# One narrow layer, slow enough to be killed on the way.
SMALL = (
  *('--config.batch_size=8', '--config.train.epochs=12'),
  *('--config.train.evaluations=1', '--config.train.log_every_steps=1'),
  *(
    '--config.train.checkpoint_every_steps=10',
    '--config.model.hidden_size=32',
  ),
  *(
    '--config.model.num_hidden_layers=1',
    '--config.model.intermediate_size=64',
  ),
)


def launch(folder: pathlib.Path, processes: int) -> Sequence[str]:
  return (
    *('bash', 'tpu_setup/launch.sh', f'--local-processes={processes}'),
    *(f'--local-folder={folder}', '--job=small', '--max-restarts=0'),
    *('--', 'train', '--config=configs/quickstart.py:tiny'),
    *(f'--workdir={folder / "run"}', *SMALL),
  )


def steps(folder: pathlib.Path) -> list[int]:
  path = folder / 'run' / 'metrics.jsonl'
  lines = path.read_text().splitlines() if path.exists() else []
  rows = [json.loads(line) for line in lines]
  return [row['step'] for row in rows if 'train/loss' in row]


def test_four_processes_are_killed_and_two_go_on(tmp_path):
  environment = os.environ | {
    'XLA_FLAGS': QUICK,
    'SLICE_POLL_SECONDS': '1',
  }
  first = subprocess.Popen(
    launch(tmp_path, 4),
    cwd=ROOT,
    env=environment,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  checkpoints = tmp_path / 'run' / 'checkpoints'
  job = tmp_path / 'jobs' / 'small'
  try:
    until = time.monotonic() + 200
    while not (checkpoints / '10').exists():
      assert first.poll() is None, first.communicate()
      assert time.monotonic() < until
      time.sleep(0.05)
    pids = [int((job / str(host) / 'pid').read_text()) for host in range(4)]
    os.kill(pids[0], signal.SIGKILL)
    out, said = first.communicate(timeout=200)
  finally:
    first.kill()
    first.wait()
  assert first.returncode == 42, said
  assert 'small ended (137) after 0 restarts' in said
  assert 'compiled in' in out  # The log of the first host came here.
  for pid in pids:
    assert not pathlib.Path(f'/proc/{pid}').exists()
  before = steps(tmp_path)
  assert 10 <= max(before) < 48  # Four steps an epoch.

  done = subprocess.run(
    launch(tmp_path, 2),
    cwd=ROOT,
    env=environment,
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == 0, done.stderr + done.stdout
  resumed = [line for line in done.stdout.splitlines() if 'resumed at' in line]
  assert len(resumed) == 1
  start = int(resumed[0].split('resumed at step ')[1].split()[0])
  assert 10 <= start <= max(before)
  report = json.loads((tmp_path / 'run' / 'results.json').read_text())
  assert report['results']['test']['f1'] >= 0
  # Each host's log is kept: of both attempts, four and two.
  logs = list((tmp_path / 'logs' / 'small').glob('*/*.log'))
  assert len(logs) == 6

  exported = tmp_path / 'exported'
  workdir = f'--workdir={tmp_path / "run"}'
  given = ['export', '--format=huggingface', workdir, f'--output={exported}']
  assert main(given) == 0
  assert (exported / 'model.safetensors').exists()
