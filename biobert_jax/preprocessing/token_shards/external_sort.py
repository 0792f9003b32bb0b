"""Articles sorted on disk by the hash of their id, whatever their number.

Preparing a corpus is one external sort. A worker turns input files into a
*part*: runs of articles, each run sorted by key. A shard is a range of keys,
merged from all parts. All that was ever said of an article has one key, so the
latest version is found range by range, and no table of ids is ever held.

A part is a file: the runs; a table of where each of the `PARTITIONS` ranges of
keys begins in each run; a JSON object of counts; the trailer.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from biobert_jax.errors import InputError

KEY_BITS = 64  # Of a hash position; a key has 128.
PARTITIONS = 4096
_SHIFT = KEY_BITS - 12  # From the first 64 bits of a key to its partition.

# Key, bytes after this head, version, ordinal in the part, file of the unit,
# is it a deletion, bytes of the id, documents.
_HEAD = struct.Struct('<16sQIQIBII')
# Bytes of the record, words, sentences, tokens, unknown tokens.
_DOCUMENT = struct.Struct('<QIIII')
_TRAILER = struct.Struct('<QQI16s')  # Table, JSON, runs, magic.
_MAGIC = b'biobert part v1\n'
_LATEST = 2**32 - 1  # Version; an input may state anything.


class Document(NamedTuple):
  """A tokenized document, ready to be written."""

  record: bytes  # As `shards.encode_document` made it.
  words: int  # Between white space.
  sentences: int  # That have tokens.
  tokens: int
  unknown: int  # Of the tokens, [UNK].


@dataclasses.dataclass(frozen=True)
class SortRecord:
  """One record of the input about an article."""

  id: str
  version: int  # The higher, the later.
  order: tuple[int, int]  # Part, ordinal in the part.
  file: int  # Its number among those of the part.
  is_deletion: bool  # The article is withdrawn; there are no documents.
  documents: bytes = dataclasses.field(repr=False)  # See `read`.
  count: int  # Of the documents.

  def read(self) -> Iterator[Document]:
    """The documents, in order."""
    at = 0
    for _ in range(self.count):
      size, *numbers = _DOCUMENT.unpack_from(self.documents, at)
      at += _DOCUMENT.size
      yield Document(self.documents[at : at + size], *numbers)
      at += size


def article_key(id: str) -> bytes:
  """The key of an article: 16 bytes, the same everywhere and always."""
  data = id.encode('utf-8', 'surrogatepass')
  return hashlib.blake2b(data, digest_size=16).digest()


def hash_position(key: bytes) -> int:
  """The hash position of a key, from 0 to below 2**64."""
  return int.from_bytes(key[:8])


def encode(
  id: str,
  version: int,
  documents: Sequence[Document] | None,
  ordinal: int,
  file: int,
) -> bytes:
  """A record of an article as bytes; `decode` reads it.

  The higher version is the later; without `documents` the record withdraws the
  article. The ordinal is in the order of the input, of the numbered file.
  """
  body = bytearray(id.encode('utf-8', 'surrogatepass'))
  size_of_id = len(body)
  for record, *numbers in documents or ():
    body += _DOCUMENT.pack(len(record), *numbers) + record
  version = min(max(version, 0), _LATEST)
  head = _HEAD.pack(
    *(article_key(id), len(body), version, ordinal, file),
    *(documents is None, size_of_id, len(documents or ())),
  )
  return head + body


def decode(data: bytes) -> SortRecord:
  """Reads what `encode` made; the order is (file, ordinal)."""
  head = _HEAD.unpack_from(data)
  return _record((head[0], (head[4], head[3]), head, data[_HEAD.size :]))


def encoded_key(data: bytes) -> bytes:
  """The key of the article that encoded data is of."""
  return data[:16]


class PartWriter:
  """Writes a part, holding one run in memory."""

  def __init__(self, file: IO[bytes], run_bytes: int):
    """Takes the file, which is empty."""
    self._file = file
    self._run_bytes = run_bytes
    self._run: list[bytes] = []
    self._held = 0
    self._ordinal = 0
    self._starts: list[np.ndarray] = []

  def add(
    self,
    id: str,
    version: int,
    documents: Sequence[Document] | None,
    file: int = 0,
  ) -> None:
    """Adds a record of an article, see `encode`."""
    data = encode(id, version, documents, self._ordinal, file)
    self._ordinal += 1
    self._run.append(data)
    self._held += len(data)
    if self._held >= self._run_bytes:
      self._flush()

  def _flush(self) -> None:
    # Stable, so what is said twice of an article keeps its order.
    self._run.sort(key=encoded_key)
    start = self._file.tell()
    sizes = np.zeros(PARTITIONS + 1, np.int64)
    for data in self._run:
      sizes[(hash_position(encoded_key(data)) >> _SHIFT) + 1] += len(data)
      self._file.write(data)
    self._starts.append(start + np.cumsum(sizes))
    self._run, self._held = [], 0

  def finish(self, summary: dict[str, Any]) -> None:
    """Writes what is left, and a summary."""
    if self._run:
      self._flush()
    table = self._file.tell()
    # Runs side by side, so that one range is read in one go.
    starts = np.array(self._starts, '<i8').reshape(-1, PARTITIONS + 1)
    self._file.write(np.ascontiguousarray(starts.T).tobytes())
    words = self._file.tell()
    self._file.write(json.dumps(summary).encode())
    self._file.write(_TRAILER.pack(table, words, len(starts), _MAGIC))


class Part:
  """A finished part."""

  def __init__(self, path: str):
    """Reads the trailer; an InputError where the file is not a whole part."""
    self._path = path
    with open(path, 'rb') as file:
      size = os.fstat(file.fileno()).st_size
      file.seek(max(0, size - _TRAILER.size))
      trailer = file.read()
    if len(trailer) != _TRAILER.size or not trailer.endswith(_MAGIC):
      raise InputError(f'{path}: is damaged; remove it, and run again')
    self._table, self._words, self._runs, _ = _TRAILER.unpack(trailer)
    self._end = size - _TRAILER.size

  def _bytes(self, start: int, size: int) -> bytes:
    with open(self._path, 'rb') as file:
      file.seek(start)
      return file.read(size)

  def summary(self) -> dict[str, Any]:
    """The summary that `PartWriter.finish` received."""
    return json.loads(self._bytes(self._words, self._end - self._words))

  def sizes(self) -> np.ndarray:
    """[PARTITIONS] bytes in each range of keys."""
    starts = self._starts(0, PARTITIONS + 1)
    return np.diff(starts, axis=0).sum(axis=1)

  def _starts(self, first: int, count: int) -> np.ndarray:
    size = 8 * self._runs
    data = self._bytes(self._table + size * first, size * count)
    return np.frombuffer(data, '<i8').reshape(count, self._runs)

  def read(self, first: int, last: int, part: int) -> Iterator[tuple[Any, ...]]:
    """(key, order, head, body) of partitions [first, last) of this part."""
    if not self._runs:
      return
    begins = self._starts(first, 1)[0].tolist()
    ends = self._starts(last, 1)[0].tolist()
    for begin, end in zip(begins, ends, strict=True):
      data = self._bytes(begin, end - begin)
      at = 0
      while at < len(data):
        head = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield head[0], (part, head[3]), head, data[at : at + head[1]]
        at += head[1]


def partition_groups(
  sizes: np.ndarray, low: int, high: int, group_bytes: int
) -> Iterator[tuple[int, int]]:
  """Cuts a range into groups of partitions [first, last) to read together.

  The range is of hash positions [low, high), `sizes` are [PARTITIONS] bytes; a
  group holds `group_bytes`, which one partition may exceed.
  """
  stop = (high - 1 >> _SHIFT) + 1
  first = last = low >> _SHIFT
  held = 0
  while last < stop:
    if last > first and held + sizes[last] > group_bytes:
      yield first, last
      first, held = last, 0
    held += int(sizes[last])
    last += 1
  if last > first:
    yield first, last


def records_by_article(
  parts: Sequence[Part],
  sizes: np.ndarray,
  low: int,
  high: int,
  group_bytes: int,
) -> Iterator[list[SortRecord]]:
  """All that was said of each article of a range, in the order of keys.

  The parts are all of them, in the order of the input; the rest as of
  `partition_groups`.
  """
  for first, last in partition_groups(sizes, low, high, group_bytes):
    rows: list[tuple[Any, ...]] = []
    for number, part in enumerate(parts):
      rows += part.read(first, last, number)
    rows.sort(key=lambda row: row[:2])
    for key, group in itertools.groupby(rows, key=lambda row: row[0]):
      if low <= hash_position(key) < high:
        yield [_record(row) for row in group]


def _record(row: tuple[Any, ...]) -> SortRecord:
  _, order, head, body = row
  _, _, version, _, file, is_deletion, size_of_id, count = head
  id = body[:size_of_id].decode('utf-8', 'surrogatepass')
  documents = body[size_of_id:]
  return SortRecord(
    id, version, order, file, bool(is_deletion), documents, count
  )


def latest_record(records: Iterable[SortRecord]) -> SortRecord | None:
  """The latest version of an article: None if it was deleted.

  A deletion withdraws the records before it, in the order of the input; of the
  rest the highest version is kept, and of several equal ones the last.
  """
  best: SortRecord | None = None
  for record in records:
    if record.is_deletion:
      best = None
    elif best is None or record.version >= best.version:
      best = record
  return best
