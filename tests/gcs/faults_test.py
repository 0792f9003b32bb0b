"""What befalls requests, and what of it a user is told.

Of `io/buckets/request.py` and `io/buckets/objects.py`.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from biobert_jax import errors
from biobert_jax.io import storage
from biobert_jax.io.buckets import request
from tests.gcs.door import ALWAYS, Door, Fault

BIG = 9 * 2**20  # Sent by several requests, in a session that is resumed.


@pytest.mark.parametrize(
  ('fault', 'size'),
  [
    (Fault('status', times=3), 1000),
    (Fault('status', code=429, times=3), 1000),
    (Fault('status', 'upload_id', times=2), BIG),
    (Fault('reset', times=2), BIG),
    (Fault('half', '^(POST|PUT) /upload', times=2), 1000),
    (Fault('lost', '^(POST|PUT) /upload'), 1000),
    (Fault('lost', '^PUT /upload'), BIG),
    (Fault('lost', '(DELETE|rewriteTo)', times=2), 1000),
    (Fault('cut', '^GET', times=2), 1000),
    (Fault('cut', 'alt=media', times=2), BIG),
    (Fault('stall', 'alt=media', seconds=0.2), 1000),
    (Fault('delay', seconds=0.2), 1000),
    (Fault('flip', 'alt=media'), 1000),
    (Fault('flip', 'alt=media', skip=1), BIG),
  ],
  ids=lambda value: (
    f'{value.kind} {value.match}' if isinstance(value, Fault) else None
  ),
)
def test_what_passes_is_not_noticed(
  door: Door, bucket: str, fault: Fault, size: int
) -> None:
  content = os.urandom(size)
  door.faults = [Fault(**vars(fault))]
  place = storage.path(f'{bucket}/x/a')
  generation = storage.write(place, content, match=0)
  assert storage.generation(place) == generation
  assert storage.read_bytes(place) == content
  assert storage.local(place.parent).joinpath('a').read_bytes() == content
  storage.move_tree(place.parent, f'{bucket}/y')
  assert storage.read_bytes(f'{bucket}/y/a') == content
  storage.remove_tree(f'{bucket}/y')
  assert storage.names(bucket) == []
  befell = sum(entry.fault == fault.kind for entry in door.log)
  assert befell == fault.times


def test_an_upload_is_resumed_where_it_broke(door: Door, bucket: str) -> None:
  """The half of 40 MB that came is not sent again."""
  content = os.urandom(40 * 2**20)
  door.faults = [Fault('half', '^PUT', skip=1)]
  storage.write(f'{bucket}/x', content)
  assert storage.read_bytes(f'{bucket}/x') == content
  sent = sum(entry.sent for entry in door.log)
  assert sent < len(content) * 1.3


class TestPreconditions:
  """Who wrote knows it, and nobody else believes so."""

  @pytest.mark.parametrize('size', [20, BIG], ids=['small', 'big'])
  def test_a_lost_answer_is_no_lost_write(
    self, door: Door, bucket: str, size: int
  ) -> None:
    place = f'{bucket}/lease'
    door.faults = [Fault('lost', '^(POST|PUT) /upload', skip=size // BIG)]
    first = storage.write(place, b'a' * size, match=0)
    door.faults = [Fault('lost', '^(POST|PUT) /upload', skip=size // BIG)]
    second = storage.write(place, b'b' * size, match=first)
    assert storage.generation(place) == second
    assert storage.read_bytes(place) == b'b' * size

  def test_a_lost_answer_to_a_write_that_is_overwritten(
    self, door: Door, bucket: str
  ) -> None:
    place = f'{bucket}/lease'

    def before(line: str) -> None:
      if line.startswith('POST') and door.count('^POST') == 1:
        door.before = lambda line: None
        storage.write(place, 'of another')

    door.before = before
    door.faults = [Fault('lost', '^POST')]
    with pytest.raises(errors.BucketChangedError):
      storage.write(place, 'mine', match=0)
    assert storage.read_text(place) == 'of another'

  def test_a_write_that_was_given_up_may_be_repeated(
    self, door: Door, bucket: str, monkeypatch: pytest.MonkeyPatch
  ) -> None:
    """It was carried out, and nobody else has written since."""
    place = f'{bucket}/metrics.jsonl'
    log = storage.Lines(place)
    monkeypatch.setenv('BIOBERT_STORAGE_TIMEOUT', '0.3')
    monkeypatch.setattr(storage.Lines, 'EVERY', 0.0)
    door.faults = [Fault('lost', '^POST', times=ALWAYS)]
    log.add('1')
    with pytest.raises(OSError, match='no answer within'):
      log.flush()
    door.faults = []
    assert storage.read_text(place) == '1\n'
    log.add('2')
    log.flush()
    assert storage.read_text(place) == '1\n2\n'

  @pytest.mark.parametrize('same', [False, True], ids=['own', 'same bytes'])
  def test_of_eight_writers_one_wins_and_knows_it(
    self, door: Door, bucket: str, same: bool
  ) -> None:
    lost = Fault('lost', times=ALWAYS, probability=0.2)

    for attempt in range(8):
      place = f'{bucket}/lease-{attempt}'
      door.faults = [lost]

      def write(number: int, place: str = place) -> int:
        text = 'the same' if same else f'writer {number}'
        try:
          return storage.write(place, text, match=0)
        except errors.BucketChangedError:
          return 0

      with ThreadPoolExecutor(8) as pool:
        generations = list(pool.map(write, range(8)))
      door.faults = []
      (winner,) = (n for n in range(8) if generations[n])
      assert storage.generation(place) == generations[winner]
      if not same:
        assert storage.read_text(place) == f'writer {winner}'
    assert any(entry.fault == 'lost' for entry in door.log)


class TestMessages:
  """One line, with the name, the reason and a remedy; the right exit code."""

  EVERY: tuple[Callable[[str], object], ...] = (
    storage.read_bytes,
    storage.local,
    storage.names,
    lambda name: storage.write(name, b'x', match=0),
    lambda name: storage.write(name, b'x' * BIG),
  )

  @pytest.mark.parametrize('number', range(len(EVERY)))
  @pytest.mark.parametrize(
    ('fault', 'said', 'kind'),
    [
      (
        Fault('status', code=403, message='x lacks storage.objects.get.'),
        'access denied (x lacks storage.objects.get); give the account '
        'roles/storage.objectUser on gs://',
        PermissionError,
      ),
      (
        Fault('status', code=401),
        'no valid credentials; run: gcloud auth application-default login',
        PermissionError,
      ),
      (
        Fault('status', code=400, message='Odd.\nMore.'),
        'Odd (HTTP 400)',
        OSError,
      ),
      (
        Fault('status', code=503),
        'no answer within 0.3 s (HTTP 503: backendError); check the network',
        OSError,
      ),
      (
        Fault('reset'),
        'no answer within 0.3 s (no connection); check the network',
        OSError,
      ),
      (
        Fault('delay', seconds=0.6),
        'no answer within 0.3 s (the service is silent); check the network',
        OSError,
      ),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else '',
  )
  def test_of_faults_that_stay(
    self,
    door: Door,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    said: str,
    kind: type[Exception],
    number: int,
  ) -> None:
    storage.write(f'{bucket}/x/y', b'1')
    monkeypatch.setenv('BIOBERT_STORAGE_TIMEOUT', '0.3')
    fault = Fault(**{**vars(fault), 'times': ALWAYS})
    door.faults = [fault]
    place = f'{bucket}/x/y' if number < 2 else f'{bucket}/x'
    with pytest.raises(kind) as caught:
      self.EVERY[number](place)
    error = caught.value
    assert isinstance(error, errors.BucketError)
    assert str(error) == f'{error.filename}: {error.strerror}'
    assert str(error).startswith(f'{bucket}')
    assert said in str(error)
    assert '\n' not in str(error)
    assert error.exit_code == 1

  @pytest.mark.parametrize('number', range(4))
  def test_of_a_bucket_that_is_missing(self, bucket: str, number: int) -> None:
    del bucket
    with pytest.raises(FileNotFoundError) as caught:
      self.EVERY[number]('gs://no-such-bucket/x')
    said = 'there is no bucket no-such-bucket; check the name'
    assert str(caught.value) == f'gs://no-such-bucket/x: {said}'
    assert isinstance(caught.value, errors.BucketError)
    assert caught.value.exit_code == 3

  @pytest.mark.parametrize('number', [0, 1])
  def test_of_a_name_that_is_missing(self, bucket: str, number: int) -> None:
    with pytest.raises(FileNotFoundError) as caught:
      self.EVERY[number](f'{bucket}/x')
    said = 'no such object or folder; check the path'
    assert str(caught.value) == f'{bucket}/x: {said}'

  def test_what_wraps_it_keeps_its_exit_code(self, bucket: str) -> None:
    """As `except OSError as error: raise InputError(...)` does everywhere."""

    def program() -> None:
      try:
        raise errors.BucketAccessError(13, 'access denied', f'{bucket}/x')
      except OSError as error:
        raise errors.InputError(f'--workdir: {error.strerror}') from error

    assert errors.exit_code_of(program) == 1


def test_a_dead_bucket_ends_a_command(
  bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
  """What is left to clean up does not wait as long again."""
  monkeypatch.setenv('STORAGE_EMULATOR_HOST', 'http://127.0.0.1:9')
  monkeypatch.setenv('BIOBERT_STORAGE_TIMEOUT', '1.5')
  monkeypatch.setattr(request, '_AGAIN_SECONDS', 0.2)
  spent = []
  for _ in range(2):
    began = time.monotonic()
    with pytest.raises(OSError, match='no answer within'):
      storage.read_bytes(f'{bucket}/x')
    spent.append(time.monotonic() - began)
  assert 0.8 < spent[0] < 3
  assert spent[1] < 0.8


@pytest.mark.parametrize('text', ['soon', '0', '-1', 'nan', 'inf'])
def test_a_timeout_that_is_no_number(
  bucket: str, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
  monkeypatch.setenv('BIOBERT_STORAGE_TIMEOUT', text)
  with pytest.raises(errors.InputError, match='must be a number of seconds'):
    storage.exists(f'{bucket}/x')


def test_an_object_that_changes_while_it_is_read(
  door: Door, bucket: str
) -> None:
  """The old one or the new one, never a mixture."""
  place = f'{bucket}/x'
  storage.write(place, b'old' * 1000)
  door.log.clear()

  def before(line: str) -> None:
    if 'alt=media' in line and door.count('alt=media') == 1:
      door.before = lambda line: None
      storage.write(place, b'new' * 1000)

  door.before = before
  door.faults = [Fault('cut', 'alt=media')]
  assert storage.read_bytes(place) == b'new' * 1000
