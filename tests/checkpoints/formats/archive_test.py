"""Archives: plain files come out, nothing else, and nothing stays behind."""

import gzip
import io
import pathlib
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobert_jax.checkpoints.formats import archive
from biobert_jax.errors import InputError

FILES = {
  'biobert/vocab.txt': b'[PAD]\n[UNK]\n',
  'biobert/model.ckpt.index': bytes(range(256)) * 5,
  'biobert/empty': b'',
}


def pack(
  path: pathlib.Path,
  contents: dict[str, bytes] = FILES,
  mode: str = 'w:gz',
  extra: Callable[[tarfile.TarFile], None] = lambda tar: None,
) -> pathlib.Path:
  with tarfile.open(path, mode) as tar:
    for name, content in contents.items():
      member = tarfile.TarInfo(name)
      member.size = len(content)
      tar.addfile(member, io.BytesIO(content))
    extra(tar)
  return path


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch) -> pathlib.Path:
  """Where archives are unpacked; empty after every test."""
  room = tmp_path / 'room'
  room.mkdir()
  monkeypatch.setattr(tempfile, 'tempdir', str(room))
  yield room
  assert list(room.iterdir()) == []


def contents_of(folder: pathlib.Path) -> dict[str, bytes]:
  return {
    p.relative_to(folder).as_posix(): p.read_bytes()
    for p in folder.rglob('*')
    if p.is_file()
  }


@pytest.mark.parametrize(
  ('name', 'mode'),
  [
    ('x.tar.gz', 'w:gz'),
    ('x.tgz', 'w:gz'),
    ('x.tar', 'w'),
    ('gzip-by-its-bytes.tar', 'w:gz'),
  ],
)
def test_one_inner_folder_is_entered(tmp_path, room, name, mode):
  path = pack(tmp_path / name, mode=mode)
  assert archive.is_archive(path)
  with archive.extracted(path) as folder:
    assert folder.name == 'biobert'
    assert folder.is_relative_to(room)
    assert contents_of(folder) == {
      name.removeprefix('biobert/'): content for name, content in FILES.items()
    }
  assert not folder.exists()


def test_other_layouts_keep_their_root(tmp_path):
  flat = {'./a': b'1', './b': b'2'}
  with archive.extracted(pack(tmp_path / 'x.tar', flat, 'w')) as folder:
    assert contents_of(folder) == {'a': b'1', 'b': b'2'}
  both = {'x/a': b'1', 'y/b': b'2'}
  with archive.extracted(pack(tmp_path / 'x.tar', both, 'w')) as folder:
    assert contents_of(folder) == both
  macos = {'._x': b'', 'x/a': b'1'}
  with archive.extracted(pack(tmp_path / 'x.tar', macos, 'w')) as folder:
    assert contents_of(folder) == {'a': b'1'}


def test_long_names_of_either_kind(tmp_path):
  name = '/'.join(['folder' * 10] * 3) + '/é'
  for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
    with tarfile.open(tmp_path / 'x.tar', 'w', format=form) as tar:
      member = tarfile.TarInfo(name)
      member.size = 3
      tar.addfile(member, io.BytesIO(b'abc'))
    with archive.extracted(tmp_path / 'x.tar') as folder:
      assert list(contents_of(folder).values()) == [b'abc']


def test_names():
  assert archive.is_archive('biobert_v1.1.TAR.GZ')
  assert not archive.is_archive('model.ckpt')
  assert not archive.is_archive('x.zip')


def test_the_folder_goes_when_its_user_fails(tmp_path):
  with (
    pytest.raises(KeyError),
    archive.extracted(pack(tmp_path / 'x.tgz')) as folder,
  ):
    raise KeyError
  assert not folder.exists()


@pytest.mark.parametrize(
  'name', ['../escape', 'a/../../escape', '/tmp/escape', 'a/..', '..\\escape']
)
def test_a_member_outside_is_named(tmp_path, name):
  path = pack(tmp_path / 'x.tar', FILES | {name: b'1'}, 'w')
  with (
    pytest.raises(InputError, match='outside of its folder') as caught,
    archive.extracted(path),
  ):
    pass
  assert f'x.tar: member {name!r} ' in str(caught.value)
  assert not list(tmp_path.rglob('escape*'))


@pytest.mark.parametrize(
  'kind',
  [
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.FIFOTYPE,
    tarfile.GNUTYPE_SPARSE,
    b'Z',
  ],
)
def test_only_plain_files(tmp_path, kind):
  member = tarfile.TarInfo('biobert/odd')
  member.type = kind
  member.linkname = 'vocab.txt'
  path = pack(tmp_path / 'x.tar', mode='w', extra=lambda t: t.addfile(member))
  with pytest.raises(InputError, match='odd|vocab'), archive.extracted(path):
    pass


def test_one_name_twice(tmp_path):
  path = pack(tmp_path / 'x.tar', {'a': b'', './a': b''}, 'w')
  with pytest.raises(InputError, match='there twice'), archive.extracted(path):
    pass


def test_a_file_in_the_place_of_a_folder(tmp_path):
  path = pack(tmp_path / 'x.tar', {'a': b'', 'a/b': b''}, 'w')
  with pytest.raises(InputError, match='unpacked'), archive.extracted(path):
    pass


def test_too_many_members(tmp_path):
  many = {f'{i}': b'' for i in range(archive.MAX_MEMBERS + 1)}
  path = pack(tmp_path / 'x.tar', many, 'w')
  with pytest.raises(InputError, match='1000 members'), archive.extracted(path):
    pass
  del many['0']
  with archive.extracted(pack(tmp_path / 'x.tar', many, 'w')) as folder:
    assert len(list(folder.iterdir())) == archive.MAX_MEMBERS


def claim(path: pathlib.Path, size: int) -> pathlib.Path:
  """An archive whose header claims a size that it does not have."""
  member = tarfile.TarInfo('huge')
  member.size = size
  path.write_bytes(gzip.compress(member.tobuf() + bytes(2**20)))
  return path


@pytest.mark.parametrize('size', [2**31, 2**45, 2**62])
def test_a_bomb_is_stopped_by_what_it_claims(tmp_path, size):
  path = claim(tmp_path / 'x.tgz', size)
  with (
    pytest.raises(InputError, match=f"'huge' brings the size to {size}"),
    archive.extracted(path),
  ):
    pass


def test_the_free_space_of_the_disk(tmp_path, monkeypatch):
  usage = type('Usage', (), {'free': 1000})
  monkeypatch.setattr(archive.shutil, 'disk_usage', lambda _: usage)
  path = pack(tmp_path / 'x.tgz')
  with pytest.raises(InputError, match='TMPDIR'), archive.extracted(path):
    pass


def test_headers_that_ask_for_memory(tmp_path):
  """A long name of a gigabyte, which 1 MB of gzip would hold."""
  member = tarfile.TarInfo('long')
  member.type = tarfile.GNUTYPE_LONGNAME
  member.size = 2**30
  path = tmp_path / 'x.tgz'
  path.write_bytes(gzip.compress(member.tobuf() + bytes(2**26)))
  tracemalloc.start()
  with pytest.raises(InputError, match='a header'), archive.extracted(path):
    pass
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 2**24


@pytest.mark.parametrize('mode', ['w', 'w:gz'])
def test_a_cut_archive(tmp_path, mode):
  path = pack(tmp_path / 'x.tar', mode=mode)
  content = path.read_bytes()
  if mode == 'w':
    # Also between two members, where tarfile would see a complete archive;
    # the 10 KiB of zeros at the end may be cut.
    content = content[: len(content.rstrip(b'\0')) // 512 * 512 + 512]
  for length in range(0, len(content), 64 if mode == 'w' else 7):
    path.write_bytes(content[:length])
    with (
      pytest.raises(InputError, match=r'x.tar: (empty|cut or damaged)'),
      archive.extracted(path),
    ):
      pass


def test_a_damaged_header_in_the_middle(tmp_path):
  path = pack(tmp_path / 'x.tar', mode='w')
  content = bytearray(path.read_bytes())
  content[1024 + 3] ^= 1  # The name of the second member.
  path.write_bytes(content)
  with pytest.raises(InputError, match='damaged'), archive.extracted(path):
    pass


def test_a_flipped_bit_fails_the_checksum_of_gzip(tmp_path):
  path = pack(tmp_path / 'x.tgz')
  content = bytearray(path.read_bytes())
  content[-6] ^= 1  # Of the CRC itself.
  path.write_bytes(content)
  with pytest.raises(InputError, match='damaged'), archive.extracted(path):
    pass


@pytest.mark.parametrize('content', [b'', b'junk' * 1000, bytes(10_240)])
def test_other_files(tmp_path, content):
  path = tmp_path / 'x.tar'
  path.write_bytes(content)
  with (
    pytest.raises(InputError, match=r'x.tar: .*(empty|damaged|no files)'),
    archive.extracted(path),
  ):
    pass


def test_no_such_file(tmp_path):
  with (
    pytest.raises(InputError, match='No such file'),
    archive.extracted(tmp_path / 'x.tar'),
  ):
    pass


@settings(max_examples=200)
@given(st.sampled_from(['w', 'w:gz']), st.data())
def test_damage_anywhere_is_an_error_or_harmless(tmp_path_factory, mode, data):
  folder = tmp_path_factory.mktemp('damage')
  path = pack(folder / 'x.tar', mode='w')
  content = bytearray(path.read_bytes())[:4096]  # The rest is padding.
  edits = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
  for at, value in data.draw(st.lists(edits, min_size=1, max_size=4)):
    content[at] = value
  if data.draw(st.booleans()):
    for at in (0, 1024, 3072):  # The headers: their checksums fit again.
      content[at + 148 : at + 156] = b' ' * 8
      content[at + 148 : at + 156] = b'%06o\0 ' % sum(content[at : at + 512])
  if mode == 'w:gz':
    content = bytearray(gzip.compress(content, 1))
    at, value = data.draw(edits)
    content[at % len(content)] ^= value & data.draw(st.sampled_from([0, 255]))
  path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
  tracemalloc.start()
  try:
    with archive.extracted(path) as inner:
      assert sum(map(len, contents_of(inner).values())) <= 4096
  except InputError:
    pass
  finally:
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
  assert peak < 64 * 2**20
  assert [p.name for p in folder.iterdir()] == ['x.tar']
