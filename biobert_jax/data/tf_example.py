"""`tf.train.Example` records of byte features, without TensorFlow.

Importing TensorFlow takes ten seconds and 700 MB, which the workers that
write shards and the hosts that read them can do without. The messages are those
of tensorflow/core/example/{example,feature}.proto.
"""

from collections.abc import Iterator, Mapping


def encode(features: Mapping[str, bytes]) -> bytes:
  """The record of a document or row; the same bytes for the same features.

  Args:
    features: name to value, in the order to be written.
  """
  entries = b''
  for name, value in features.items():
    feature = _field(1, _field(1, value))  # Feature.bytes_list.value
    entries += _field(1, _field(1, name.encode()) + _field(2, feature))
  return _field(1, entries)


def decode(record: bytes) -> dict[str, bytes]:
  """The features of a record.

  Raises:
    ValueError: It is no such record, or has other than byte features.
  """
  features: dict[str, bytes] = {}
  for _, body in _fields(record):
    for _, entry in _fields(body):
      parts = dict(_fields(entry))
      value = dict(_fields(dict(_fields(parts[2]))[1]))[1]
      features[parts[1].decode()] = value
  return features


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
