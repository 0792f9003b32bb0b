"""Files of vectors: Parquet, NumPy's .npz and JSONL.

K is the number of layers, D the hidden size. Offsets count code points of the
text, end exclusive.

  .parquet  one row per vector, written in bounded row groups: `id` of the text,
            with pooling `tokens` also `token`, `start`, `end`, with `entity`
            also `type`, `text`, `start`, `end`; and for each layer a list of D
            floats, `layer_-1` for the last
  .npz      arrays for `numpy.load`, without pickle; held in memory until all
            texts are read. `layers` [K], `ids` [texts] and
              mean, cls  `vectors` [texts, K, D]
              tokens     `vectors` [tokens, K, D], `input_ids`, `starts`, `ends`
                         [tokens], `offsets` [texts + 1]: where each text's
                         tokens begin
              entity     `vectors` [entities, K, D], `text_index`, `starts`,
                         `ends`, `types` [entities]
  .jsonl    one text per line; `linex_index` counts texts from 0. With pooling
            `tokens` it is what google-research/bert extract_features.py writes
"""

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any

import numpy as np

from biobert_jax.inference.inputs import grouped
from biobert_jax.text.documents import Document, Entity

POOLINGS = ('mean', 'cls', 'tokens', 'entity')
_ENTITY_FIELDS = ('start', 'end', 'type', 'text')
# Floats of a row group in Parquet: 16 MiB.
_ROW_GROUP_FLOATS = 2**22


@dataclasses.dataclass(frozen=True)
class Header:
  """Facts that all texts of a file share; `pieces` is the vocabulary."""

  pooling: str
  layers: tuple[int, ...]
  hidden_size: int
  pieces: Sequence[str]

  @property
  def floats(self) -> int:
    """Numbers of the vectors of one text, token or entity."""
    return len(self.layers) * self.hidden_size

  def zeros(self, count: int) -> np.ndarray:
    """Room for vectors, [count, K, D]."""
    shape = (count, len(self.layers), self.hidden_size)
    return np.zeros(shape, np.float32)

  def joined(self, texts: Iterable['Embedded']) -> np.ndarray:
    """The vectors of all texts, [n, K, D]."""
    return np.concatenate([self.zeros(0), *(text.vectors for text in texts)])


@dataclasses.dataclass(frozen=True, repr=False)
class Embedded:
  """A text and its vectors."""

  document: Document
  vectors: np.ndarray  # [n, K, D] float32: one, or one per token or entity.
  input_ids: np.ndarray  # [tokens] with [CLS] and [SEP].
  # [tokens] where each token begins and ends in the text; [CLS] is empty at its
  # beginning, [SEP] at its end.
  starts: np.ndarray
  ends: np.ndarray
  entities: tuple[Entity, ...] = ()  # Pooling `entity`: those with a vector.

  def __repr__(self) -> str:
    """As Embedded('7', vectors float32[12, 1, 768])."""
    shape = [*self.vectors.shape]
    return f'Embedded({self.document.id!r}, vectors float32{shape})'


def write_jsonl(
  file: IO[bytes], header: Header, texts: Iterable[Embedded]
) -> None:
  """Writes one JSON object per text, numbers rounded to six places."""
  for index, text in enumerate(texts):
    rounded = np.round(text.vectors.astype(np.float64), 6).tolist()
    each = [
      [
        {'index': layer, 'values': values}
        for layer, values in zip(header.layers, vectors, strict=True)
      ]
      for vectors in rounded
    ]
    row: dict[str, Any] = {'linex_index': index}
    if header.pooling == 'tokens':
      row['features'] = [
        {'token': header.pieces[i], 'layers': layers}
        for i, layers in zip(text.input_ids, each, strict=True)
      ]
    elif header.pooling == 'entity':
      row['id'] = text.document.id
      row['entities'] = [
        {
          **{name: getattr(entity, name) for name in _ENTITY_FIELDS},
          'layers': layers,
        }
        for entity, layers in zip(text.entities, each, strict=True)
      ]
    else:
      row |= {'id': text.document.id, 'layers': each[0]}
    file.write(json.dumps(row).encode() + b'\n')


def write_npz(
  file: IO[bytes], header: Header, texts: Iterable[Embedded]
) -> None:
  """Writes arrays as `numpy.savez` does; equal vectors make equal files."""
  every = [*texts]
  arrays = {
    'vectors': header.joined(every),
    'layers': np.asarray(header.layers, np.int32),
    'ids': np.asarray([text.document.id for text in every], str),
  }
  if header.pooling == 'tokens':
    none = np.zeros(0, np.int64)
    for name in ('input_ids', 'starts', 'ends'):
      parts = [getattr(text, name) for text in every]
      arrays[name] = np.concatenate([none, *parts])
    arrays['offsets'] = np.cumsum([0, *(len(t.input_ids) for t in every)])
  elif header.pooling == 'entity':
    found = [(i, e) for i, text in enumerate(every) for e in text.entities]
    arrays['text_index'] = np.asarray([i for i, _ in found], np.int64)
    arrays['starts'] = np.asarray([e.start for _, e in found], np.int64)
    arrays['ends'] = np.asarray([e.end for _, e in found], np.int64)
    arrays['types'] = np.asarray([e.type for _, e in found], str)
  np.savez(file, allow_pickle=False, **arrays)


def write_parquet(
  file: IO[bytes], header: Header, texts: Iterable[Embedded]
) -> None:
  """Writes one row per vector, a row group at a time."""
  # Only now: importing it takes as long as reading a small model.
  import pyarrow
  from pyarrow import parquet

  text, number = pyarrow.string(), pyarrow.int64()
  columns = {
    'tokens': {'token': text, 'start': number, 'end': number},
    'entity': {'type': text, 'text': text, 'start': number, 'end': number},
  }
  kinds = {'id': text, **columns.get(header.pooling, {})}
  vector = pyarrow.list_(pyarrow.float32(), header.hidden_size)
  fields = kinds | {f'layer_{layer}': vector for layer in header.layers}
  schema = pyarrow.schema(
    list(fields.items()), metadata={'pooling': header.pooling}
  )
  most = max(1, _ROW_GROUP_FLOATS // header.floats)
  groups = grouped(texts, most, lambda one: len(one.vectors))
  with parquet.ParquetWriter(file, schema, use_dictionary=[*kinds]) as writer:
    for group in groups:
      rows = [row for one in group for row in _labels(header, one)]
      labels = zip(*rows, strict=True) if rows else [()] * len(kinds)
      arrays = [
        pyarrow.array(values, kind)
        for values, kind in zip(labels, kinds.values(), strict=True)
      ]
      vectors = header.joined(group)
      arrays += [
        pyarrow.FixedSizeListArray.from_arrays(
          pyarrow.array(vectors[:, place].ravel()), type=vector
        )
        for place in range(len(header.layers))
      ]
      writer.write_table(pyarrow.table(arrays, schema=schema))


def _labels(header: Header, text: Embedded) -> Iterator[tuple[Any, ...]]:
  """The values beside the vectors of a text, one row per vector."""
  name = text.document.id
  if header.pooling == 'tokens':
    tokens = (header.pieces[i] for i in text.input_ids)
    places = text.starts.tolist(), text.ends.tolist()
    return zip(itertools.repeat(name), tokens, *places)  # noqa: B905
  if header.pooling == 'entity':
    return ((name, e.type, e.text, e.start, e.end) for e in text.entities)
  return iter([(name,)])


# By the suffix of the output's name.
WRITERS: dict[str, Callable[[IO[bytes], Header, Iterable[Embedded]], None]] = {
  '.npz': write_npz,
  '.jsonl': write_jsonl,
  '.parquet': write_parquet,
}
