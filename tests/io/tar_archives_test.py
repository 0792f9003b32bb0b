"""Tests of tar archives as streams; tests/checkpoints damages whole files."""

import io
import pathlib
import tarfile

import pytest

from biobert_jax.errors import InputError
from biobert_jax.io import streams, tar_archives


def pack(path: pathlib.Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
  with tarfile.open(path, 'w') as tar:
    for member, content in members:
      member.size = len(content)
      tar.addfile(member, io.BytesIO(content))


def test_plain_files_come_in_their_order(tmp_path):
  folder = tarfile.TarInfo('a')
  folder.type = tarfile.DIRTYPE
  names = ('./a/1', 'a/._1', 'a//2', '3')
  files = [(tarfile.TarInfo(name), name.encode() * 999) for name in names]
  pack(tmp_path / 'x.tar', (folder, b''), *files)
  with streams.open_stream(tmp_path / 'x.tar') as stream:
    assert tar_archives.is_tar(stream)
    members = tar_archives.members(stream)
    name, size, content = next(members)
    assert (name, size) == ('a/1', 5 * 999)
    assert b''.join(content.chunks()) == b'./a/1' * 999
    assert content.name == f'{tmp_path}/x.tar:./a/1'
    # The next is not read: it is passed over.
    assert [member.name for member in members] == ['a/2', '3']


@pytest.mark.parametrize(
  ('name', 'kind', 'message'),
  [
    ('link', tarfile.SYMTYPE, "'link' is a link, .* tar --dereference"),
    ('../x', tarfile.REGTYPE, r"'\.\./x' would lie outside of its folder"),
    ('a\\b', tarfile.REGTYPE, 'would lie outside of its folder'),
    ('./', tarfile.REGTYPE, 'no usable name'),
  ],
)
def test_other_members_are_named(name, kind, message, tmp_path):
  member = tarfile.TarInfo(name)
  member.type = kind
  if name == './':  # tarfile would take the slash for a folder's.
    member.name = '.'
  pack(tmp_path / 'x.tar', (tarfile.TarInfo('good'), b'1'), (member, b''))
  with streams.open_stream(tmp_path / 'x.tar') as stream:
    members = tar_archives.members(stream)
    assert next(members).name == 'good'
    with pytest.raises(InputError, match=rf'x\.tar: member .*{message}'):
      next(members)


def test_other_files_are_not_tar(tmp_path):
  (tmp_path / 'x').write_bytes(b'x' * 1000)
  with streams.open_stream(tmp_path / 'x') as stream:
    assert not tar_archives.is_tar(stream)
    with pytest.raises(InputError, match='cut or damaged'):
      next(tar_archives.members(stream))
