"""The forms that vectors of texts are written in: NumPy's .npz and JSONL.

Neither is ever whole in memory, and nobody sees half a file. K is the number
of layers asked for, D the width of the encoder. Offsets are in code points of
the text, end exclusive.

  .npz    what `numpy.load` reads, without pickle. `layers` [K] and `ids`
          [texts] besides
            mean, cls  `vectors` [texts, K, D]
            tokens     `vectors` [pieces, K, D], `input_ids`, `starts`, `ends`
                       [pieces], `offsets` [texts + 1]: where a text's begin
            entity     `vectors` [entities, K, D], `text_index`, `starts`,
                       `ends`, `types` [entities]
  .jsonl  a line a text; `linex_index` counts texts from 0. Of pooling
          `tokens` it is what google-research/bert extract_features.py writes.
"""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any

import numpy as np

from biobert_jax.text.documents import Document, Entity

POOLINGS = ('mean', 'cls', 'tokens', 'entity')


@dataclasses.dataclass(frozen=True)
class Header:
  """What all texts of a file share.

  Attributes:
    pooling: one of `POOLINGS`.
    layers: -1 is the last layer, -N the first, -(N + 1) the embeddings.
    hidden_size: D.
    pieces: the vocabulary.
  """

  pooling: str
  layers: tuple[int, ...]
  hidden_size: int
  pieces: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Embedded:
  """A text and its vectors.

  Attributes:
    document: the text.
    vectors: [n, K, D] float32: one, or one for each piece or entity.
    input_ids: [pieces] with [CLS] and [SEP].
    starts: [pieces] where each piece begins in the text; [CLS] is empty at
      its beginning, [SEP] at its end.
    ends: [pieces] where each ends.
    entities: with pooling `entity`, those that have a vector.
  """

  document: Document
  vectors: np.ndarray
  input_ids: np.ndarray
  starts: np.ndarray
  ends: np.ndarray
  entities: tuple[Entity, ...] = ()


def write_jsonl(
  file: IO[bytes], header: Header, texts: Iterable[Embedded]
) -> None:
  """Writes a JSON object a text, numbers rounded to six places."""
  for index, text in enumerate(texts):
    row: dict[str, Any] = {'linex_index': index}
    rounded = np.round(text.vectors.astype(np.float64), 6).tolist()
    each = [_layers(header, vectors) for vectors in rounded]
    if header.pooling == 'tokens':
      row['features'] = [
        {'token': header.pieces[i], 'layers': layers}
        for i, layers in zip(text.input_ids, each, strict=True)
      ]
    elif header.pooling == 'entity':
      row['id'] = text.document.id
      row['entities'] = [
        {
          **{name: getattr(entity, name) for name in ('start', 'end', 'type')},
          'text': entity.text,
          'layers': layers,
        }
        for entity, layers in zip(text.entities, each, strict=True)
      ]
    else:
      row |= {'id': text.document.id, 'layers': each[0]}
    file.write(json.dumps(row).encode() + b'\n')


def _layers(
  header: Header, vectors: Sequence[Sequence[float]]
) -> list[dict[str, Any]]:
  return [
    {'index': layer, 'values': values}
    for layer, values in zip(header.layers, vectors, strict=True)
  ]


class _Column:
  """An array on disk, whose length shows only at the end."""

  def __init__(self, spool: IO[bytes], dtype: str, shape: tuple[int, ...] = ()):
    self._spool, self._dtype, self._shape = spool, dtype, shape
    self._length = 0

  def extend(self, values: Any) -> None:
    array = np.ascontiguousarray(values, self._dtype)
    self._length += len(array)
    self._spool.write(array.tobytes())

  def save(self, member: IO[bytes]) -> None:
    _write_head(member, self._dtype, (self._length, *self._shape))
    self._spool.seek(0)
    shutil.copyfileobj(self._spool, member, 1 << 20)


class _TextColumn:
  """An array of strings on disk, whose width shows only at the end."""

  def __init__(self, spool: IO[bytes]):
    self._spool = spool
    self._length, self._width = 0, 1

  def extend(self, values: Any) -> None:
    for value in values:
      self._length += 1
      self._width = max(self._width, len(value))
      self._spool.write(json.dumps(value).encode() + b'\n')

  def save(self, member: IO[bytes]) -> None:
    _write_head(member, f'<U{self._width}', (self._length,))
    self._spool.seek(0)
    for line in self._spool:
      value = json.loads(line).encode('utf-32-le')
      member.write(value.ljust(4 * self._width, b'\0'))


def _write_head(member: IO[bytes], dtype: str, shape: tuple[int, ...]) -> None:
  head = {'descr': dtype, 'fortran_order': False, 'shape': shape}
  np.lib.format.write_array_header_1_0(member, head)


def write_npz(
  file: IO[bytes], header: Header, texts: Iterable[Embedded]
) -> None:
  """Writes arrays in the form of `numpy.savez`.

  They are collected in nameless files beside the output, which takes twice
  its size on the disk for a moment: a member's head holds its length.

  Args:
    file: where to; its name says where the nameless files lie.
    header: what all texts share.
    texts: read once.
  """
  with contextlib.ExitStack() as stack:
    folder = pathlib.Path(file.name).parent

    def spool() -> IO[bytes]:
      return stack.enter_context(tempfile.TemporaryFile(dir=folder))

    shape = (len(header.layers), header.hidden_size)
    columns: dict[str, _Column | _TextColumn] = {
      'vectors': _Column(spool(), '<f4', shape),
      'layers': _Column(spool(), '<i4'),
      'ids': _TextColumn(spool()),
    }
    names = {
      'tokens': ('input_ids', 'starts', 'ends', 'offsets'),
      'entity': ('text_index', 'starts', 'ends'),
    }
    for name in names.get(header.pooling, ()):
      columns[name] = _Column(spool(), '<i8')
    if header.pooling == 'entity':
      columns['types'] = _TextColumn(spool())
    first = {'layers': header.layers, 'offsets': [0]}
    for name in columns.keys() & first.keys():
      columns[name].extend(first[name])
    total = 0
    for index, text in enumerate(texts):
      total += len(text.vectors)
      for name, values in _values(header.pooling, index, total, text).items():
        columns[name].extend(values)
    with zipfile.ZipFile(file, 'w') as archive:
      for name, column in columns.items():
        # Of no date: equal vectors make equal files.
        member = zipfile.ZipInfo(f'{name}.npy')
        with archive.open(member, 'w', force_zip64=True) as stream:
          column.save(stream)


def _values(
  pooling: str, index: int, total: int, text: Embedded
) -> dict[str, Any]:
  """What a text adds to each array; `total` counts vectors, its own too."""
  values: dict[str, Any] = {
    'vectors': text.vectors,
    'ids': [text.document.id],
  }
  if pooling == 'tokens':
    for name in ('input_ids', 'starts', 'ends'):
      values[name] = getattr(text, name)
    values['offsets'] = [total]
  elif pooling == 'entity':
    values['text_index'] = [index] * len(text.entities)
    values['starts'] = [entity.start for entity in text.entities]
    values['ends'] = [entity.end for entity in text.entities]
    values['types'] = [entity.type for entity in text.entities]
  return values


# By the ending of the output's name.
WRITERS: dict[str, Callable[[IO[bytes], Header, Iterable[Embedded]], None]] = {
  '.npz': write_npz,
  '.jsonl': write_jsonl,
}
