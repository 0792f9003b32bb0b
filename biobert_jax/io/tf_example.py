"""`tf.train.Example` records of bytes or of numbers, without TensorFlow.

Importing that takes ten seconds and 700 MB. The messages are those of
tensorflow/core/example/{example,feature}.proto.
"""

from collections.abc import Iterator, Mapping

import numpy as np

# Feature.bytes_list, Feature.float_list and Feature.int64_list.
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3


def encode(features: Mapping[str, bytes]) -> bytes:
  """The record of features, by name, in the order to be written."""
  entries = b''
  for name, value in features.items():
    feature = _field(1, _field(1, value))  # Feature.bytes_list.value
    entries += _field(1, _field(1, name.encode()) + _field(2, feature))
  return _field(1, entries)


def decode(record: bytes) -> dict[str, bytes]:
  """The features, of bytes; a ValueError or LookupError: no such record."""
  features = {}
  for name, kind, values in _features(record):
    if kind != _BYTES:
      raise ValueError(f'{name} is not of bytes')
    features[name] = dict(_fields(values))[1]
  return features


def decode_numbers(record: bytes) -> dict[str, np.ndarray]:
  """The features of a record of numbers, int64 or float32 arrays.

  A ValueError or LookupError: it is not such a record, has other features, or
  has numbers that are not packed (TensorFlow packs them).
  """
  features: dict[str, np.ndarray] = {}
  for name, kind, numbers in _features(record):
    values = b''.join(value for _, value in _fields(numbers))
    if kind == _INTEGERS:
      features[name] = _varints(values)
    elif kind == _FLOATS:
      features[name] = np.frombuffer(values, '<f4')
    else:
      raise ValueError(f'{name} is not of numbers')
  return features


def _features(record: bytes) -> Iterator[tuple[str, int, bytes]]:
  """The (name, kind, list of values) of each feature."""
  for _, body in _fields(record):
    for _, entry in _fields(body):
      parts = dict(_fields(entry))
      ((kind, values),) = _fields(parts[2])
      yield parts[1].decode(), kind, values


def _varints(values: bytes) -> np.ndarray:
  """Numbers of seven bits a byte, the lowest first; the last is below 128."""
  part = np.frombuffer(values, np.uint8)
  ends = np.flatnonzero(part < 128)
  if len(ends) == len(part):
    return part.astype(np.int64)
  if not len(ends) or ends[-1] + 1 != len(part):
    raise ValueError('a number ends too early')
  begins = np.append(0, ends[:-1] + 1)
  place = np.arange(len(part)) - np.repeat(begins, ends + 1 - begins)
  if place.max() > 9:
    raise ValueError('a number of more than ten bytes')
  bits = (part & 127).astype(np.uint64) << (7 * place).astype(np.uint64)
  return np.bitwise_or.reduceat(bits, begins).astype(np.int64)


def _field(number: int, value: bytes) -> bytes:
  head = bytearray([number << 3 | 2])
  size = len(value)
  while size > 127:
    head.append(size & 127 | 128)
    size >>= 7
  head.append(size)
  return bytes(head) + value


def _fields(buffer: bytes) -> Iterator[tuple[int, bytes]]:
  at = 0
  while at < len(buffer):
    tag, size, shift = buffer[at], 0, 0
    if tag & 7 != 2:
      raise ValueError(f'wire type {tag & 7} in a record')
    while True:
      at += 1
      size |= (buffer[at] & 127) << shift
      shift += 7
      if buffer[at] < 128:
        break
    at += 1
    if at + size > len(buffer):
      raise ValueError('a record ends too early')
    yield tag >> 3, buffer[at : at + size]
    at += size
