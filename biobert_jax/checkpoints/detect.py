"""The form of a checkpoint, detected from its files, once per command."""

import contextlib
import dataclasses
import functools
import json
import pathlib
import re
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from biobert_jax.checkpoints import (
  foreign_names,
  integrity,
  name_map,
  run_steps,
)
from biobert_jax.checkpoints import model_folder as folders
from biobert_jax.checkpoints.formats import (
  archive,
  flax_msgpack,
  hdf5,
  safetensors_file,
  sharded_index,
  tensorflow,
)
from biobert_jax.checkpoints.formats.file_magic import LazyTensor
from biobert_jax.checkpoints.formats.torch import file as torch_file
from biobert_jax.errors import STEP, InputError, check_ranges
from biobert_jax.io import storage
from biobert_jax.io.checksums import array_sha256

# The forms.
WORKDIR, IMPORTED = 'workdir', 'imported'
TENSORFLOW, HUGGINGFACE = 'tensorflow', 'huggingface'
STABLEHLO, ONNX = 'stablehlo', 'onnx'
COMPILED = (STABLEHLO, ONNX)  # They hold a program, not parameters.
FORMS = (WORKDIR, IMPORTED, TENSORFLOW, HUGGINGFACE, STABLEHLO, ONNX)

# Hugging Face's weight files, the first that is there as in transformers.
HUGGINGFACE_FILES = (
  *('model.safetensors', 'model.safetensors.index.json'),
  *('pytorch_model.bin', 'pytorch_model.bin.index.json'),
  *('flax_model.msgpack', 'flax_model.msgpack.index.json'),
  *('tf_model.h5', 'tf_model.h5.index.json'),
)
_FOREIGN = (flax_msgpack, hdf5)
# Files under other names, if they are named themselves.
_SUFFIXES = ('.safetensors', '.bin', '.pt', '.pth', '.msgpack', '.h5')
# What else is found where weights are looked for, by the end of its name.
_NOT_READ = {
  'saved_model.pb': 'a TensorFlow SavedModel, a program',
  '.keras': 'an archive of Keras 3',
  'rust_model.ot': 'weights for rust-bert',
  '.gguf': 'weights for llama.cpp',
  '.nemo': 'an archive of NVIDIA NeMo',
  '.onnx': 'an ONNX program that was not exported here',
  'adapter_model.safetensors': 'an adapter, to be merged into its model first',
  'adapter_model.bin': 'an adapter, to be merged into its model first',
}
# Orbax writes the time into these.
_DATED = ('_CHECKPOINT_METADATA', 'commit_success.txt')
_PART = re.compile(r'\.(index|meta|data-\d{5}-of-\d{5})$')
_CONFIG = 'config.json'
# What may lie beside weights and is read with them.
_SMALL = frozenset(
  {
    *(_CONFIG, 'bert_config.json', 'vocab.txt', 'tokenizer.json'),
    *('tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'),
    *('checkpoint', 'results.json', folders.SUMS, *folders.STATES_LICENSE),
  }
)
_TAKES = (
  'a TF1 or TF2 checkpoint (prefix, folder or .tar.gz), a Hugging Face folder '
  '(model.safetensors, pytorch_model.bin, flax_model.msgpack, tf_model.h5), a '
  'work folder of train, an import or an export'
)


@dataclasses.dataclass(frozen=True)
class Source:
  """A checkpoint that was found."""

  given: str  # What the user wrote.
  form: str  # One of `FORMS`.
  folder: pathlib.Path
  weights: pathlib.Path  # The file, prefix or folder that holds the tensors.
  # Ours, of an import, an export or a work folder; else empty.
  record: Mapping[str, Any] = dataclasses.field(repr=False)
  step: str = ''  # Of a work folder: as asked for and, once read, its number.
  origin: storage.BucketPath | None = None  # Of `folder`, where it is a copy.
  # Holds the folder of an unpacked archive.
  unpacked: object = dataclasses.field(default=None, repr=False, compare=False)

  @property
  def name(self) -> str:
    """The last part of what the user wrote."""
    place = storage.path(self.given)
    if isinstance(place, storage.BucketPath):
      return place.name
    return place.resolve().name

  @property
  def run(self) -> storage.Place:
    """The work folder itself, which holds the steps that are there now."""
    return self.origin or self.folder

  def with_step(self, weights: storage.Place, step: str) -> 'Source':
    """The same work folder, with the weights of a step of its `run`."""
    run = pathlib.PurePosixPath(str(self.run))
    within = pathlib.PurePosixPath(str(weights)).relative_to(run)
    return dataclasses.replace(self, weights=self.folder / within, step=step)

  @functools.cached_property
  def model_folder(self) -> pathlib.Path:
    """Where vocabulary and architecture lie."""
    is_run = self.form == WORKDIR
    return storage.local(self.run / 'model') if is_run else self.folder

  @property
  def config_file(self) -> pathlib.Path:
    """The file of the architecture; raises `InputError` if there is none."""
    names = ['bert_config.json', _CONFIG]
    if self.form == HUGGINGFACE:
      names.reverse()
    for name in names:
      if (self.model_folder / name).is_file():
        return self.model_folder / name
    raise InputError(
      f'{self.given}: {self.model_folder} holds neither of {", ".join(names)}; '
      'put the one that came with the weights beside them'
    )

  @property
  def weight_files(self) -> list[pathlib.Path]:
    """The files with the tensors; equal bytes for equal tensors."""
    weights = self.weights
    if self.form == WORKDIR:
      place = self.run / weights.relative_to(self.folder)
      if weights.parent != self.folder:
        # The fingerprints of a whole state: gigabytes take long, and it may go.
        return [storage.local(place / integrity.GUARD / 'metadata')]
      weights = storage.local(place)
    if weights.is_dir():
      files = folders.list_files(weights)
      return [path for path in files if path.name not in _DATED]
    if self.form == TENSORFLOW:
      found = self.weights.parent.glob(f'{self.weights.name}.*')
      return sorted(p for p in found if p.suffix != '.meta')
    if self.weights.name.endswith('.index.json'):
      shards = set(sharded_index.weight_map(self.weights).values())
      return [self.weights, *(self.folder / name for name in sorted(shards))]
    return [self.weights]


def identity(source: Source) -> str:
  """Tells the weights of a source from others, without reading them.

  By their checksums, where they stand in a file, else by size and time.
  """
  sums = source.folder / folders.SUMS
  if source.record and source.form != WORKDIR and sums.is_file():
    return sums.read_text('utf-8')
  files = source.weight_files
  if source.unpacked:  # They are as old as this process.
    files = [storage.local(source.given)]
  facts = [source.step]
  for path in files:
    with contextlib.suppress(FileNotFoundError):  # Its run has deleted it.
      found = path.stat()
      facts.append(f'{path.name} {found.st_size} {found.st_mtime_ns}')
  return '\n'.join(facts)


class _Unpacked:
  """Lives as long as a `Source` needs the folder of its archive."""


def detect(given: str | pathlib.Path, step: str = '') -> Source:
  """Finds out what lies at a path: a folder, a file, an archive, a TF1 prefix.

  An archive is unpacked into a temporary folder, which goes when the result
  is no longer used. Folders with checksums of ours are compared with them.
  `step` is of a work folder, as `run_steps.candidates` takes it.
  """
  check_ranges({'step': step}, {'step': STEP})
  source = _detect(given)
  if source.form != WORKDIR:
    if step:
      what = f'{given}: its form is {source.form}, which has no steps'
      raise InputError(f'{what}; leave out the step {step}')
    return source
  config = source.record['config']
  weights = run_steps.weights(source.run, config, step)
  return source.with_step(weights, step)


def _detect(given: str | pathlib.Path) -> Source:
  if not str(given):
    raise InputError(f'no checkpoint is named; give {_TAKES}')
  path = storage.path(given)
  if isinstance(path, storage.BucketPath):
    if not archive.is_archive(path.name) or not storage.is_file(path):
      return _fetched(path)
    path = storage.local(path)
  if not path.is_file() or not archive.is_archive(path):
    source = _look(path, str(given))
    _verify(source)
    return source
  with contextlib.ExitStack() as stack:
    source = _look(stack.enter_context(archive.extracted(path)), str(given))
    holder = _Unpacked()
    weakref.finalize(holder, stack.pop_all().close)
  return dataclasses.replace(source, unpacked=holder)


def _fetched(place: storage.BucketPath) -> Source:
  """What lies at a place in a bucket, with copies of the files that it needs.

  A step of a work folder is fetched when it is read.
  """
  is_folder = not storage.is_file(place) and storage.is_dir(place)
  folder = place if is_folder else place.parent
  named = '' if folder == place else place.name
  names = storage.names(folder)
  first = {*_SMALL, named}
  some = [n for n in names if n in first or n.endswith('.index')]
  source = _look(storage.local(folder, some) / named, str(place), names)
  weights, is_run = source.weights.name, source.form == WORKDIR
  if source.form == TENSORFLOW:
    some += [n for n in names if n.startswith(f'{weights}.data-')]
  elif source.form == HUGGINGFACE:
    if weights.endswith(sharded_index.SUFFIX):
      index = storage.local(folder, [weights]) / weights
      some += sharded_index.shards(index)
    some.append(weights)
  every = bool(source.record) and not is_run  # Its checksums are of all files.
  copy = storage.local(folder, None if every else some)
  source = _look(copy / named, str(place), names)
  _verify(source)
  return dataclasses.replace(source, origin=folder)


def _look(
  path: pathlib.Path, given: str, names: Sequence[str] | None = None
) -> Source:
  """The form of what is there; `names` are of more files than were fetched."""
  if path.is_dir():
    if names is None:
      names = sorted(file.name for file in path.iterdir())
    return _look_into(path, given, names)
  if path.is_file():
    record = folders.read_record(path.parent)
    is_named = path.suffix in _SUFFIXES and not _not_read([path.name])
    if path.name in HUGGINGFACE_FILES or is_named:
      return Source(given, HUGGINGFACE, path.parent, path, record)
    if path.suffix == '.onnx' and record:  # Its int8 variant, for one.
      return Source(given, ONNX, path.parent, path, record)
    # A file of the checkpoint, not its prefix.
    path = path.with_name(_PART.sub('', path.name))
  if (prefix := tensorflow.find_prefix(path)) is not None:
    record = folders.read_record(prefix.parent)
    return Source(given, TENSORFLOW, prefix.parent, prefix, record)
  what = 'not a checkpoint'
  if not path.exists():
    what = f'no such file or folder{storage.nearest(given)}'
  there = _not_read([path.name]) if path.exists() else ''
  raise InputError(f'{given}: {there or what}; give {_TAKES}')


def _not_read(names: Iterable[str]) -> str:
  """The first of the files there that is not read; '' without one."""
  for name in names:
    for ending, what in _NOT_READ.items():
      if name.endswith(ending):
        return f'{name} is {what}, which is not read'
  return ''


def _look_into(path: pathlib.Path, given: str, names: Sequence[str]) -> Source:
  record = folders.read_record(path)
  if record:
    form, where = record['form'], pathlib.PurePath(record['weights'])
    # A name in this folder: nothing else is under its checksums.
    if form not in FORMS or where.name != str(where) or where.name == '..':
      raise InputError(f'{path / folders.RECORD}: not written by us; remove it')
    return Source(given, form, path, path / where, record)
  if record := _workdir_record(path):
    return Source(given, WORKDIR, path, path / 'best', record)
  found = [path / n for n in HUGGINGFACE_FILES if n in names]
  found = [file for file in found if not file.is_dir()]
  prefix = tensorflow.find_prefix(path)
  if prefix is not None:  # Copies for Flax and Keras beside it are left.
    found = [path for path in found if _reader(path) not in _FOREIGN]
  if found and prefix is not None:
    what = f'{given}: holds {found[0].name} and a TF1 checkpoint; name the one'
    raise InputError(f'{what} that you mean, {found[0]} or {prefix}')
  if found:
    return Source(given, HUGGINGFACE, path, found[0], {})
  if prefix is not None:
    return Source(given, TENSORFLOW, path, prefix, {})
  held = ', '.join(names[:12]) or 'nothing'
  what = _not_read(names) or f'no checkpoint (it holds {held})'
  weights = [n for n in names if n.endswith(_SUFFIXES) and '/' not in n]
  if weights and not _not_read(names):
    what += f'; if {weights[0]} has the weights, name it: {path / weights[0]}'
    raise InputError(f'{given}: {what}')
  raise InputError(f'{given}: {what}; give {_TAKES}')


def _workdir_record(path: pathlib.Path) -> dict[str, Any]:
  """The record of a work folder of `train`; empty where it is none."""
  try:
    record = json.loads((path / _CONFIG).read_text('utf-8'))
  except (OSError, ValueError, RecursionError):
    return {}
  ours = isinstance(record, dict) and {'config', 'architecture'} <= set(record)
  return record if ours else {}


def _verify(source: Source) -> None:
  """Compares with checksums; names the tensor where a digest tells it."""
  if not source.record or source.form == WORKDIR:
    return  # Others' lists may name more than was copied here.
  try:
    folders.verify(source.folder)
  except InputError as error:
    digests = source.record.get('tensors')
    if isinstance(digests, dict) and source.form in (TENSORFLOW, HUGGINGFACE):
      for name, tensor in read_tensors(source).items():
        if array_sha256(tensor.read()) != digests.get(name):
          raise InputError(f'{error} (tensor {name})') from error
    raise


def read_tensors(source: Source) -> dict[str, LazyTensor]:
  """Stored name -> tensor, not yet read, of a TF or Hugging Face source."""
  if source.form == TENSORFLOW:
    return tensorflow.read(source.weights)
  return _reader(source.weights).read(source.weights)


def column(source: Source, tensors: Mapping[str, LazyTensor]) -> str:
  """Whose names the tensors of `read_tensors` have, for `name_map.read`."""
  if source.form == TENSORFLOW:
    is_foreign = foreign_names.is_foreign(tensors)
  else:
    is_foreign = _reader(source.weights) in _FOREIGN
  return name_map.FOREIGN if is_foreign else source.form


def _reader(weights: pathlib.Path) -> Any:
  """The module that reads a Hugging Face file."""
  kind = pathlib.Path(weights.name.removesuffix(sharded_index.SUFFIX)).suffix
  readers = {'.safetensors': safetensors_file, '.msgpack': flax_msgpack}
  return (readers | {'.h5': hdf5}).get(kind, torch_file)
