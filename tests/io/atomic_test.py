"""Tests of files that appear only when they are whole."""

import contextlib
import os
import pathlib
import sys
import threading

import pytest

from biobert_jax.errors import InputError
from biobert_jax.io import atomic


def names(folder: pathlib.Path) -> list[str]:
  return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize('marker', ['', '17'])
def test_a_staged_file_replaces_the_old_one(tmp_path, marker):
  path = tmp_path / 'x.bin'
  path.write_bytes(b'old')
  with atomic.staged(path, marker) as aside:
    assert aside.parent == tmp_path
    aside.write_bytes(b'new')
    assert path.read_bytes() == b'old'
  assert path.read_bytes() == b'new'
  assert names(tmp_path) == ['x.bin']


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
  path = tmp_path / 'x.txt'
  path.write_text('old')
  with contextlib.suppress(KeyError), atomic.staged(path) as aside:
    aside.write_text('half')
    raise KeyError
  with contextlib.suppress(KeyError), atomic.atomic_write(path) as file:
    file.write('half')
    raise KeyError
  assert path.read_text() == 'old'
  assert names(tmp_path) == ['x.txt']


def test_processes_with_markers_do_not_meet(tmp_path):
  with (
    atomic.staged(tmp_path / 'x', '1') as first,
    atomic.staged(tmp_path / 'x', '2') as second,
  ):
    assert first != second
    first.write_text('1')
    second.write_text('2')
  assert names(tmp_path) == ['x']


def test_text_is_written_as_given(tmp_path):
  atomic.write_text(tmp_path / 'x', 'ä\r\nb\n')
  assert (tmp_path / 'x').read_bytes() == 'ä\r\nb\n'.encode()
  with atomic.atomic_write(tmp_path / 'deep' / 'y') as file:
    file.write('ä\r\nb\n')
  assert (tmp_path / 'deep' / 'y').read_bytes() == 'ä\r\nb\n'.encode()
  with atomic.atomic_write(tmp_path / 'z', binary=True) as file:
    file.write(b'\xff')
  assert (tmp_path / 'z').read_bytes() == b'\xff'


def test_a_place_that_cannot_be_written_is_named(tmp_path):
  (tmp_path / 'file').touch()
  for place, message in (
    (tmp_path, 'is a folder; name a file'),
    (tmp_path / 'file' / 'x', 'cannot write: '),
  ):
    with pytest.raises(InputError, match=message), atomic.atomic_write(place):
      pass


def test_a_hyphen_is_standard_output(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  with atomic.atomic_write('-') as file:
    file.write('β\n')
  with atomic.atomic_write('-', binary=True) as file:
    file.write(b'x\n')
  assert capsys.readouterr().out == 'β\nx\n'
  assert names(tmp_path) == []


@pytest.mark.parametrize('there', ['old', None])
def test_a_link_stays_and_what_it_names_is_written(there, tmp_path):
  (tmp_path / 'deep').mkdir()
  target, link = tmp_path / 'deep' / 'x', tmp_path / 'link'
  if there:
    target.write_text(there)
  link.symlink_to('deep/x')
  (tmp_path / 'second').symlink_to(link)
  with atomic.atomic_write(tmp_path / 'second') as file:
    file.write('new')
    assert not target.exists() if there is None else target.read_text() == there
  assert link.is_symlink()
  assert target.read_text() == 'new'
  atomic.write_text(link, 'newer')
  assert link.is_symlink()
  assert target.read_text() == 'newer'
  assert names(tmp_path) == ['deep', 'link', 'second']
  assert names(tmp_path / 'deep') == ['x']


def test_links_in_a_circle_are_refused(tmp_path):
  (tmp_path / 'a').symlink_to('b')
  (tmp_path / 'b').symlink_to('a')
  with (
    pytest.raises(InputError, match='a: cannot write: Too many levels'),
    atomic.atomic_write(tmp_path / 'a'),
  ):
    pass
  assert names(tmp_path) == ['a', 'b']


@pytest.mark.parametrize('binary', [False, True])
def test_a_pipe_and_a_device_are_written_through(binary, tmp_path):
  pipe, link = tmp_path / 'pipe', tmp_path / 'link'
  os.mkfifo(pipe)
  link.symlink_to(pipe)
  text = b'1\n2\n' if binary else '1\n2\n'
  for path in (pipe, link):
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))  # noqa: B023
    reader.start()
    with atomic.atomic_write(path, binary) as file:
      file.write(text)
    reader.join()
    assert got == [b'1\n2\n']
    assert pipe.is_fifo()
    assert names(tmp_path) == ['link', 'pipe']
  (tmp_path / 'null').symlink_to('/dev/null')
  with atomic.atomic_write(tmp_path / 'null', binary) as file:
    file.write(text)
  assert pathlib.Path('/dev/null').is_char_device()


def test_a_descriptor_is_written_where_it_stands(tmp_path, capfd):
  with (tmp_path / 'x').open('w') as file:
    file.write('before\n')
    file.flush()
    with atomic.atomic_write(f'/dev/fd/{file.fileno()}') as again:
      again.write('within\n')
    file.write('after\n')
  assert (tmp_path / 'x').read_text() == 'before\nwithin\nafter\n'
  print('first')
  (tmp_path / 'out').symlink_to('/dev/stdout')
  for path in ('/dev/stdout', '/dev/fd/1', tmp_path / 'out'):
    assert atomic.is_stdout(path)
    with atomic.atomic_write(path) as file:
      file.write('β\n')
  print('last', file=sys.stdout)
  assert capfd.readouterr().out == 'first\nβ\nβ\nβ\nlast\n'
  with (
    pytest.raises(InputError, match='/dev/fd/999: cannot write: Bad file'),
    atomic.atomic_write('/dev/fd/999'),
  ):
    pass


@pytest.mark.parametrize('there', [(), ('old',)])
def test_a_folder_takes_the_place_of_another(there, tmp_path):
  target = tmp_path / 'x'
  for name in there:
    target.mkdir()
    (target / name).touch()
  with contextlib.suppress(KeyError), atomic.staged(target) as aside:
    aside.mkdir()
    (aside / 'half').touch()
    raise KeyError
  assert target.exists() == bool(there)
  with atomic.staged(target) as aside:
    aside.mkdir()
    (aside / 'new').touch()
  assert names(target) == ['new']
  assert names(tmp_path) == ['x']
