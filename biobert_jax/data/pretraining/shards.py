"""Tokenized documents in shards: random access, and a manifest that checks.

A shard is an ArrayRecord file of `tf.train.Example` records, a document each:

    id                bytes   'pmid:123', 'pmcid:PMC1#3'
    input_ids         bytes   WordPiece tokens, little-endian uint16 (uint32
                              for a vocabulary of more than 65,536)
    sentence_lengths  bytes   tokens of each sentence, little-endian uint16

Nothing is masked and no special token is added. Beside each shard stands
`lengths-...npy`, int32 [documents, 2]: tokens and sentences of each.
`tfds.builder_from_directory(DIR).as_data_source()` reads a directory too.
"""

import bisect
import dataclasses
import functools
import hashlib
import io
import itertools
import logging
import os
import pathlib
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from biobert_jax.data.pretraining.manifest import (
  DROPPED,
  LENGTH_DTYPE,
  MANIFEST,
  NAME,
  TRAIN,
  Manifest,
  describe_vocabulary,
  read_manifest,
)
from biobert_jax.errors import InputError
from biobert_jax.io import storage, tf_example
from biobert_jax.io.atomic import staged
from biobert_jax.io.checksums import file_sha256
from biobert_jax.text.wordpiece import WordPieceTokenizer, piece_dtype

_log = logging.getLogger(__name__)
Verify = Literal['sizes', 'sample', 'all']

# A record is read alone; zstd's level 3 gains nothing over 1 on such records.
_WRITER = 'group_size:1,zstd:1'
_READER = 'readahead_buffer_size:0,max_parallelism:0'
_READER_BUFFER = 32768  # Bytes; the default of 1 MiB slows random reads.
_OPEN_FILES = 128
_SAMPLE = 16  # One shard of so many is hashed, and at least one.


@dataclasses.dataclass(frozen=True)
class TokenizedDocument:
  """A document as WordPiece tokens."""

  id: str  # Such as 'pmid:123'; a section of a full text is 'pmcid:PMC1#3'.
  input_ids: np.ndarray  # [tokens] int32, without specials.
  # [sentences] int32 tokens of each; they sum to `tokens`.
  sentence_lengths: np.ndarray


def encode_document(
  id: str, input_ids: bytes, sentence_lengths: bytes
) -> bytes:
  """The record of a document; tokens and lengths in the file's form."""
  features = {
    'id': id.encode('utf-8', 'replace'),
    'input_ids': input_ids,
    'sentence_lengths': sentence_lengths,
  }
  return tf_example.encode(features)


def _array_record() -> Any:
  """The library of shards: only pre-training and its corpora need it."""
  try:
    from array_record.python import array_record_module
  except ModuleNotFoundError as error:
    raise InputError(
      "token shards need array_record: pip install 'biobert-jax[train]'"
    ) from error
  return array_record_module


def shard_name(split: str, index: int, count: int) -> str:
  """The file name that tfds expects: corpus-train.array_record-0...-of-..."""
  return f'{NAME}-{split}.array_record-{index:05d}-of-{count:05d}'


def is_ours(name: str) -> bool:
  """Whether a file's name is one of a shard, or of a shard's lengths."""
  return name.startswith((f'{NAME}-', 'lengths-'))


def write_shard(
  directory: str | os.PathLike[str],
  split: str,
  index: int,
  count: int,
  examples: Iterable[tuple[bytes, int, int]],
) -> dict[str, Any]:
  """Writes one shard and its lengths, aside and then renamed.

  `examples` are (record, its tokens, its sentences). Returns the shard's entry
  in the manifest.

  Raises:
    InputError: The disk is full, or the place cannot be written.
  """
  path = pathlib.Path(directory, shard_name(split, index, count))
  beside = path.with_name(f'lengths-{split}-{index:05d}-of-{count:05d}.npy')
  lengths: list[tuple[int, int]] = []
  marker = str(os.getpid())
  try:
    with staged(beside, marker) as aside_lengths, staged(path, marker) as aside:
      writer = _array_record().ArrayRecordWriter(str(aside), _WRITER)
      for record, pieces, sentences in examples:
        writer.write(record)
        lengths.append((pieces, sentences))
      writer.close()
      table = np.asarray(lengths, np.int32).reshape(-1, 2)
      with open(aside_lengths, 'wb') as file:
        np.save(file, table)
      entry = _describe(aside, path.name)
      entry['records'] = len(lengths)
      entry['pieces'] = int(table[:, 0].sum(dtype=np.int64))
      entry['lengths'] = _describe(aside_lengths, beside.name)
    return entry
  except (OSError, RuntimeError) as error:  # Riegeli raises RuntimeError.
    raise InputError(
      f'{path}: cannot be written ({str(error).split(";")[0]}); free the disk'
      ' or fix the folder, and run again: what is finished is kept'
    ) from None


def _describe(path: pathlib.Path, name: str) -> dict[str, Any]:
  size = os.path.getsize(path)
  return {'file': name, 'bytes': size, 'sha256': file_sha256(path)}


def check_names(
  directory: storage.AnyPath, manifest: Manifest, split: str
) -> None:
  """Compares names and sizes of a split's files with the manifest.

  Raises:
    InputError: The first file that is missing, superfluous or of another size.
  """
  folder = storage.path(directory)
  files = storage.files(folder)
  sizes = {f.place.name: f.size for f in files if f.place.parent == folder}
  check_sizes(folder, sizes, manifest, split)


def check_sizes(
  folder: object, sizes: Mapping[str, int], manifest: Manifest, split: str
) -> None:
  """As `check_names`, by the names and sizes of the files in a folder."""
  entries = manifest['splits'][split]['shards']
  known = {entry['file'] for entry in entries}
  for name in sorted(sizes.keys() - known):
    if name.startswith(f'{NAME}-{split}.array_record-') and name[-4:] != '.tmp':
      raise InputError(f'{folder}/{name}: is not in {MANIFEST}; remove it')
  for file in (file for one in entries for file in (one, one['lengths'])):
    size = sizes.get(file['file'])
    if size != file['bytes']:
      found = 'is missing' if size is None else f'has {size} bytes'
      what = f'{found}, {MANIFEST} says {file["bytes"]}'
      raise _fault(f'{folder}/{file["file"]}', what)


def local_copy(directory: storage.AnyPath) -> pathlib.Path:
  """The folder of shards; of one in a bucket, the copy of this machine.

  It is made once, of what the manifest names; then each file is compared with
  its sha256 there, once too.

  Raises:
    InputError: As `check_shards`, and before anything is copied `check_names`.
  """
  place = storage.path(directory)
  if isinstance(place, pathlib.Path):
    return place
  manifest = read_manifest(place)
  names = {MANIFEST, DROPPED, 'vocab.txt'}
  for split, part in manifest['splits'].items():
    check_names(place, manifest, split)
    names |= {
      e['file'] for one in part['shards'] for e in (one, one['lengths'])
    }
  began = time.monotonic()
  folder = storage.local(place, names)
  checked = folder.with_name(f'.{folder.name}.checked')
  if not checked.exists():
    for split in manifest['splits']:
      check_shards(folder, manifest, split, 'all')
    checked.touch()
    seconds = time.monotonic() - began
    _log.info('%s: copied to this machine, checked (%.0f s)', place, seconds)
  return folder


def check_shards(
  directory: storage.AnyPath,
  manifest: Manifest,
  split: str,
  verify: Verify = 'sizes',
) -> None:
  """Compares the files of a split with the manifest of their directory.

  `verify` 'sizes' looks at names, sizes and headers; 'sample' hashes one shard
  in 16 as well, another choice each time; 'all' hashes every one.

  Raises:
    InputError: The first file that is missing, superfluous or not the same.
  """
  if verify not in ('sizes', 'sample', 'all'):
    raise InputError(f'verify={verify!r} is not sizes, sample or all')
  check_names(directory, manifest, split)
  entries = manifest['splits'][split]['shards']
  every = range(len(entries))
  hashed = set(every if verify == 'all' else ())
  if verify == 'sample':
    hashed = set(random.sample(every, -(-len(entries) // _SAMPLE)))
  folder = storage.path(directory)
  for index, entry in enumerate(entries):
    for file in (entry, entry['lengths']) if index in hashed else ():
      if _sha256(path := folder / file['file']) != file['sha256']:
        raise _fault(path, f'differs from its sha256 in {MANIFEST}')
    _open_shard(folder, entry).close()


def _sha256(path: storage.Place) -> str:
  if isinstance(path, pathlib.Path):
    return file_sha256(path)
  return hashlib.sha256(storage.read_bytes(path)).hexdigest()


def _open_shard(folder: storage.Place, entry: dict[str, Any]) -> Any:
  path = folder / entry['file']
  reader = _array_record().ArrayRecordReader(
    str(path), _READER, file_reader_buffer_size=_READER_BUFFER
  )
  if not reader.ok():
    raise _fault(path, 'is not an ArrayRecord file')
  if (records := reader.num_records()) != entry['records']:
    what = f'holds {records} records, {MANIFEST} says {entry["records"]}'
    raise _fault(path, what)
  return reader


def _fault(path: object, what: str) -> InputError:
  return InputError(f'{path}: {what}; copy it again, or prepare it again')


class Shards(Sequence[TokenizedDocument]):
  """The documents of a split, by number.

  Reading is safe in several threads, and takes about 40 us a document. Those in
  a bucket are read in place by ArrayRecord, at a request a document: on one
  machine, without a network between, 24 times as long as a `local_copy` takes.
  """

  def __init__(
    self,
    directory: storage.AnyPath,
    split: str = TRAIN,
    verify: Verify = 'sizes',
    tokenizer: WordPieceTokenizer | None = None,
  ):
    """Opens a split, `TRAIN` or `HELD_OUT`, and checks it by `check_shards`.

    Raises:
      InputError: No such split, a vocabulary other than that of the tokenizer
        (if one is given), or a file at fault.
    """
    self.directory = storage.path(directory)
    self.manifest = read_manifest(directory)
    if split not in self.manifest['splits']:
      what = (
        f'no split {split!r}; there are {", ".join(self.manifest["splits"])}'
      )
      raise InputError(f'{self.directory / MANIFEST}: {what}')
    if tokenizer is not None:
      self.check_vocabulary(tokenizer)
    check_shards(directory, self.manifest, split, verify)
    self._vocab_size = self.manifest['vocabulary']['size']
    self._dtype = piece_dtype(self._vocab_size)
    self._entries = self.manifest['splits'][split]['shards']
    tables = [self._read_lengths(entry) for entry in self._entries]
    # [documents] int32 tokens and sentences of each document, and [shards + 1]
    # the first document of each shard.
    self.lengths = np.concatenate([table[:, 0] for table in tables])
    self.sentence_counts = np.concatenate([table[:, 1] for table in tables])
    records = (entry['records'] for entry in self._entries)
    self.offsets = [0, *itertools.accumulate(records)]
    self._open = functools.lru_cache(_OPEN_FILES)(
      lambda shard: _open_shard(self.directory, self._entries[shard])
    )

  def check_vocabulary(self, tokenizer: WordPieceTokenizer) -> None:
    """Raises an InputError if another tokenizer made the tokens."""
    stored = self.manifest['vocabulary']
    for name, value in describe_vocabulary(tokenizer).items():
      if stored[name] != value:
        raise InputError(
          f'{self.directory / MANIFEST}: the shards were made with another'
          f' vocabulary ({name} {stored[name]}, not {value}); prepare the'
          ' corpus with this one'
        )

  def __len__(self) -> int:
    return self.offsets[-1]

  def __getitem__(self, index: Any) -> Any:
    """The document of a number, from 0; a slice gives a list."""
    if isinstance(index, slice):
      return [self[i] for i in range(*index.indices(len(self)))]
    number = range(len(self))[index]  # As a list: negative, IndexError.
    shard = bisect.bisect_right(self.offsets, number) - 1
    record = number - self.offsets[shard]
    try:
      return self._decode(number, self._open(shard).read([record])[0])
    except (RuntimeError, ValueError, LookupError, OSError) as error:
      if isinstance(error, InputError):
        raise
      path = self.directory / self._entries[shard]['file']
      what = str(error).split(';')[0].split(' (computed')[0]
      raise _fault(path, f'record {record} is damaged ({what})') from None

  def read(self, start: int, stop: int) -> list[TokenizedDocument]:
    """The documents from `start` to before `stop`, at a third of the cost."""
    found: list[TokenizedDocument] = []
    while start < stop:
      shard = bisect.bisect_right(self.offsets, start) - 1
      first = self.offsets[shard]
      end = min(stop, self.offsets[shard + 1])
      try:
        records = self._open(shard).read(start - first, end - first)
        numbered = zip(range(start, end), records, strict=True)
        found += [self._decode(number, record) for number, record in numbered]
      except (RuntimeError, ValueError, LookupError, OSError):
        found += [self[i] for i in range(start, end)]  # It names the record.
      start = end
    return found

  def _decode(self, number: int, record: bytes) -> TokenizedDocument:
    features = tf_example.decode(record)
    input_ids = np.frombuffer(features['input_ids'], self._dtype)
    lengths = np.frombuffer(features['sentence_lengths'], LENGTH_DTYPE)
    stated = (self.lengths[number], self.sentence_counts[number])
    sizes = (len(input_ids), len(lengths))
    if sizes != stated or lengths.sum(dtype=np.int64) != len(input_ids):
      raise ValueError('its lengths are not as stated')
    if input_ids.max(initial=0) >= self._vocab_size:
      raise ValueError(f'token {input_ids.max()} is not in the vocabulary')
    return TokenizedDocument(
      features['id'].decode(),
      input_ids.astype(np.int32),
      lengths.astype(np.int32),
    )

  def _read_lengths(self, entry: dict[str, Any]) -> np.ndarray:
    path = self.directory / entry['lengths']['file']
    try:
      content = io.BytesIO(storage.read_bytes(path))
      table = np.load(content, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
      raise _fault(path, f'cannot be read ({error})') from None
    pieces = table[:, 0].sum(dtype=np.int64) if table.ndim == 2 else -1
    if len(table) != entry['records'] or pieces != entry['pieces']:
      raise _fault(path, f'does not add up to what {MANIFEST} says')
    return table
