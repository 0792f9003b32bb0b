"""TFRecord files, read at random without TensorFlow.

A record is its length (uint64, little-endian), a masked CRC32C of that length,
the data, and a masked CRC32C of the data (tensorflow/core/lib/io/
record_writer.h). Both checksums are compared: those of the lengths when a file
is opened, that of the data whenever a record is read.
"""

import functools
import mmap
import os
import struct

import numpy as np

from biobert_jax.errors import InputError

_HEADER, _FOOTER = 12, 4  # Bytes around the data.
_POLYNOMIAL = 0x82F63B78  # CRC32C (Castagnoli), reflected.
_MASK_DELTA = 0xA282EAD8  # tensorflow/core/lib/hash/crc32c.h.
_CHUNK = 1024  # Bytes of a checksum's step.
_ONES = 0xFFFFFFFF


class TfRecordFile:
  """The records of a file, by number."""

  def __init__(self, path: str | os.PathLike[str]):
    """Finds every record, which reads through the file once.

    Raises:
      InputError: The file is missing, packed, cut, or no TFRecord file.
    """
    self.path = os.fspath(path)
    try:
      with open(path, 'rb') as file:
        size = os.fstat(file.fileno()).st_size
        # An empty file cannot be mapped.
        self._data: mmap.mmap | bytes = b''
        if size:
          self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
      raise InputError(
        f'{path}: cannot be read ({error.strerror}); name the files that'
        ' create_pretraining_data.py wrote'
      ) from None
    if self._data[:2] == b'\x1f\x8b':
      raise InputError(f'{path}: is packed by gzip; unpack it with gunzip')
    # [records] where each begins, and its bytes of data.
    self._starts, self._sizes = self._index(size)

  def __len__(self) -> int:
    return len(self._starts)

  def read(self, number: int) -> bytes:
    """The data of a record.

    Raises:
      InputError: It differs from its checksum.
    """
    start, size = int(self._starts[number]), int(self._sizes[number])
    data = self._data[start + _HEADER : start + _HEADER + size]
    end = start + _HEADER + size
    (stated,) = struct.unpack('<I', self._data[end : end + _FOOTER])
    if masked_crc(data) != stated:
      raise self.fault(number, 'differs from its checksum')
    return data

  def fault(self, number: int, what: str) -> InputError:
    """An error of a record."""
    return InputError(
      f'{self.path}: record {number} {what}; copy the file again, or make it'
      ' again'
    )

  def _index(self, size: int) -> tuple[np.ndarray, np.ndarray]:
    starts: list[int] = []
    sizes: list[int] = []
    at = 0
    while at < size:
      header = self._data[at : at + _HEADER]
      if len(header) < _HEADER:
        raise self.fault(len(starts), 'is cut')
      length, crc = struct.unpack('<QI', header)
      if _header_crc(header[:8]) != crc:
        raise self.fault(len(starts), 'does not begin as a TFRecord')
      starts.append(at)
      sizes.append(length)
      at += _HEADER + length + _FOOTER
    if at > size:
      raise self.fault(len(starts) - 1, 'is cut')
    return np.asarray(starts, np.int64), np.asarray(sizes, np.int64)


@functools.cache
def _table() -> np.ndarray:
  """[_CHUNK, 256]: what a byte adds to the checksum, so far from the end."""
  first: np.ndarray = np.arange(256, dtype=np.uint32)
  for _ in range(8):
    first = (first >> 1) ^ (first & 1) * np.uint32(_POLYNOMIAL)
  table = np.empty((_CHUNK, 256), np.uint32)
  table[0] = first
  for distance in range(1, _CHUNK):
    last = table[distance - 1]
    table[distance] = first[last & 255] ^ (last >> 8)
  return table


def masked_crc(data: bytes) -> int:
  """The CRC32C of some bytes, masked as TFRecord files have it.

  A checksum is linear: it is what each byte adds by its place, which NumPy
  looks up for a thousand bytes at once (45 us for 3 kB).
  """
  table, state = _table(), _ONES
  for at in range(0, len(data), _CHUNK):
    part = np.frombuffer(data[at : at + _CHUNK], np.uint8).copy()
    count = len(part)
    head = min(4, count)
    part[:head] ^= np.frombuffer(struct.pack('<I', state), np.uint8)[:head]
    places = np.arange(count - 1, -1, -1)
    added = int(np.bitwise_xor.reduce(table[places, part]))
    state = added ^ (state >> 8 * count)
  crc = state ^ _ONES
  return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _ONES


@functools.lru_cache(maxsize=1 << 14)
def _header_crc(length: bytes) -> int:
  """`masked_crc` of a length; records of a file have few."""
  return masked_crc(length)
