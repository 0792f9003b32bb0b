"""Records by number, with both of their checksums compared."""

import re
import struct

import pytest

from biobert_jax.errors import InputError
from biobert_jax.io.tfrecord import TfRecordFile, masked_crc


def record(data: bytes) -> bytes:
  length = struct.pack('<Q', len(data))
  sums = [struct.pack('<I', masked_crc(part)) for part in (length, data)]
  return length + sums[0] + data + sums[1]


def test_records_are_read_in_any_order(tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(record(b'one') + record(b'') + record(b'three'))
  file = TfRecordFile(path)
  assert [file.read(n) for n in (2, 0, 1)] == [b'three', b'one', b'']
  assert len(file) == 3
  # RFC 3720 B.4: 32 bytes of zeros have the CRC32C 0x8a9136aa.
  crc = 0x8A9136AA
  rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
  assert masked_crc(bytes(32)) == (rotated + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize(
  ('damage', 'said'),
  [
    (lambda good: good[:-1], 'record 1 is cut'),
    (lambda good: good + b'\0', 'record 2 is cut'),
    (lambda good: b'\1' + good[1:], 'record 0 does not begin as a TFRecord'),
    (lambda good: b'\x1f\x8b' + good, 'is packed by gzip'),
    (lambda good: good[:12] + b'O' + good[13:], 'record 0 differs from its'),
  ],
)
def test_damage_is_named(damage, said, tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(damage(record(b'one') + record(b'two')))
  with pytest.raises(InputError, match=re.escape(str(path)) + f'.*{said}'):
    TfRecordFile(path).read(0)
