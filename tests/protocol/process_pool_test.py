"""Runs in processes, with a worker that only pretends to train; their table.

Also of `protocol/run_worker.py`.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from ml_collections import ConfigDict

from biobert_jax.errors import InputError, PreemptedError
from biobert_jax.protocol import process_pool
from biobert_jax.protocol.device_slots import Slot
from biobert_jax.protocol.plan import Run
from biobert_jax.protocol.process_pool import ProcessPool, ProgressTable, RunJob
from tests.fixtures import small_run

# Does what its run's config says, by the name of the chip it was given.
WORKER = """
import json, os, pathlib, signal, sys, time
request = json.loads(sys.stdin.readline())
folder = pathlib.Path(request['workdir'])
chip = os.environ['CHIP']
with (folder / 'starts').open('a') as file:
  file.write(chip)
what = request['config']['what']
if what == 'waits':
  def save(*_):
    (folder / 'saved').touch()
    sys.exit(42)
  signal.signal(signal.SIGTERM, save)
  (folder / 'ready').touch()
  time.sleep(60)
if what in ('fails', 'fails on ' + chip):
  sys.exit('the chip is gone')
if what == 'diverges':
  print('diverged: the loss is nan', file=sys.stderr)
  sys.exit(4)
if what == 'is refused':
  print('error: no such corpus', file=sys.stderr)
  sys.exit(3)
time.sleep(0.3)
report = {'workdir': str(folder), 'chip': chip, 'argv': request['argv']}
(folder / 'results.json').write_text(json.dumps(report))
"""
SLOTS = [Slot(name, {'CHIP': name}) for name in 'AB']


@pytest.fixture(autouse=True)
def worker(monkeypatch):
  monkeypatch.setattr(process_pool, '_WORKER', (sys.executable, '-c', WORKER))
  monkeypatch.setattr(process_pool, '_POLL_SECONDS', 0.02)


def jobs(folder, *whats):
  return [
    RunJob(
      Run('test', f'run{i}', ConfigDict({'what': what}), {}, '', str(i)),
      pathlib.Path(folder / f'run{i}'),
      num_steps=10,
    )
    for i, what in enumerate(whats)
  ]


def pool_of(slots=SLOTS):
  return ProcessPool(slots, ProgressTable(lambda: 'title'))


def test_all_runs_are_made_on_all_chips(tmp_path):
  with pool_of() as pool:
    made = list(pool.run(jobs(tmp_path, *['works'] * 5)))
  assert sorted(done.run.name for done in made) == [f'run{i}' for i in range(5)]
  assert {done.report['chip'] for done in made} == {'A', 'B'}
  assert made[0].report['argv'] == sys.argv
  assert pool.failures == []


def test_a_run_whose_chip_fails_is_made_on_another(tmp_path):
  with pool_of() as pool:
    made = list(pool.run(jobs(tmp_path, 'fails on A', 'works', 'works')))
  assert {done.run.name for done in made} == {'run0', 'run1', 'run2'}
  assert (tmp_path / 'run0' / 'starts').read_text() == 'AB'
  assert pool.failures == []


def test_a_run_that_fails_twice_is_reported_and_the_others_are_made(tmp_path):
  with pool_of() as pool:
    made = list(pool.run(jobs(tmp_path, 'works', 'fails', 'works')))
  assert {done.run.name for done in made} == {'run0', 'run2'}
  (failure,) = pool.failures
  assert failure.startswith('run1 failed on ')
  assert '(exit code 1): the chip is gone' in failure
  assert failure.endswith(str(tmp_path / 'run1' / 'log.txt'))


def test_a_run_that_diverges_is_not_tried_again(tmp_path):
  with pool_of() as pool:
    (done,) = pool.run(jobs(tmp_path, 'diverges'))
  assert done.report == {
    'workdir': str(tmp_path / 'run0'),
    'diverged': 'the loss is nan',
  }
  assert len((tmp_path / 'run0' / 'starts').read_text()) == 1


def ready(tmp_path, count):
  deadline = time.monotonic() + 30
  while len(list(tmp_path.glob('*/ready'))) < count:
    assert time.monotonic() < deadline
    time.sleep(0.02)


def test_a_refused_run_ends_the_others(tmp_path):
  with (
    pytest.raises(InputError, match='^run1: no such corpus$'),
    pool_of() as p,
  ):
    list(p.run(jobs(tmp_path, 'waits', 'is refused')))
  assert p._running == {}


def test_sigterm_lets_the_children_save(tmp_path, monkeypatch):
  pool = pool_of()
  sleep = time.sleep

  def interrupted(seconds):
    sleep(seconds)
    if len(list(tmp_path.glob('*/ready'))) == 2:
      os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(process_pool.time, 'sleep', interrupted)
  with pytest.raises(PreemptedError, match='to resume'), pool:
    list(pool.run(jobs(tmp_path, 'waits', 'waits', 'works')))
  assert (tmp_path / 'run0' / 'saved').exists()
  assert (tmp_path / 'run1' / 'saved').exists()
  assert not (tmp_path / 'run2').exists()


def test_leaving_the_pool_early_ends_the_children(tmp_path):
  before = signal.getsignal(signal.SIGTERM)
  children = []

  def interrupted():
    with pool_of() as pool:
      for _ in pool.run(jobs(tmp_path, 'waits', 'works')):
        ready(tmp_path, 1)
        children.extend(child for _, child, _ in pool._running.values())
        raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    interrupted()
  assert [child.returncode for child in children] == [42]
  assert (tmp_path / 'run0' / 'saved').exists()
  assert signal.getsignal(signal.SIGTERM) == before


def test_a_process_is_confined_to_its_cores(tmp_path):
  cores = sorted(os.sched_getaffinity(0))
  child = process_pool._popen(
    Slot('CPU 0', {'CHIP': 'A'}, (cores[-1],)),
    jobs(tmp_path, 'waits')[0],
    tmp_path / 'log.txt',
  )
  try:
    assert os.sched_getaffinity(child.pid) == {cores[-1]}
    assert os.sched_getaffinity(0) == set(cores)
  finally:
    child.kill()
    child.wait()
    child.stdin.close()


def test_the_worker_stops_with_its_parent(tmp_path):
  # As `kill -9` of the parent leaves it: the pipe ends, nobody signals.
  code = (
    'from biobert_jax.protocol import run_worker\n'
    'import pathlib, signal, sys, time\n'
    'def train(request):\n'
    '  signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))\n'
    '  print("training", flush=True)\n'
    '  time.sleep(60)\n'
    'run_worker.train_run = train\n'
    'sys.exit(run_worker.main())\n'
  )
  child = subprocess.Popen(
    [sys.executable, '-c', code],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
  )
  child.stdin.write(json.dumps({}).encode() + b'\n')
  child.stdin.flush()
  assert child.stdout.readline() == b'training\n'
  child.stdin.close()
  assert child.wait(60) == 42
  child.stdout.close()


@pytest.fixture
def running(tmp_path):
  run = Run('test', 'seed0', small_run.config(), {}, '', 'digest')
  return 'GPU 3', RunJob(run, tmp_path, 1200)


@pytest.fixture
def always(monkeypatch):
  monkeypatch.setattr(process_pool, '_REDRAW_SECONDS', 0.0)
  monkeypatch.setattr(process_pool, '_PRINT_SECONDS', 0.0)


def test_step_and_best_score_of_a_run(running, always, capsys, tmp_path):
  records = [
    {'step': 50, 'train/loss': 0.5},
    {'step': 100, 'devel/f1': 82.5, 'devel/precision': 90.0},
    {'step': 200, 'devel/f1': 81.0},
  ]
  text = ''.join(json.dumps(record) + '\n' for record in records)
  (tmp_path / 'metrics.jsonl').write_text(text + '{"step": 25')
  ProgressTable(lambda: '1 of 3').show([running])
  assert capsys.readouterr().err == (
    '1 of 3\n  GPU 3: step 200 of 1,200, best dev f1 82.50, seed0\n'
  )


def test_a_run_that_has_not_begun(running, always, capsys):
  ProgressTable(lambda: '').show([running])
  assert 'step 0 of 1,200, seed0' in capsys.readouterr().err


def test_a_terminal_is_drawn_anew(running, always, capsys, monkeypatch):
  monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
  monkeypatch.setenv('COLUMNS', '20')
  table = ProgressTable(lambda: 'title')
  table.show([running])
  assert capsys.readouterr().err == 'title\n  GPU 3: step 0 of \n'
  table.show([])
  assert capsys.readouterr().err == '\x1b[2F\x1b[Jtitle\n'
  table.clear()
  table.clear()
  assert capsys.readouterr().err == '\x1b[1F\x1b[J'


def test_elsewhere_it_is_printed_once_a_minute(running, capsys):
  table = ProgressTable(lambda: 'title')
  table.show([running])
  assert capsys.readouterr().err == ''
