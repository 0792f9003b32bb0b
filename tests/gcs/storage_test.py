"""The functions of `io/storage.py` and `io/atomic.py` in a bucket."""

import json
import os
import pathlib

import pytest

from biobert_jax import errors
from biobert_jax.errors import InputError
from biobert_jax.io import atomic, storage
from biobert_jax.io.json_files import write_json
from tests.gcs.door import ALWAYS, Door, Fault

BIG = 9 * 2**20  # More than one request takes: a resumable upload.


def test_an_object_is_written_read_and_removed(bucket: str) -> None:
  place = storage.path(f'{bucket}/runs/x/config.json')
  assert storage.generation(place) == 0
  first = storage.write(place, 'one\r\n', match=0)
  assert first == storage.generation(place) > 0
  assert storage.read_bytes(place) == b'one\r\n'
  with pytest.raises(errors.BucketChangedError, match='by another process'):
    storage.write(place, 'two', match=0)
  second = storage.write(str(place), b'two', match=first)
  assert second != first
  with pytest.raises(errors.BucketChangedError):
    storage.write(place, 'three', match=first)
  assert storage.read_text(place) == 'two'
  assert storage.is_file(place)
  assert not storage.is_dir(place)
  assert storage.is_dir(place.parent)
  assert not storage.is_file(place.parent)
  storage.remove(place)
  storage.remove(place)
  assert not storage.exists(place)
  assert not storage.exists(place.parent)


def test_folders_are_listed_moved_and_removed(bucket: str) -> None:
  folder = storage.path(f'{bucket}/x')
  kept = storage.path(f'{bucket}/x-kept/a.txt')
  storage.write(kept, 'kept')
  for name in ('b.txt', 'a.txt', 'sub/deep/c.txt', 'mark/'):
    assert isinstance(folder, storage.BucketPath)
    storage.write(storage.BucketPath(folder.bucket, f'x/{name}'), name)
  assert storage.names(folder) == ['a.txt', 'b.txt', 'mark', 'sub']
  assert storage.names(bucket) == ['x', 'x-kept']
  assert storage.names(f'{bucket}/none') == []
  found = storage.files(folder)
  assert {str(f.place.relative_to(folder)): f.size for f in found} == {
    'a.txt': 5,
    'b.txt': 5,
    'sub/deep/c.txt': 14,
  }
  assert found[0].generation == storage.generation(folder / 'a.txt')
  storage.move_tree(folder, f'{bucket}/aside/x')
  assert not storage.exists(folder)
  assert storage.read_text(f'{bucket}/aside/x/sub/deep/c.txt')
  storage.remove_tree(f'{bucket}/aside')
  storage.remove_tree(f'{bucket}/aside')
  assert storage.names(bucket) == ['x-kept']


@pytest.mark.parametrize(
  ('pattern', 'found'),
  [
    ('p/*.gz', ['p/a.gz', 'p/b.gz']),
    ('p/?.gz', ['p/a.gz', 'p/b.gz']),
    ('p/[b-z].gz', ['p/b.gz']),
    ('*/a.gz', ['p/a.gz']),
    ('p/*', ['p/a.gz', 'p/b.gz', 'p/q', 'p/what?.txt']),
    ('p/**/*.gz', ['p/a.gz', 'p/b.gz', 'p/q/c.gz', 'p/q/r/d.gz']),
    ('p/*/*.gz', ['p/q/c.gz']),
    ('p/.*', ['p/.hidden.gz']),
    ('p/what?.txt', ['p/what?.txt']),
    ('p/q', ['p/q']),
    ('p/*.xml', []),
    ('none/*', []),
  ],
)
def test_patterns_are_as_on_a_disk(
  bucket: str, pattern: str, found: list[str], tmp_path: pathlib.Path
) -> None:
  names = ['a.gz', 'b.gz', 'q/c.gz', 'q/r/d.gz', '.hidden.gz', 'what?.txt']
  for top in (bucket, tmp_path / 'disk'):
    for name in names:
      storage.write(storage.path(top) / 'p' / name, name)
    places = storage.glob(storage.path(top) / pattern)
    assert [str(p.relative_to(storage.path(top))) for p in places] == found


def test_a_folder_is_published_with_its_record_last(
  door: Door, bucket: str, tmp_path: pathlib.Path
) -> None:
  def folder(*names: str) -> pathlib.Path:
    made = tmp_path / 'made'
    for name in names:
      storage.write(made / name, f'{len(names)} {name}')
    return made

  target = storage.path(f'{bucket}/out')
  storage.publish(folder('old', 'a', 'record.json'), target, ('record.json',))
  assert not (tmp_path / 'made').exists()
  door.log.clear()
  with atomic.staged(target, last=('sums', 'record.json')) as aside:
    folder('a', 'sub/b', 'record.json', 'sums').rename(aside)
  assert storage.names(target) == ['a', 'record.json', 'sub', 'sums']
  assert storage.read_text(target / 'a') == '4 a'
  changes = [
    (entry.line.split()[0], entry.line.rpartition('%2F')[2].partition('?')[0])
    for entry in door.log
    if entry.line.startswith(('POST', 'DELETE'))
  ]
  assert [change[0] for change in changes] == [
    *('DELETE', 'DELETE', 'POST', 'POST', 'DELETE', 'POST', 'POST')
  ]
  assert changes[0][1] == 'record.json'
  assert changes[4][1] == 'old'


def test_a_write_that_fails_leaves_what_was_there(bucket: str) -> None:
  place = f'{bucket}/out.json'
  write_json(place, {'a': 1})
  with pytest.raises(ZeroDivisionError), atomic.atomic_write(place) as file:
    file.write(str(1 / 0))
  assert json.loads(storage.read_text(place)) == {'a': 1}
  with atomic.atomic_write(storage.path(place), binary=True) as file:
    file.write(b'x' * BIG)
  assert storage.read_bytes(place) == b'x' * BIG


def test_files_and_folders_are_not_mistaken(
  bucket: str, tmp_path: pathlib.Path
) -> None:
  storage.write(f'{bucket}/x/y', '1')
  with (
    pytest.raises(InputError, match='is a folder; name a file'),
    atomic.atomic_write(f'{bucket}/x'),
  ):
    pass
  (tmp_path / 'made').mkdir()
  (tmp_path / 'made' / 'a').touch()
  with pytest.raises(InputError, match='is a file; name a folder'):
    storage.publish(tmp_path / 'made', f'{bucket}/x/y')
  assert storage.read_text(f'{bucket}/x/y') == '1'


@pytest.mark.parametrize(
  'name',
  ['a b#c?d*e[f]%20+ü&x=y', '日本語/é', "it's", 'x/.hidden', '~a', 'a:b'],
)
def test_odd_names(bucket: str, name: str) -> None:
  place = storage.path(bucket) / 'odd' / name
  storage.write(place, name, match=0)
  assert [file.place for file in storage.files(bucket)] == [place]
  assert storage.glob(place) == [place]
  assert storage.local(place).read_text() == name
  assert storage.local(place).name == place.name
  whole = storage.local(f'{bucket}/odd')
  assert (whole / name).read_text() == name
  storage.move_tree(f'{bucket}/odd', f'{bucket}/to')
  assert storage.read_text(f'{bucket}/to/{name}') == name


def test_permission_to_write_is_asked_for_before_any_work(
  door: Door, bucket: str
) -> None:
  door.api.lacking = {'storage.objects.create'}
  with (
    pytest.raises(PermissionError, match='roles/storage.objectUser'),
    atomic.staged(f'{bucket}/out'),
  ):
    pytest.fail('the work has begun')


class TestLines:
  """Logs as whole objects."""

  def test_they_are_sent_now_and_then(
    self, door: Door, bucket: str, monkeypatch: pytest.MonkeyPatch
  ) -> None:
    place = storage.path(f'{bucket}/metrics.jsonl')
    log = storage.Lines(place)
    for number in range(100):
      log.add(str(number))
    assert door.count('^POST') == 0
    log.flush()
    log.flush()
    assert door.count('^POST') == 1
    assert storage.read_text(place).split() == [str(n) for n in range(100)]
    monkeypatch.setattr(storage.Lines, 'EVERY', 0.0)
    log.add('100')
    log.flush()
    assert door.count('^POST') == 2
    storage.write(place, log.text + '{"cut')
    again = storage.Lines(place)
    assert again.text == log.text

  def test_who_comes_late_does_not_overwrite(self, bucket: str) -> None:
    place = f'{bucket}/metrics.jsonl'
    late = storage.Lines(place)
    late.add('late')
    storage.write(place, 'new\n')
    with pytest.raises(errors.BucketChangedError):
      late.flush()
    assert storage.read_text(place) == 'new\n'

  def test_one_write_a_second_is_enough(self, door: Door, bucket: str) -> None:
    door.api.seconds_between_writes = 1.0
    log = storage.Lines(f'{bucket}/metrics.jsonl')
    for number in range(3):
      log.add(str(number))
      log.flush()
    assert storage.read_text(f'{bucket}/metrics.jsonl') == '0\n1\n2\n'
    assert any(entry.status == 429 for entry in door.log)


def test_requests_of_the_usual_work(
  door: Door, bucket: str, tmp_path: pathlib.Path
) -> None:
  """None is made in vain."""
  for number in range(5):
    storage.write(f'{bucket}/shards/{number}', os.urandom(100))
  door.log.clear()
  storage.local(f'{bucket}/shards')
  assert door.count() == 7  # Is it an object, the list, five objects.
  door.log.clear()
  storage.local(f'{bucket}/shards')
  assert door.count() == 2
  door.log.clear()
  storage.write(f'{bucket}/config.json', '{}')
  assert door.count() == 1


def test_a_place_is_written_under_every_fault_together(
  door: Door, bucket: str, tmp_path: pathlib.Path
) -> None:
  """Eight of a hundred requests fail, five are late."""
  share = {'times': ALWAYS, 'probability': 0.02}
  door.faults = [
    Fault('status', **share),
    Fault('status', code=429, **share),
    Fault('reset', **share),
    Fault('lost', **share),
    Fault('cut', '^GET', **share),
    Fault('flip', 'alt=media', **share),
    Fault('delay', seconds=0.05, times=ALWAYS, probability=0.05),
  ]
  contents = {f'd{n % 3}/{n}': os.urandom(n * 10_000) for n in range(40)}
  for name, content in contents.items():
    storage.write(tmp_path / 'made' / name, content)
  storage.publish(tmp_path / 'made', f'{bucket}/a', last=('d0/0',))
  storage.move_tree(f'{bucket}/a', f'{bucket}/b')
  copied = storage.local(f'{bucket}/b')
  assert {n: (copied / n).read_bytes() for n in contents} == contents
  storage.remove_tree(f'{bucket}/b')
  assert storage.names(bucket) == []
  befell = {entry.fault for entry in door.log}
  assert befell >= {'status', 'reset', 'lost', 'delay'}
