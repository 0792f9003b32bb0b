"""Tests of files that appear only when they are whole."""

import contextlib
import pathlib

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
