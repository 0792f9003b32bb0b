"""Texts to vectors, in bulk.

Each text is tokenized by itself and packed with others, and each packed
sequence goes through the encoder once. A text longer than `max_seq_length` is
encoded in overlapping windows; each token is taken from the window where it has
most context. The `pooling` says what the vectors stand for:

  mean    one vector per text: the mean over its tokens, with [CLS] and [SEP],
          as sentence-transformers computes it
  cls     one vector per text: that of [CLS], in its first window
  tokens  one vector per token, with [CLS] and [SEP], as extract_features.py
  entity  one vector per entity: the mean over the tokens that overlap it
"""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from biobert_jax.checkpoints import detect, pretrained
from biobert_jax.checkpoints.formats.file_magic import refuse_nonfinite
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.data import windows
from biobert_jax.data.broken_rows import log_counts
from biobert_jax.data.packing import Batch, PackedRows
from biobert_jax.errors import InputError
from biobert_jax.inference import embedding_files, inputs
from biobert_jax.inference.embedding_files import POOLINGS, Embedded, Header
from biobert_jax.inference.inputs import TextStream
from biobert_jax.inference.model_runner import Model, load_any
from biobert_jax.io import storage
from biobert_jax.io.atomic import atomic_write
from biobert_jax.models.encoder import BertEncoder, Inputs
from biobert_jax.models.param_tree import to_tree
from biobert_jax.parallel import sharding
from biobert_jax.tasks.evaluator import lower_eval_step, one_ahead
from biobert_jax.tasks.task import Arrays
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import input_files

_OVERLAP = 32  # As data.window_overlap.
# Beyond it the cost of attention outgrows the value of more context.
_LONGEST = 512
# Packed sequences have this length or its doubles: attention is as wide.
_SHORTEST_ROW = 64
# Bounds on a chunk: numbers of its vectors, and tokens.
_CHUNK_FLOATS = 2**26
_CHUNK_TOKENS = 2**17
# Tokens of a batch: as many as CPU caches hold, or as keep another chip busy.
_CPU_TOKENS, _CHIP_TOKENS = 2**10, 2**14
_FEATURES = (
  *('input_ids', 'segment_ids', 'position_ids', 'sequence_ids', 'words'),
)


class Embedder:
  """A model that turns texts into vectors; its `header` tells of them."""

  def __init__(
    self,
    model: Model,
    layers: Sequence[int] = (-1,),
    pooling: str = 'mean',
    max_seq_length: int | None = None,
    *,
    do_lower_case: bool | None = None,
    counts: Counter[str] | None = None,
  ):
    """Opens a model.

    Args:
      model: as for a `Tagger`, with parameters and whatever head.
      layers: -1 for the last, -N for the first, -(N + 1) for the embeddings.
      pooling: one of `POOLINGS`.
      max_seq_length: tokens of a window, with [CLS] and [SEP]; by default the
        number of the model's positions, at most 512.
      do_lower_case: casing, where no file of the model states it.
      counts: receives `texts_split` and `entities_without_pieces`.
    """
    _check_pooling(pooling)
    opened = load_any(model, do_lower_case)
    name = opened.source.given
    if (form := opened.source.form) in detect.COMPILED:
      raise InputError(
        f'{name}: an export as {form} holds a program, which gives no layers; '
        'embed with the model that it was exported from'
      )
    depth = opened.bert.num_hidden_layers
    for layer in layers:
      if not -depth - 1 <= layer <= -1:
        raise InputError(
          f'--layers has {layer}; {name} has {depth} layers: -1 is the last, '
          f'{-depth} the first, {-depth - 1} the embeddings'
        )
    positions = opened.bert.max_position_embeddings
    self._length = max_seq_length or min(_LONGEST, positions)
    if not 3 <= self._length <= positions:
      what = f'--max_seq_length is {self._length}'
      raise InputError(f'{what}; {name} takes 3 to {positions}')
    self._overlap = min(_OVERLAP, self._length // 4)
    self._given, self._tokenizer = name, opened.tokenizer
    self._counts = Counter() if counts is None else counts
    self.header = Header(
      pooling, tuple(layers), opened.bert.hidden_size, opened.tokenizer.pieces
    )
    self._run = PooledEncoder(opened, self.header)

  @overload
  def __call__(self, texts: str | list[str] | tuple[str, ...]) -> Any: ...
  @overload
  def __call__(self, texts: Document) -> Embedded: ...
  @overload
  def __call__(self, texts: list[Document]) -> list[Embedded]: ...
  @overload
  def __call__(self, texts: TextStream) -> Iterator[Embedded]: ...

  def __call__(self, texts: Any) -> Any:
    """Embeds one text or many.

    Args:
      texts: a string or a document, or a list or an iterator of them. Entities
        of documents serve pooling `entity` alone.

    Returns:
      Of a string its vector, float32 [hidden_size], and of a list of n strings
      an array [n, hidden_size]; with several layers [K, hidden_size] and [n, K,
      hidden_size]. With pooling `tokens`, and of documents, an `Embedded` each;
      of an iterator an iterator of them, which reads as it goes.

    Raises:
      TypeError: neither strings nor documents; strings with pooling `entity`.
    """
    found = inputs.apply(texts, self._document_of, self._stream)
    if not self._run.pools or not isinstance(texts, str | list | tuple):
      return found
    if isinstance(texts, str):
      return self._array([found])[0]
    plain = all(isinstance(text, str) for text in texts)
    return self._array(found) if plain else found

  def _array(self, texts: list[Embedded]) -> np.ndarray:
    """The vectors of texts, [n, D] or, of several layers, [n, K, D]."""
    found = self.header.joined(texts)
    return found[:, 0] if len(self.header.layers) == 1 else found

  def _document_of(self, number: int, given: Any) -> Document:
    if isinstance(given, str) and self.header.pooling == 'entity':
      raise TypeError(
        f'input {number} is a string, which has no entities; give documents '
        'with entities, such as those that a Tagger returns'
      )
    return inputs.document_of(number, given)

  def _stream(self, documents: Iterable[Document]) -> Iterator[Embedded]:
    """Results in the order of the documents; memory holds one chunk."""
    most = max(1, min(_CHUNK_TOKENS, _CHUNK_FLOATS // self.header.floats))
    texts = map(self._tokenized, documents)
    for chunk in inputs.grouped(texts, most, lambda one: len(one.input_ids)):
      yield from self._embed(chunk)

  def _tokenized(self, document: Document) -> Embedded:
    """A tokenized document, as yet without vectors."""
    tokenizer = self._tokenizer
    ids, spans = tokenizer.encode(document.text)
    length = len(document.text)
    places = np.asarray([(0, 0), *spans, (length, length)])
    every = np.asarray([tokenizer.cls_id, *ids, tokenizer.sep_id])
    nothing = np.zeros((0, 0, 0), np.float32)
    return Embedded(document, nothing, every, places[:, 0], places[:, 1])

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
      found = self._text_sums(encoded, offsets)
      if self.header.pooling == 'mean':
        found /= sizes[:, None, None]
      self._check_finite(found)
      for text, vector in zip(chunk, found, strict=True):
        yield dataclasses.replace(text, vectors=vector[None])
      return
    found = self._slot_vectors(encoded)
    self._check_finite(found)
    places = itertools.pairwise(offsets)
    for text, (first, last) in zip(chunk, places, strict=True):
      text = dataclasses.replace(text, vectors=found[first:last])
      by_entity = self.header.pooling == 'entity'
      yield self._entity_vectors(text) if by_entity else text

  def _check_finite(self, vectors: np.ndarray) -> None:
    refuse_nonfinite(self._given, 'the vectors', vectors)

  def _rows(self, encoded: windows.Windows) -> Iterator[PackedRows]:
    """Windows in the shortest rows that hold them."""
    nothing = np.zeros(encoded.num_words, np.int32)
    lengths = encoded.lengths
    shorter, length = 0, 0
    while shorter < self._length:
      length = min(max(2 * length, _SHORTEST_ROW), self._length)
      chosen = np.flatnonzero((shorter < lengths) & (lengths <= length))
      if len(chosen):
        these = encoded.take(chosen)
        yield PackedRows(these, nothing, max_seq_length=length, pack=True)
      shorter = length

  def _outputs(
    self, encoded: windows.Windows
  ) -> Iterator[tuple[Batch, np.ndarray, np.ndarray, np.ndarray]]:
    """Every batch with its vectors, and the rows and columns of slots in it."""
    for rows in self._rows(encoded):
      for batch, output in self._run(rows):
        row, column = np.nonzero(batch['words'] >= 0)
        yield batch, output, row, column

  def _slot_vectors(self, encoded: windows.Windows) -> np.ndarray:
    """The vector of every slot, [slots, K, D]."""
    found = self.header.zeros(encoded.num_words)
    for batch, output, row, column in self._outputs(encoded):
      slots = batch['words'][row, column]
      found[slots] = output[:, row, column].swapaxes(0, 1)
    return found

  def _text_sums(
    self, encoded: windows.Windows, offsets: np.ndarray
  ) -> np.ndarray:
    """Sums over the slots that count for each text, [texts, K, D]."""
    found = self.header.zeros(len(offsets) - 1)
    for batch, output, row, column in self._outputs(encoded):
      place = row * output.shape[2] + batch['sequence_ids'][row, column] - 1
      # Each window owns a slot, and any of them tells its text.
      place, at = np.unique(place, return_index=True)
      slots = batch['words'][row[at], column[at]]
      texts = np.searchsorted(offsets, slots, 'right') - 1
      flat = output.reshape(len(output), -1, output.shape[3])
      np.add.at(found, texts, flat[:, place].swapaxes(0, 1))
    return found

  def _entity_vectors(self, text: Embedded) -> Embedded:
    """The text with vectors of entities in place of those of tokens."""
    # Between [CLS] and [SEP] both rise.
    starts, ends = text.starts[1:-1], text.ends[1:-1]
    kept, found = [], [self.header.zeros(0)]
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


class PooledEncoder:
  """The encoder and its pooling on all devices, compiled for each shape."""

  def __init__(self, model: Pretrained, header: Header):
    """Places the encoder's parameters; the heads of a model are left out."""
    self._module = BertEncoder(model.bert)
    self._header = header
    self._mesh = sharding.make_mesh('dp', 1)
    flat = {
      path: array
      for path, array in model.params.items()
      if re.match('bert/(embeddings|encoder)/', path)
    }
    params = to_tree(flat, scan_layers=model.bert.scan_layers)
    specs = sharding.param_specs(params, 'dp', self._mesh)
    self._shardings = sharding.shardings(specs, self._mesh)
    self._params = jax.device_put(params, self._shardings)
    # (tokens of a row, sequences of a row at most) -> program.
    self._compiled: dict[tuple[int, int], Any] = {}

  @property
  def pools(self) -> bool:
    """Whether the device sums up each text, and returns no token vectors."""
    return self._header.pooling in ('mean', 'cls')

  def __call__(self, rows: PackedRows) -> Iterator[tuple[Batch, np.ndarray]]:
    """Yields every batch of texts that `encode_slots` tokenized, packed.

    With it float32 [K, B, L, D]; where it pools, sums over the slots that count
    for each packed text, [K, B, S, D].
    """
    step = self._step(rows.max_seq_length, int(rows.plan.ordinals.max()))

    def dispatch(batch: Batch) -> Any:
      features = {name: batch[name] for name in _FEATURES}
      sharded = sharding.shard_global_batch(features, self._mesh)
      return step(self._params, sharded)

    batches = rows.eval_batches(self._rows(rows.max_seq_length))
    yield from one_ahead(dispatch, batches)

  def _rows(self, length: int) -> int:
    """Rows of a batch; each device gets an equal number."""
    devices = self._mesh.shape[sharding.DATA]
    on_cpu = jax.default_backend() == 'cpu'
    tokens = _CPU_TOKENS if on_cpu else _CHIP_TOKENS * devices
    return max(1, tokens // length // devices) * devices

  def _step(self, length: int, sequences: int) -> Any:
    """A program for rows of a length with this many sequences or more."""
    if not self.pools:
      sequences = 0
    for known in sorted(self._compiled):
      if known[0] == length and known[1] >= sequences:
        return self._compiled[known]
    room = max(8, 1 << (sequences - 1).bit_length()) if sequences else 0

    def eval_step(params: Any, batch: Arrays) -> jax.Array:
      return self._vectors(params, batch, room)

    shape = jax.ShapeDtypeStruct((self._rows(length), length), np.int32)
    arguments = (self._params, dict.fromkeys(_FEATURES, shape))
    step = lower_eval_step(
      eval_step, self._mesh, self._shardings, arguments
    ).compile()
    self._compiled[length, room] = step
    return step

  def _vectors(self, params: Any, batch: Arrays, room: int) -> jax.Array:
    """Vectors of tokens; with `room` for sequences in a row, of sequences."""
    words = batch['words']
    layers = self._header.layers
    output = self._module.apply(
      {'params': params['bert']},
      Inputs.from_batch(batch),
      all_layers=layers != (-1,),
    )
    each = (output.last,) if layers == (-1,) else output.layers
    chosen = jnp.stack([each[i] for i in layers]).astype(jnp.float32)
    if not room:
      return chosen
    counted = words >= 0
    if self._header.pooling == 'cls':  # Only the first [CLS] of a text counts.
      counted &= batch['position_ids'] == 0
    own = batch['sequence_ids'][:, :, None] == jnp.arange(1, room + 1)
    return jnp.einsum(
      'bls,kbld->kbsd',
      (own & counted[:, :, None]).astype(jnp.float32),
      chosen,
      precision=jax.lax.Precision.HIGHEST,
    )


def _check_pooling(pooling: str) -> None:
  if pooling not in POOLINGS:
    raise InputError(f'--pooling is {pooling!r}; choose from {POOLINGS}')


def _layers_of(flag: str) -> tuple[int, ...]:
  """Parses the flag --layers."""
  parts = flag.split(',')
  if not all(re.fullmatch('-[0-9]{1,9}', part) for part in parts):
    what = 'give layers counted from the last, as -1,-2'
    raise InputError(f'--layers is {flag!r}; {what}')
  layers = tuple(map(int, parts))
  if len(set(layers)) < len(layers):
    raise InputError(f'--layers is {flag!r}; a layer is repeated')
  return layers


def embed(
  model: str,
  given: str | Sequence[str],
  output: str,
  layers: str = '-1',
  pooling: str = 'mean',
  max_seq_length: int | None = None,
  do_lower_case: bool | None = None,
  step: str = '',
  head: str = '',
  labels: Sequence[str] = (),
) -> dict[str, Any]:
  """Writes the vectors of a file of texts; options are those of an `Embedder`.

  Args:
    model: the path of a model in any form, except a compiled export.
    given: files, folders or patterns of texts of any form that
      `text.readers.any_format` knows; '-' is standard input.
    output: OUT.parquet, OUT.npz or OUT.jsonl, as in `embedding_files.py`; or
      '-' for JSONL on standard output.
    layers: with commas between, as '-1,-2,-3,-4'.
    pooling: one of `POOLINGS`.
    max_seq_length: as for an `Embedder`.
    do_lower_case: casing, where no file of the model states it.
    step: of a work folder, as `checkpoints.run_steps.candidates` takes it.
    head: 'token' or 'sequence'; overrides what the model's files state.
    labels: names of the classes by id; they override what the files state.

  Returns:
    Output, texts, pieces (tokens, with [CLS] and [SEP]), vectors, layers and
    hidden_size. An InputError: a wrong option, no model, or unreadable text.
  """
  suffix = '.jsonl' if output == '-' else storage.path(output).suffix
  if suffix not in embedding_files.WRITERS:
    names = ' or '.join(f'OUT{ending}' for ending in embedding_files.WRITERS)
    raise InputError(f'--output is {output!r}; name it {names}')
  counts: Counter[str] = Counter()
  files = input_files.find_files(
    [given] if isinstance(given, str) else given, counts
  )
  input_files.log_forms(files)
  _check_pooling(pooling)
  numbers = _layers_of(layers)
  totals: Counter[str] = Counter(texts=0, pieces=0, vectors=0)
  with atomic_write(storage.path(output), binary=True) as file:
    # Only now: a wrong output has been refused by then.
    source = detect.detect(model, step)
    opened = pretrained.load_pretrained(source, do_lower_case, head, labels)
    embedder = Embedder(opened, numbers, pooling, max_seq_length, counts=counts)

    def counted() -> Iterator[Embedded]:
      found = embedder(input_files.read_documents(files, counts))
      # On a terminal only.
      for text in tqdm.tqdm(found, unit=' texts', disable=None):
        sizes = {'pieces': len(text.input_ids), 'vectors': len(text.vectors)}
        totals.update(texts=1, **sizes)
        yield text

    embedding_files.WRITERS[suffix](file, embedder.header, counted())
    if pooling == 'entity' and not totals['vectors']:
      raise InputError(
        f'--input {files[0]}: no entity in {totals["texts"]} texts; give '
        'PubTator with entities or the JSONL that predict writes'
      )
  log_counts(counts)
  size = embedder.header.hidden_size
  return {'output': output, **totals, 'layers': [*numbers], 'hidden_size': size}
