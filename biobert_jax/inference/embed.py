"""Texts to vectors, in bulk.

A text is cut into pieces by itself, packed with others into rows, and each
row goes through the encoder once. Of a text longer than `max_seq_length`,
overlapping windows are encoded, and each piece is taken from the window where
it has most context. What comes of it depends on `pooling`:

  mean    one vector a text: the mean over its pieces, [CLS] and [SEP] too, as
          sentence-transformers does
  cls     one vector a text: that of [CLS], in its first window
  tokens  a vector a piece, [CLS] and [SEP] too, as extract_features.py does
  entity  a vector an entity: the mean over the pieces that overlap it
"""

import dataclasses
import itertools
import os
import pathlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tqdm

from biobert_jax.checkpoints import detect, pretrained
from biobert_jax.data import counts as data_counts
from biobert_jax.data import windows
from biobert_jax.data.packing import PackedRows
from biobert_jax.errors import InputError
from biobert_jax.inference import embedding_files
from biobert_jax.inference.embedding_files import POOLINGS, Embedded, Header
from biobert_jax.inference.text_encoder import PooledEncoder
from biobert_jax.io.atomic import atomic_write
from biobert_jax.text import documents
from biobert_jax.text.readers import any_format

_OVERLAP = 32  # As data.window_overlap.
# Beyond, attention's share of the work outgrows what more context is worth.
_LONGEST = 512
# Rows come in this length and its doubles: attention is as wide as the row.
_SHORTEST_ROW = 64
# What is read, packed and held together: numbers of vectors, and pieces.
_CHUNK_FLOATS = 2**26
_CHUNK_PIECES = 2**17


class Embedder:
  """A model that turns texts into vectors."""

  def __init__(
    self,
    model: str,
    layers: Sequence[int] = (-1,),
    pooling: str = 'mean',
    max_seq_length: int | None = None,
    counts: Counter[str] | None = None,
    do_lower_case: bool | None = None,
  ):
    """Opens a model.

    Args:
      model: whatever `weights.open_model` reads, with any head or none.
      layers: -1 for the last, -N for the first, -(N + 1) for the embeddings.
      pooling: one of `POOLINGS`.
      max_seq_length: pieces of a window, [CLS] and [SEP] included; by default
        as many as the model has positions, at most 512.
      counts: receives `texts_split` and `entities_without_pieces`.
      do_lower_case: casing, where no file of the model states it.

    Raises:
      InputError: no such model, layers or length.
    """
    opened = pretrained.load_pretrained(model, do_lower_case)
    if opened.source.form in detect.COMPILED:
      raise InputError(
        f'{model}: an export as {opened.source.form} holds a program, which '
        'gives no layers; embed with the model that it was exported from'
      )
    depth = opened.bert.num_hidden_layers
    for layer in layers:
      if not -depth - 1 <= layer <= -1:
        raise InputError(
          f'--layers has {layer}; {model} has {depth} layers: -1 is the last, '
          f'{-depth} the first, {-depth - 1} the embeddings'
        )
    positions = opened.bert.max_position_embeddings
    self._length = max_seq_length or min(_LONGEST, positions)
    if not 3 <= self._length <= positions:
      raise InputError(
        f'--max_seq_length is {self._length}; {model} takes 3 to {positions}'
      )
    self._overlap = min(_OVERLAP, self._length // 4)
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts
    self.header = Header(
      pooling, tuple(layers), opened.bert.hidden_size, opened.tokenizer.pieces
    )
    self._run = PooledEncoder(opened, self.header)

  def __call__(self, texts: Iterable[documents.Document]) -> Iterator[Embedded]:
    """Yields each document with its vectors, in their order.

    Memory holds one chunk, whatever the number of documents.

    Args:
      texts: documents; their entities serve pooling `entity` only.
    """
    header = self.header
    floats = len(header.layers) * header.hidden_size
    most = max(1, min(_CHUNK_PIECES, _CHUNK_FLOATS // floats))
    chunk: list[Embedded] = []
    size = 0
    for document in texts:
      chunk.append(self._cut(document))
      size += len(chunk[-1].input_ids)
      if size >= most:
        yield from self._embed(chunk)
        chunk, size = [], 0
    if chunk:
      yield from self._embed(chunk)

  def _cut(self, document: documents.Document) -> Embedded:
    """A document in pieces, as yet without vectors."""
    ids, spans = self._tokenizer.encode(document.text)
    length = len(document.text)
    places = np.asarray([(0, 0), *spans, (length, length)])
    special = (self._tokenizer.cls_id, self._tokenizer.sep_id)
    return Embedded(
      document,
      np.zeros((0, 0, 0), np.float32),
      np.asarray([special[0], *ids, special[1]]),
      places[:, 0],
      places[:, 1],
    )

  def _embed(self, chunk: list[Embedded]) -> Iterator[Embedded]:
    sizes = np.asarray([len(text.input_ids) for text in chunk])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    encoded = windows.encode_slots(
      [text.input_ids[1:-1].tolist() for text in chunk],
      self._tokenizer,
      max_seq_length=self._length,
      overlap=self._overlap,
      counts=self._counts,
    )
    if self._run.pools:
      found = self._of_texts(encoded, offsets)
      if self.header.pooling == 'mean':
        found /= sizes[:, None, None]
      for text, vector in zip(chunk, found, strict=True):
        yield dataclasses.replace(text, vectors=vector[None])
      return
    found = self._of_slots(encoded)
    for text, (first, last) in zip(
      chunk, itertools.pairwise(offsets), strict=True
    ):
      one = dataclasses.replace(text, vectors=found[first:last])
      yield self._of_entities(one) if self.header.pooling == 'entity' else one

  def _rows(self, encoded: windows.Windows) -> Iterator[PackedRows]:
    """Windows in the shortest rows that hold them."""
    nothing = np.zeros(encoded.num_words, np.int32)
    shorter, length = 0, 0
    while shorter < self._length:
      length = min(max(2 * length, _SHORTEST_ROW), self._length)
      lengths = encoded.lengths
      chosen = np.flatnonzero((shorter < lengths) & (lengths <= length))
      if len(chosen):
        yield PackedRows(
          encoded.take(chosen), nothing, max_seq_length=length, pack=True
        )
      shorter = length

  def _empty(self, count: int) -> np.ndarray:
    header = self.header
    return np.zeros((count, len(header.layers), header.hidden_size), np.float32)

  def _of_slots(self, encoded: windows.Windows) -> np.ndarray:
    """The vector of every slot, [slots, K, D]."""
    found = self._empty(encoded.num_words)
    for rows in self._rows(encoded):
      for batch, output in self._run(rows):
        row, column = np.nonzero(batch['words'] >= 0)
        slots = batch['words'][row, column]
        found[slots] = output[:, row, column].swapaxes(0, 1)
    return found

  def _of_texts(
    self, encoded: windows.Windows, offsets: np.ndarray
  ) -> np.ndarray:
    """Sums over the slots of every text that count, [texts, K, D]."""
    found = self._empty(len(offsets) - 1)
    for rows in self._rows(encoded):
      for batch, output in self._run(rows):
        row, column = np.nonzero(batch['words'] >= 0)
        place = row * output.shape[2] + batch['sequence_ids'][row, column] - 1
        # Each window owns a slot, and any tells its text.
        place, at = np.unique(place, return_index=True)
        slots = batch['words'][row[at], column[at]]
        texts = np.searchsorted(offsets, slots, 'right') - 1
        flat = output.reshape(len(output), -1, output.shape[3])
        np.add.at(found, texts, flat[:, place].swapaxes(0, 1))
    return found

  def _of_entities(self, text: Embedded) -> Embedded:
    """The same with vectors of entities in place of those of pieces."""
    # Between [CLS] and [SEP] both rise.
    starts, ends = text.starts[1:-1], text.ends[1:-1]
    kept, found = [], [self._empty(0)]
    for entity in text.document.entities:
      first = 1 + np.searchsorted(ends, entity.start, 'right')
      last = 1 + np.searchsorted(starts, entity.end, 'left')
      if first >= last:
        self._counts['entities_without_pieces'] += 1
        continue
      kept.append(entity)
      found.append(text.vectors[first:last].mean(axis=0, keepdims=True))
    return dataclasses.replace(
      text, vectors=np.concatenate(found), entities=tuple(kept)
    )


def _layers_of(flag: str) -> tuple[int, ...]:
  """The value of a flag --layers."""
  parts = flag.split(',')
  if not all(re.fullmatch('-[0-9]{1,9}', part) for part in parts):
    raise InputError(
      f'--layers is {flag!r}; give layers counted from the last, as -1,-2'
    )
  layers = tuple(int(part) for part in parts)
  if len(set(layers)) < len(layers):
    raise InputError(f'--layers is {flag!r}; a layer is repeated')
  return layers


def embed(
  model: str,
  given: str,
  output: str,
  layers: str = '-1',
  pooling: str = 'mean',
  max_seq_length: str = '',
  do_lower_case: str = '',
) -> dict[str, Any]:
  """Writes the vectors of a file of texts.

  Args:
    model: whatever `weights.open_model` reads, but no compiled export.
    given: text, one a line; PubTator; or JSONL of `predict`; '-' is standard
      input.
    output: OUT.npz or OUT.jsonl, or '-' for JSONL on standard output;
      `embedding_files.py` says what they hold.
    layers: as '-1,-2,-3,-4': -1 the last, -N the first, -(N + 1) the
      embeddings.
    pooling: 'mean', 'cls', 'tokens' or 'entity'.
    max_seq_length: pieces of a window; '' for 512 or what the model takes.
    do_lower_case: 'true' or 'false', where no file of the model states it.

  Returns:
    `{"output", "texts", "pieces", "vectors", "layers", "hidden_size"}`;
    `pieces` with [CLS] and [SEP].

  Raises:
    InputError: a wrong option, no model there, or unreadable text; with
      pooling `entity`, text without any.
  """
  suffix = '.jsonl' if output == '-' else pathlib.Path(output).suffix
  if suffix not in embedding_files.WRITERS:
    names = ' or '.join(f'OUT{ending}' for ending in embedding_files.WRITERS)
    raise InputError(f'--output is {output!r}; name it {names}')
  if pooling not in POOLINGS:
    raise InputError(f'--pooling is {pooling!r}; choose from {POOLINGS}')
  if max_seq_length and not re.fullmatch('[0-9]{1,6}', max_seq_length):
    raise InputError(f'--max_seq_length is {max_seq_length!r}; give a number')
  if given != '-' and not pathlib.Path(given).exists():
    raise InputError(f'--input {given}: no such file')
  numbers, casing = _layers_of(layers), pretrained.parse_casing(do_lower_case)
  length = int(max_seq_length) if max_seq_length else None
  counts: Counter[str] = Counter()
  totals: Counter[str] = Counter(texts=0, pieces=0, vectors=0)
  with atomic_write(os.path.expanduser(output), binary=True) as file:
    # Only now: a wrong output has been refused by then.
    embedder = Embedder(model, numbers, pooling, length, counts, casing)

    def counted() -> Iterator[Embedded]:
      found = embedder(any_format.read_documents(given, counts))
      # On a terminal only.
      for text in tqdm.tqdm(found, unit=' texts', disable=None):
        totals['texts'] += 1
        totals['pieces'] += len(text.input_ids)
        totals['vectors'] += len(text.vectors)
        yield text

    embedding_files.WRITERS[suffix](file, embedder.header, counted())
    if pooling == 'entity' and not totals['vectors']:
      raise InputError(
        f'--input {given}: no entity in {totals["texts"]} texts; give PubTator '
        'with entities or the JSONL that predict writes'
      )
  data_counts.log_counts(counts)
  return {
    'output': output,
    **totals,
    'layers': list(numbers),
    'hidden_size': embedder.header.hidden_size,
  }
