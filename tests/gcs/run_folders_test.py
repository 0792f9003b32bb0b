"""A run's small files in a bucket: lease, logs, ledger, steps that are left.

Also of `training/monitoring/event_files.py`.
"""

import concurrent.futures
import json
import pathlib

import pytest

from biobert_jax import errors
from biobert_jax.checkpoints import bucket_steps
from biobert_jax.io import storage
from biobert_jax.io.storage import BucketPath
from biobert_jax.protocol import ledger
from biobert_jax.training.checkpointing.workdir_lease import Lease
from biobert_jax.training.monitoring import goodput, metric_writer
from biobert_jax.training.monitoring.event_files import SummaryWriter
from biobert_jax.training.monitoring.metric_writer import MetricWriter
from biobert_jax.training.monitoring.watchdog import Watchdog
from tests.gcs.door import ALWAYS, Door, Fault

UPLOADS = r'^(POST|PUT) .*upload'


@pytest.fixture
def folder(bucket: str) -> BucketPath:
  place = storage.path(f'{bucket}/runs/x')
  assert isinstance(place, BucketPath)
  return place


@pytest.mark.parametrize('lost', [0, 1])
def test_the_last_run_to_start_has_the_folder(
  folder: BucketPath, door: Door, lost: int
) -> None:
  door.faults = [Fault('lost', UPLOADS, times=2 * lost)]
  first = Lease.take(folder)
  first.check()
  second = Lease.take(folder)
  with pytest.raises(errors.TakenOverError, match=r'another run \(process'):
    first.check()
  second.check_together()
  storage.remove(folder / 'writer.json')
  with pytest.raises(errors.TakenOverError, match='whoever changed'):
    second.check()


def test_of_eight_that_start_at_once_one_wins(
  folder: BucketPath, door: Door
) -> None:
  door.faults = [Fault('lost', UPLOADS, times=ALWAYS, probability=0.2)]

  def start(_: int) -> Lease | None:
    try:
      return Lease.take(folder)
    except errors.TakenOverError:
      return None

  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    started = [lease for lease in pool.map(start, range(8)) if lease]
  winners = []
  for lease in started:
    try:
      lease.check()
    except errors.TakenOverError:
      continue
    winners.append(lease)
  assert len(winners) == 1


def test_a_bucket_that_refuses_was_not_taken_over(
  folder: BucketPath, door: Door
) -> None:
  lease = Lease.take(folder)
  door.faults = [Fault('status', times=ALWAYS, code=403)]
  with pytest.raises(errors.BucketAccessError, match='access denied') as found:
    lease.check()
  assert found.value.exit_code == errors.EXIT_FAILED


def test_metrics_are_sent_together_and_read_back(folder: BucketPath) -> None:
  writer, path = MetricWriter(folder, 0), folder / 'metrics.jsonl'
  opened = storage.generation(path)
  for step in range(1, 6):
    writer.write(step, {'train/loss': 1 / step})
  assert storage.generation(path) == opened
  writer.flush()
  sent = storage.generation(path)
  assert sent != opened
  writer.flush()
  assert storage.generation(path) == sent
  assert [r['step'] for r in metric_writer.read_metrics(folder)] == [
    *range(1, 6)
  ]
  writer.close()
  (events,) = storage.names(folder / 'tensorboard')
  assert b'train/loss' in storage.read_bytes(folder / 'tensorboard' / events)
  # A run that resumes at step 3 writes the others anew.
  MetricWriter(folder, 3).close()
  assert [r['step'] for r in metric_writer.read_metrics(folder)] == [1, 2, 3]


def test_a_run_that_lost_its_folder_writes_no_metrics(
  folder: BucketPath,
) -> None:
  old = Lease.take(folder)
  writer = MetricWriter(folder, 0, old.check)
  writer.write(1, {'train/loss': 1.0})
  new = Lease.take(folder)
  for write in (writer.flush, writer.close):
    with pytest.raises(errors.TakenOverError):
      write()
  MetricWriter(folder, 0, new.check).close()
  assert metric_writer.read_metrics(folder) == []


def test_tensorboard_ends_no_run(
  folder: BucketPath,
  door: Door,
  caplog: pytest.LogCaptureFixture,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  monkeypatch.setenv('BIOBERT_STORAGE_TIMEOUT', '1')
  board = SummaryWriter(str(folder / 'tensorboard'))
  door.faults = [Fault('status', times=ALWAYS)]
  for step in range(1, 40):  # More than its queue takes.
    board.add_scalar('train/loss', 1.0, step)
  board.close()
  assert 'tensorboard/events' in caplog.text
  assert 'no answer within' in caplog.text


def test_where_the_time_went(folder: BucketPath) -> None:
  with goodput.Timeline(folder) as timeline:
    timeline.ready(0)
    with timeline.spent('evaluation'):
      pass
    assert not storage.exists(folder / goodput.TIMELINE_FILE)
  kinds = [event['event'] for event in goodput.read(folder)]
  assert kinds == ['start', 'ready', 'evaluation', 'end']


def test_a_ledger_has_every_run_at_once(folder: BucketPath) -> None:
  line = {'run': 'a', 'stage': 'test', 'fold': '', 'data_sha256': 'x'}
  kept = ledger.open_ledger(folder, {'batch_size': 8})
  kept.add({**line, 'digest': 'a', 'seconds': 1.0})
  assert 'a' in ledger.open_ledger(folder, {'batch_size': 8})
  # Another process added a run: none of its lines is lost.
  other = ledger.open_ledger(folder, {'batch_size': 8})
  other.add({**line, 'digest': 'b', 'seconds': 1.0})
  with pytest.raises(errors.BucketChangedError, match=r'ledger\.jsonl'):
    kept.add({**line, 'digest': 'c', 'seconds': 1.0})
  _, lines = ledger.read(folder)
  assert [found['digest'] for found in lines] == ['a', 'b']


def test_stacks_are_sent_by_the_next_start(
  folder: BucketPath, tmp_path: pathlib.Path
) -> None:
  for said in ('first', 'second'):
    watchdog = Watchdog(60, folder)
    (local,) = (tmp_path / 'cache').rglob('stacks_0.txt')
    local.write_text(f'{said}\n')  # As a process that was stuck leaves it.
    watchdog.close()
  assert storage.read_text(folder / 'stacks_0.txt') == 'first\n'
  Watchdog(60, folder).close()
  assert storage.read_text(folder / 'stacks_0.txt') == 'first\nsecond\n'
  assert not [*(tmp_path / 'cache').rglob('stacks_0.txt')]


BEGAN = {'init_timestamp_nsecs': 1, 'commit_timestamp_nsecs': None}


@pytest.mark.parametrize(
  ('record', 'quiet', 'becomes'),
  [
    ({**BEGAN, 'commit_timestamp_nsecs': 2}, 0.0, 'used'),
    (BEGAN, 0.0, 'set aside'),
    (BEGAN, 7200.0, 'deleted'),
    (None, 7200.0, 'set aside'),
    ('cut', 7200.0, 'set aside'),
    ([], 7200.0, 'set aside'),
  ],
)
def test_a_step_without_a_commit_file(
  folder: BucketPath,
  monkeypatch: pytest.MonkeyPatch,
  record: object,
  quiet: float,
  becomes: str,
) -> None:
  checkpoints = folder / 'checkpoints'
  step = checkpoints / '4'
  storage.write(step / 'state' / 'd' / 'x', 'numbers')
  storage.write(checkpoints / '3' / bucket_steps.COMMIT_FILE, '')
  if record is not None:
    text = record if isinstance(record, str) else json.dumps(record)
    storage.write(step / '_CHECKPOINT_METADATA', text)
  is_used = becomes == 'used'
  names = ['3', '4'] if is_used else ['3']
  assert [p.name for p in bucket_steps.complete(checkpoints)] == names
  now = bucket_steps.time.time()
  monkeypatch.setattr(bucket_steps.time, 'time', lambda: now + quiet)
  bucket_steps.settle(checkpoints)
  assert [p.name for p in bucket_steps.complete(checkpoints)] == names
  assert storage.exists(step) == is_used
  assert storage.exists(step / bucket_steps.COMMIT_FILE) == is_used
  aside = storage.names(folder / bucket_steps.UNFINISHED_FOLDER)
  assert [name[:14] for name in aside] == (
    ['checkpoints_4_'] if becomes == 'set aside' else []
  )
  # What is set aside goes as soon as it is certain.
  if record == BEGAN:
    monkeypatch.setattr(bucket_steps.time, 'time', lambda: now + 7200)
    bucket_steps.settle(checkpoints)
    assert not storage.names(folder / bucket_steps.UNFINISHED_FOLDER)
