"""The zip archive around a pytorch_model.bin: of another kind, or damaged."""

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from biobert_jax.checkpoints.formats.torch import file as torch_file
from biobert_jax.errors import InputError
from tests.fixtures import torch_files as files

F32 = np.float32


def members(**contents: bytes) -> bytes:
  """A zip archive; `__` in a name stands for `/`.

  Always of the same bytes, which are part of a test's name: workers that begin
  in different seconds must agree on it.
  """
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w') as archive:
    for name, content in contents.items():
      archive.writestr(zipfile.ZipInfo(name.replace('__', '/')), content)
  return stream.getvalue()


@pytest.mark.parametrize(
  ('content', 'what'),
  [
    (members(a=b''), 'not of torch.save'),
    (members(a__data=b'', a__constants=b''), 'not of torch.save'),
  ],
)
def test_other_zip_archives(tmp_path, content, what):
  path = tmp_path / 'x.bin'
  path.write_bytes(content)
  with pytest.raises(InputError, match=what):
    torch_file.read(path)


@pytest.mark.parametrize(
  ('name', 'content', 'what'),
  [
    ('archive/constants.pkl', b'', 'TorchScript'),
    ('other/data.pkl', b'', 'not of torch.save'),
    ('archive/byteorder', b'big', 'big-endian'),
  ],
)
def test_zip_archives_of_another_kind(tmp_path, name, content, what):
  path = tmp_path / 'x.bin'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('archive/data.pkl', files.state_dict({}))
    archive.writestr(name, content)
  with pytest.raises(InputError, match=what):
    torch_file.read(path)


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_two_members_of_one_name(tmp_path):
  path = files.write_arrays(tmp_path / 'x.bin', 'zip', files.examples())
  with zipfile.ZipFile(path, 'a') as archive:
    archive.writestr('archive/data/0', b'')
  with pytest.raises(InputError, match='two members of one name'):
    torch_file.read(path)


def test_compressed_members_are_read_as_far_as_we_know_them(tmp_path):
  weight = np.zeros(10_000, F32)
  pickled = files.state_dict({'weight': files.whole('0', weight, 'zip')})
  path = tmp_path / 'x.bin'
  for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
    files.write(path, 'zip', pickled, {'0': weight}, compression)
    assert files.same(torch_file.read(path)['weight'], weight)
  files.write(path, 'zip', pickled, {'0': weight}, zipfile.ZIP_BZIP2)
  with pytest.raises(InputError, match='compressed by method 12'):
    torch_file.read(path)


def directory_entry(content: bytes, name: bytes) -> int:
  """Where the central directory of a zip archive tells of a member."""
  return content.rindex(b'PK\x01\x02', 0, content.rindex(name))


def test_an_encrypted_member(tmp_path):
  path = files.write_arrays(tmp_path / 'x.bin', 'zip', files.examples())
  content = bytearray(path.read_bytes())
  content[directory_entry(content, b'archive/data/0') + 8] |= 1
  path.write_bytes(content)
  with pytest.raises(InputError, match=r'tensor dense.weight .*encrypted'):
    torch_file.read(path)['dense.weight'].read()


@pytest.mark.parametrize('compression', [0, zipfile.ZIP_DEFLATED])
def test_a_member_that_claims_more_than_the_file_holds(tmp_path, compression):
  elements = 2**28
  of = files.storage('0', 'FloatStorage', elements, 'zip')
  pickled = files.state_dict({'weight': files.tensor(of, (elements,), (1,))})
  path = tmp_path / 'x.bin'
  storages = {'0': np.zeros(10, F32)}
  files.write(path, 'zip', pickled, storages, compression)
  content = bytearray(path.read_bytes())
  # Sizes as stored and as unpacked.
  at = directory_entry(content, b'archive/data/0') + 20
  content[at : at + 8] = struct.pack('<II', 2**30, 2**30)
  path.write_bytes(content)
  tracemalloc.start()
  try:
    with pytest.raises(InputError, match='tensor weight .*claims 1073741824'):
      torch_file.read(path)['weight'].read()
    assert tracemalloc.get_traced_memory()[1] < 2**24
  finally:
    tracemalloc.stop()
