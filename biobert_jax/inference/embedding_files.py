"""Files of vectors: Parquet, NumPy's .npz and JSONL.

K is the number of layers, D the hidden size. Offsets count code points of the
text, end exclusive.

  .parquet  one row per vector, in row groups that are written as they come, so
            that any number of texts takes bounded memory. `id` of the text,
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

from biobert_jax.text.documents import Document, Entity

POOLINGS = ('mean', 'cls', 'tokens', 'entity')
# Floats of a row group in Parquet: 16 MiB.
_ROW_GROUP_FLOATS = 2**22


@dataclasses.dataclass(frozen=True)
class Header:
  """Facts that all texts of a file share.

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


@dataclasses.dataclass(frozen=True, repr=False)
class Embedded:
  """A text and its vectors.

  Attributes:
    document: the text.
    vectors: [n, K, D] float32: one, or one for each token or entity.
    input_ids: [tokens] with [CLS] and [SEP].
    starts: [tokens] where each token begins in the text; [CLS] is empty at its
      beginning, [SEP] at its end.
    ends: [tokens] where each ends.
    entities: with pooling `entity`, those that have a vector.
  """

  document: Document
  vectors: np.ndarray
  input_ids: np.ndarray
  starts: np.ndarray
  ends: np.ndarray
  entities: tuple[Entity, ...] = ()

  def __repr__(self) -> str:
    """As Embedded('7', vectors float32[12, 1, 768])."""
    shape = [*self.vectors.shape]
    return f'Embedded({self.document.id!r}, vectors float32{shape})'


def write_jsonl(
  file: IO[bytes], header: Header, texts: Iterable[Embedded]
) -> None:
  """Writes one JSON object per text, numbers rounded to six places."""
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


def write_npz(
  file: IO[bytes], header: Header, texts: Iterable[Embedded]
) -> None:
  """Writes arrays as `numpy.savez` does; equal vectors make equal files."""
  every = [*texts]
  nothing = np.zeros((0, len(header.layers), header.hidden_size), np.float32)
  arrays = {
    'vectors': np.concatenate([nothing, *(text.vectors for text in every)]),
    'layers': np.asarray(header.layers, np.int32),
    'ids': np.asarray([text.document.id for text in every], str),
  }
  none = np.zeros(0, np.int64)
  if header.pooling == 'tokens':
    for name in ('input_ids', 'starts', 'ends'):
      parts = [getattr(text, name) for text in every]
      arrays[name] = np.concatenate([none, *parts])
    sizes = [len(text.input_ids) for text in every]
    arrays['offsets'] = np.cumsum([0, *sizes])
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

  kinds = {'id': pyarrow.string()}
  if header.pooling == 'tokens':
    kinds['token'] = pyarrow.string()
  elif header.pooling == 'entity':
    kinds |= {'type': pyarrow.string(), 'text': pyarrow.string()}
  if header.pooling in ('tokens', 'entity'):
    kinds |= {'start': pyarrow.int64(), 'end': pyarrow.int64()}
  vector = pyarrow.list_(pyarrow.float32(), header.hidden_size)
  fields = kinds | {f'layer_{layer}': vector for layer in header.layers}
  schema = pyarrow.schema(
    list(fields.items()), metadata={'pooling': header.pooling}
  )
  with parquet.ParquetWriter(file, schema, use_dictionary=[*kinds]) as writer:
    for group in _groups(header, texts):
      rows = [row for text in group for row in _labels(header, text)]
      labels = zip(*rows, strict=True) if rows else [()] * len(kinds)
      columns = [
        pyarrow.array(values, kind)
        for values, kind in zip(labels, kinds.values(), strict=True)
      ]
      vectors = np.concatenate([text.vectors for text in group])
      columns += [
        pyarrow.FixedSizeListArray.from_arrays(
          pyarrow.array(vectors[:, place].ravel()), type=vector
        )
        for place in range(len(header.layers))
      ]
      writer.write_table(pyarrow.table(columns, schema=schema))


def _groups(
  header: Header, texts: Iterable[Embedded]
) -> Iterator[list[Embedded]]:
  """Texts whose vectors make a row group, each."""
  floats = len(header.layers) * header.hidden_size
  most = max(1, _ROW_GROUP_FLOATS // floats)
  group: list[Embedded] = []
  rows = 0
  for text in texts:
    group.append(text)
    rows += len(text.vectors)
    if rows >= most:
      yield group
      group, rows = [], 0
  if group:
    yield group


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
