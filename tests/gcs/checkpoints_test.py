"""Checkpoints in a bucket: kept, read, and condemned for damage alone.

Of `checkpoints/bucket_steps.py` and `checkpoints/formats/orbax_access.py`.
"""

import contextlib
from collections.abc import Iterator

import pytest

from biobert_jax import errors
from biobert_jax.checkpoints import integrity, run_steps
from biobert_jax.io import storage
from biobert_jax.io.storage import BucketPath
from biobert_jax.training.checkpointing.manager import Checkpoints
from tests.fixtures import small_states
from tests.fixtures.small_states import ABSTRACT, same_bits

pytest.importorskip('tensorflow', reason='Orbax writes to buckets through it')

from tests.gcs.door import ALWAYS, Door, Fault  # noqa: E402

ARRAYS = r'state.*(/|%2F)d(/|%2F)[0-9a-f]{32}'
CONFIG = {
  'data': {'devel_split': 'devel', 'train_split': 'train'},
  'train': {'keep': 'best'},
}
LAYOUT = small_states.layout('dp')


@pytest.fixture
def folder(bucket: str) -> BucketPath:
  place = storage.path(f'{bucket}/runs/x')
  assert isinstance(place, BucketPath)
  return place


@contextlib.contextmanager
def opened(folder: BucketPath) -> Iterator[Checkpoints]:
  checkpoints = Checkpoints(folder, 2)
  checkpoints.drop_unfinished()
  yield checkpoints
  checkpoints.close()


def save(folder: BucketPath, *steps: int) -> None:
  with opened(folder) as checkpoints:
    for step in steps:
      checkpoints.save(small_states.drawn(step, step, LAYOUT))


def restored(folder: BucketPath) -> int:
  """Reads the newest whole state, and compares it; its step."""
  with opened(folder) as checkpoints:
    state = checkpoints.restore(ABSTRACT, LAYOUT)
  step = int(state.step)
  same_bits(state, small_states.drawn(step, step, LAYOUT))
  return step


def test_states_and_the_best_are_kept(folder: BucketPath, door: Door) -> None:
  best = small_states.drawn(2, 2, LAYOUT).params
  save(folder, 1)
  before = door.count()
  save(folder, 2)
  assert door.count() - before < 250
  with opened(folder) as checkpoints:
    checkpoints.save(small_states.drawn(3, 3, LAYOUT))
    checkpoints.save_best(2, best, 40.0)
  # The oldest was deleted, and so was a step that nobody finished.
  storage.write(folder / 'checkpoints' / '9' / 'state' / 'd' / 'x', 'half')
  assert storage.names(folder / 'checkpoints') == ['2', '3', '9']
  assert restored(folder) == 3
  assert storage.names(folder / 'checkpoints') == ['2', '3']
  with opened(folder) as checkpoints:
    assert checkpoints.best_score() == 40.0
    same_bits(checkpoints.restore_best(ABSTRACT.params, LAYOUT.params), best)
  for step, name in (('', '2'), ('latest', '3'), ('2', '2')):
    path, params = run_steps.read(folder, CONFIG, step)
    assert path.name == name
    same_bits(params, small_states.drawn(int(name), 1, LAYOUT).params)


def test_a_bit_that_flipped_on_its_way_condemns_no_step(
  folder: BucketPath, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
  save(folder, 1, 2)
  door.faults = [Fault('flip', f'^GET .*{ARRAYS}')]
  assert restored(folder) == 2
  assert 'read again' in caplog.text
  # One at rest does.
  files = storage.files(folder / 'checkpoints' / '2' / 'state')
  largest = max(
    (f for f in files if '/d/' in str(f.place)), key=lambda f: f.size
  )
  content = bytearray(storage.read_bytes(largest.place))
  content[len(content) // 2] ^= 16
  storage.write(largest.place, bytes(content))
  assert 'checkpoints/2' not in integrity.damage_of(
    folder / 'checkpoints' / '1'
  )
  assert restored(folder) == 1
  assert storage.names(folder / integrity.DAMAGED_FOLDER) == ['2']
  assert storage.names(folder / 'checkpoints') == ['1']


@pytest.mark.parametrize(
  ('fault', 'why'),
  [
    (Fault('status', ARRAYS, times=ALWAYS, code=403), 'legacyBucketReader'),
    (Fault('status', 'checkpoints', times=ALWAYS, code=403), 'access'),
  ],
)
def test_a_bucket_that_refuses_condemns_no_step(
  folder: BucketPath, door: Door, fault: Fault, why: str
) -> None:
  save(folder, 1, 2)
  door.faults = [fault]
  with pytest.raises(OSError, match=why) as found:
    restored(folder)
  told = errors.as_user_error(found.value)
  assert told is not None
  assert told.exit_code == errors.EXIT_FAILED
  door.faults = []
  assert restored(folder) == 2


def test_a_save_that_is_refused_is_told(folder: BucketPath, door: Door) -> None:
  checkpoints = Checkpoints(folder, 2)
  door.faults = [Fault('status', 'checkpoints.*state', times=ALWAYS, code=403)]
  checkpoints.save(small_states.drawn(1, 1, LAYOUT))
  with pytest.raises(errors.StorageError, match=r'legacyBucketReader.*again'):
    checkpoints.close()
