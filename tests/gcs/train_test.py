"""Whole runs in a bucket that fails, killed and stopped, as on a disk."""

import json
import pathlib
from typing import Any

import pytest

from biobert_jax import errors
from biobert_jax.io import storage
from biobert_jax.training.monitoring.metric_writer import read_metrics
from tests.fault_injection import children
from tests.gcs.door import ALWAYS, Door, Fault

pytest.importorskip('tensorflow', reason='Orbax writes to buckets through it')

SECONDS = 400  # A machine may have other things to do as well.
# 8 % of the requests fail, and 5 % are late.
CHAOS = (
  ('status', 0.03, {'code': 503}),
  ('status', 0.01, {'code': 429}),
  ('reset', 0.02, {}),
  ('cut', 0.01, {}),
  ('lost', 0.01, {}),
  ('delay', 0.05, {'seconds': 0.3}),
)


def finish(run: pathlib.Path | str, **options: Any) -> None:
  """Trains to the end."""
  with children.job(run, **options) as (child,):
    assert child.wait(SECONDS) == errors.EXIT_DONE, child.said


def figures_of(run: Any) -> tuple[Any, list[Any]]:
  """The scores of a run, and its losses."""
  place = storage.path(str(run))
  report = json.loads(storage.read_text(place / 'results.json'))
  losses = [(r['step'], r.get('train/loss')) for r in read_metrics(place)]
  return report['results'], losses


def test_a_run_ends_as_on_a_disk(
  bucket: str, door: Door, tmp_path: pathlib.Path
) -> None:
  options = {'devices': 1, 'cache': tmp_path / 'programs'}
  finish(tmp_path / 'run', **options)
  door.faults = [
    Fault(kind, times=ALWAYS, probability=probability, **more)
    for kind, probability, more in CHAOS
  ]
  options |= {'logs': str(tmp_path / 'logs')}
  kill = {'fault': 'SIGKILL', 'at': 'save'}
  with children.job(f'{bucket}/run', **options, **kill) as (child,):
    child.landed_at(SECONDS)
    assert child.wait(SECONDS) == -9
  finish(f'{bucket}/run', **options)
  failed = sum(bool(e.fault) and e.fault != 'delay' for e in door.log)
  assert failed > 0.04 * len(door.log)
  assert figures_of(f'{bucket}/run') == figures_of(tmp_path / 'run')


def test_sigterm_to_one_of_two_hosts(
  bucket: str, tmp_path: pathlib.Path
) -> None:
  stop = {'fault': 'SIGTERM', 'at': 4, 'strikes': 1}
  logs = str(tmp_path / 'logs')
  with children.job(f'{bucket}/run', 2, 1, None, logs=logs, **stop) as running:
    codes = [child.wait(SECONDS) for child in running]
    said = running[0].said
  assert codes == [errors.EXIT_PREEMPTED] * 2, said
  (step,) = storage.names(f'{bucket}/run/checkpoints')
  assert f'stopped at step {step}, which is saved' in said
  assert storage.exists(f'{bucket}/run/checkpoints/{step}/commit_success.txt')
