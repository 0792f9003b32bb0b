"""Local copies of `io/buckets/cache.py`, and the commands that keep them."""

import contextlib
import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from biobert_jax import errors
from biobert_jax.commands import main
from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.buckets import cache, objects
from tests.gcs.door import ALWAYS, Door, Fault

FETCH = """
import sys
from biobert_jax.io import storage
print(storage.local(sys.argv[1]))
"""
MEDIA = '^GET.*alt=media'


@contextlib.contextmanager
def fetching(place: str) -> Iterator[subprocess.Popen[str]]:
  """A process that makes a local copy."""
  command = [sys.executable, '-c', FETCH, place]
  with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
    try:
      yield child
    finally:
      child.kill()


def test_a_copy_never_changes(door: Door, bucket: str) -> None:
  """One changed object is one download, and another copy."""
  for name in ('a', 'b', 'c'):
    storage.write(f'{bucket}/x/{name}', f'old {name}')
  old = storage.local(f'{bucket}/x')
  storage.write(f'{bucket}/x/b', 'new b')
  storage.remove(f'{bucket}/x/c')
  storage.write(f'{bucket}/x/sub/d', 'new d')
  door.log.clear()
  new = storage.local(f'{bucket}/x')
  assert door.count(MEDIA) == 2
  assert sorted(os.listdir(old)) == ['a', 'b', 'c']
  assert (old / 'b').read_text() == 'old b'
  assert sorted(os.listdir(new)) == ['a', 'b', 'sub']
  assert (new / 'b').read_text() == 'new b'
  assert storage.local(f'{bucket}/x/b').read_text() == 'new b'
  assert door.count(MEDIA) == 2
  assert new.name == 'x'
  assert storage.shown(f'{new}/b:3: wrong') == f'{bucket}/x/b:3: wrong'


def test_a_large_copy_is_told_once(bucket, monkeypatch, caplog) -> None:
  monkeypatch.setattr(cache, '_TOLD', 3)
  caplog.set_level('INFO')
  for name, content in (('a', 'two'), ('b', 'x'), ('sub/c', 'x')):
    storage.write(f'{bucket}/x/{name}', content)
  storage.local(f'{bucket}/x', ['b', 'absent'])
  assert caplog.messages == []
  copy = storage.local(f'{bucket}/x', ['a', 'b'])
  assert sorted(os.listdir(copy)) == ['a', 'b']
  storage.local(f'{bucket}/x')
  what = f'copying {bucket}/x to this machine: 0.0 GB, files: 1'
  assert caplog.messages == [what]


def test_a_copy_that_is_killed_goes_on(door: Door, bucket: str) -> None:
  size = 20 * 2**20
  content = os.urandom(size)
  storage.write(f'{bucket}/x/big', content)
  storage.write(f'{bucket}/x/small', 'small')
  door.log.clear()
  door.faults = [Fault('stall', 'big.*alt=media', seconds=60)]
  with fetching(f'{bucket}/x') as child:
    until = time.monotonic() + 30
    while time.monotonic() < until:
      parts = [p.stat().st_size for p in cache.folder().rglob('*.part')]
      if sum(parts) > size // 3:
        break
      time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
  assert list((cache.folder() / 'buckets' / 'copies').glob('*/')) == []
  door.faults = []
  copied = storage.local(f'{bucket}/x')
  assert (copied / 'big').read_bytes() == content
  assert door.count('small.*alt=media') == 1
  again = [entry for entry in door.log if 'big?' in entry.line][-1]
  assert again.received < size * 2 / 3


def test_three_processes_fetch_each_object_once(
  door: Door, bucket: str
) -> None:
  names = [f'{n:02}' for n in range(20)]
  for name in names:
    storage.write(f'{bucket}/x/{name}', name * 1000)
  door.log.clear()
  door.faults = [Fault('delay', MEDIA, times=ALWAYS, seconds=0.1)]
  with contextlib.ExitStack() as stack:
    children = [stack.enter_context(fetching(f'{bucket}/x')) for _ in range(3)]
    told = {child.communicate(timeout=60)[0] for child in children}
    assert [child.returncode for child in children] == [0, 0, 0]
  (path,) = told
  assert sorted(os.listdir(path.strip())) == names
  fetched = Counter(e.line for e in door.log if 'alt=media' in e.line)
  assert len(fetched) == 20
  assert set(fetched.values()) == {1}


def test_a_folder_that_changes_while_it_is_read(
  door: Door, bucket: str
) -> None:
  """It is listed again; a copy holds what was there at one time."""
  for name in ('a', 'b'):
    storage.write(f'{bucket}/x/{name}', f'old {name}')

  def change(line: str) -> None:
    if 'alt=media' in line and not line.count('/c?'):
      door.before = lambda line: None
      storage.remove(f'{bucket}/x/a')
      storage.write(f'{bucket}/x/b', 'new b')

  door.before = change
  copied = storage.local(f'{bucket}/x')
  assert os.listdir(copied) == ['b']
  assert (copied / 'b').read_text() == 'new b'

  def always(line: str) -> None:
    if 'alt=media' in line:
      objects.write(place, os.urandom(8))

  place = storage.path(f'{bucket}/x/b')
  assert isinstance(place, storage.BucketPath)
  storage.write(place, 'again')
  door.before = always
  with pytest.raises(OSError, match='changes while it is read; run the same'):
    storage.local(f'{bucket}/x')


def test_a_bit_that_flips_twice(door: Door, bucket: str) -> None:
  storage.write(f'{bucket}/x', b'x' * 1000)
  door.faults = [Fault('flip', MEDIA, times=2)]
  with pytest.raises(OSError, match='its CRC32C differs; run the same'):
    storage.local(f'{bucket}/x')
  assert storage.local(f'{bucket}/x').read_bytes() == b'x' * 1000


class TestFullDisk:
  """The disk of the copies."""

  def test_it_is_seen_before(
    self, door: Door, bucket: str, monkeypatch: pytest.MonkeyPatch
  ) -> None:
    storage.write(f'{bucket}/x', b'x' * 1000)
    free = shutil._ntuple_diskusage(1000, 1, 999)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, 'disk_usage', lambda folder: free)
    with pytest.raises(errors.BucketError) as caught:
      storage.local(f'{bucket}/x')
    assert 'set BIOBERT_CACHE to a folder of another disk' in str(caught.value)
    assert 'biobert-jax cache clear' in str(caught.value)
    assert caught.value.exit_code == 1
    assert door.count(MEDIA) == 0

  def test_it_fills_meanwhile(
    self,
    bucket: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
  ) -> None:
    """With room, what came before is not fetched again."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    content = os.urandom(2**20)
    storage.write(f'{bucket}/x', content)
    monkeypatch.setenv('BIOBERT_CACHE', str(disk))
    free = shutil._ntuple_diskusage(2**30, 0, 2**30)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, 'disk_usage', lambda folder: free)
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', str(disk)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
      pytest.skip('only root can mount a small tmpfs')
    try:
      with pytest.raises(errors.BucketError) as caught:
        storage.local(f'{bucket}/x')
      assert errors.as_user_error(caught.value) is caught.value
      said = (
        f'cannot be copied to {disk} (No space left on device); set BIOBERT'
      )
      assert said in str(caught.value)
      resize = ['mount', '-o', 'remount,size=8m', str(disk)]
      subprocess.run(resize, check=True)
      assert storage.local(f'{bucket}/x').read_bytes() == content
    finally:
      subprocess.run(['umount', '-l', str(disk)], check=True)

  def test_no_folder_can_be_made_there(
    self, bucket: str, monkeypatch: pytest.MonkeyPatch
  ) -> None:
    monkeypatch.setenv('BIOBERT_CACHE', '/dev/null/cache')
    storage.write(f'{bucket}/x', b'x' * 1000)
    with pytest.raises(errors.BucketError, match='Not a directory.*BIOBERT'):
      storage.local(f'{bucket}/x')


class TestNames:
  """What a bucket can hold, and a disk cannot."""

  def put(self, bucket: str, *names: str, content: str = 'x') -> None:
    top = storage.path(bucket)
    assert isinstance(top, storage.BucketPath)
    for name in names:
      objects.write(storage.BucketPath(top.bucket, name), content.encode())

  def test_an_object_beside_a_folder_of_its_name(self, bucket: str) -> None:
    self.put(bucket, 'd/x', 'd/x/y')
    assert storage.local(f'{bucket}/d/x').read_text() == 'x'
    assert storage.local(f'{bucket}/d/x/y').read_text() == 'x'
    with pytest.raises(InputError, match='d/x: is both an object and a folder'):
      storage.local(f'{bucket}/d')

  def test_marks_of_folders(self, bucket: str) -> None:
    """Empty objects, as some tools make them."""
    self.put(bucket, 'd/', 'd', 'd/e', 'd/e/', content='')
    self.put(bucket, 'd/e/f')
    assert storage.local(f'{bucket}/d').joinpath('e/f').read_text() == 'x'
    self.put(bucket, 'empty', content='')
    assert storage.local(f'{bucket}/empty').read_bytes() == b''

  @pytest.mark.parametrize(
    ('name', 'said'),
    [
      ('d/a//b', 'cannot be a file of a disk'),
      ('d/../../x', 'cannot be a file of a disk'),
      ('d/./x', 'cannot be a file of a disk'),
      (f'd/{"ü" * 128}', 'a part of more than 255 bytes'),
    ],
  )
  def test_names_that_no_disk_takes(
    self, bucket: str, name: str, said: str
  ) -> None:
    self.put(bucket, name)
    with pytest.raises(InputError, match=said):
      storage.local(f'{bucket}/d')


def test_what_is_stored_compressed_is_read_as_it_was(
  door: Door, bucket: str
) -> None:
  """As `gcloud storage cp --gzip-local-all` stores it."""
  name = storage.path(bucket).name
  packed = gzip.compress(b'text\n' * 1000)
  made = door.api.backend.put(
    name, 'x.txt', packed, {'contentEncoding': 'gzip'}
  )
  assert made.status == 200
  assert storage.read_text(f'{bucket}/x.txt') == 'text\n' * 1000
  assert storage.local(f'{bucket}/x.txt').read_text() == 'text\n' * 1000


def test_the_commands_list_and_clear(
  bucket: str, capsys: pytest.CaptureFixture[str]
) -> None:
  for name in ('x/a', 'x/b', 'y'):
    storage.write(f'{bucket}/{name}', b'z' * 1000)
  for name in ('x', 'y'):
    storage.local(f'{bucket}/{name}')

  def command(*words: str) -> dict[str, object]:
    assert main.main(['cache', *words]) == 0
    return json.loads(capsys.readouterr().out)

  listed = command('list')
  assert listed['copies'] == [
    {'place': f'{bucket}/y', 'files': 1, 'bytes': 1000},
    {'place': f'{bucket}/x', 'files': 2, 'bytes': 2000},
  ]
  assert listed['bytes'] == 3000
  assert command('clear', f'{bucket}/x')['freed_bytes'] == 2000
  assert [one['place'] for one in command('list')['copies']] == [  # type: ignore
    f'{bucket}/y'
  ]
  assert command('clear')['freed_bytes'] == 1000
  assert command('list')['copies'] == []
  assert [p for p in cache.folder().rglob('*') if p.is_file()] == [
    cache.folder() / 'buckets' / 'copies' / 'lock'
  ]


def test_only_copies_of_buckets_are_cleared(
  bucket: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
  del bucket
  assert main.main(['cache', 'clear', str(tmp_path)]) == 3
  assert 'gs://' in capsys.readouterr().err
