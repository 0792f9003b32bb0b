"""TFRecord files, read at random without TensorFlow.

A record is its length (uint64, little-endian), a masked CRC32C of that length,
the data, and a masked CRC32C of the data (tensorflow/core/lib/io/
record_writer.h). Both checksums are compared.
"""

import mmap
import os
import struct

import google_crc32c
import numpy as np

from biobert_jax.errors import InputError

_HEADER, _FOOTER = 12, 4  # Bytes around the data.
_MASK_DELTA = 0xA282EAD8  # tensorflow/core/lib/hash/crc32c.h.


class TfRecordFile:
  """The records of a file, by number."""

  def __init__(self, path: str | os.PathLike[str]):
    """Finds every record in one reading; an InputError: no TFRecord file."""
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
        ' create_pretraining_data.py wrote by --config.data.dir'
      ) from None
    if self._data[:2] == b'\x1f\x8b':
      raise InputError(f'{path}: is packed by gzip; unpack it with gunzip')
    # [records] where each begins, and its bytes of data.
    self._starts, self._sizes = self._index(size)

  def __len__(self) -> int:
    return len(self._starts)

  def read(self, number: int) -> bytes:
    """The data of a record; an InputError: it differs from its checksum."""
    start, size = int(self._starts[number]), int(self._sizes[number])
    data = self._data[start + _HEADER : start + _HEADER + size]
    end = start + _HEADER + size
    (stated,) = struct.unpack('<I', self._data[end : end + _FOOTER])
    if masked_crc(data) != stated:
      raise self.fault(number, 'differs from its checksum')
    return data

  def fault(
    self,
    number: int,
    what: str,
    remedy: str = 'copy the file again, or make it again',
  ) -> InputError:
    """An error of a record."""
    return InputError(f'{self.path}: record {number} {what}; {remedy}')

  def _index(self, size: int) -> tuple[np.ndarray, np.ndarray]:
    starts: list[int] = []
    sizes: list[int] = []
    at = 0
    while at < size:
      header = self._data[at : at + _HEADER]
      if len(header) < _HEADER:
        raise self.fault(len(starts), 'is cut')
      length, crc = struct.unpack('<QI', header)
      if masked_crc(header[:8]) != crc:
        raise self.fault(len(starts), 'does not begin as a TFRecord')
      starts.append(at)
      sizes.append(length)
      at += _HEADER + length + _FOOTER
    if at > size:
      raise self.fault(len(starts) - 1, 'is cut')
    return np.asarray(starts, np.int64), np.asarray(sizes, np.int64)


def masked_crc(data: bytes) -> int:
  """The CRC32C of some bytes, masked as TFRecord files have it."""
  crc = google_crc32c.value(data)
  return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
