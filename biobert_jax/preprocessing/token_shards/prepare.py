"""Corpus files to token shards, on one machine.

    files -> sentences -> tokens -> parts     a worker a file
    parts -> latest versions -> shards        a worker a shard

A worker streams: it holds a batch of text, a cache of words and one sorted run.
What a file gave is kept in `OUTPUT/parts` until the end, so a killed run
resumes there. Shards hold documents by the hash of their article's id: the
order is a shuffle, the first hundredth is held out, and neither the number of
workers nor a kill changes a byte. Nothing here imports jax or TensorFlow.

Inputs in a bucket are copied one by one. Where the output is in one, parts and
shards lie on this disk, in `storage.unfinished`, until all is there.
"""

import dataclasses
import itertools
import os
import pathlib
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

import biobert_jax
from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.data.pretraining import shards
from biobert_jax.data.pretraining.manifest import HELD_OUT, TRAIN, Manifest
from biobert_jax.errors import InputError
from biobert_jax.io import atomic, json_files, storage
from biobert_jax.preprocessing.token_shards import (
  external_sort,
  output_folder,
  stages,
)
from biobert_jax.preprocessing.token_shards.worker_pool import Workers
from biobert_jax.text.readers import input_files
from biobert_jax.text.readers.article import Options
from biobert_jax.text.wordpiece import WordPieceTokenizer

NAMED = 10_000  # Lines of `dropped.tsv` for each reason.
_PARTS = 1024  # About so many, where files are small.
_SMALL_FILE = 256 << 10  # Bytes.
_SHOWN = 3  # Faults that one message lists.
_END = 1 << external_sort.KEY_BITS


class Sizes(NamedTuple):
  """How much is held and written at once, in bytes."""

  unit: int = 16 << 20  # Of small files that make a part together.
  unit_files: int = 1000  # At most so many of them.
  run: int = 24 << 20  # Of tokenized text that a worker sorts at once.
  group: int = 24 << 20  # Of parts that a worker merges at once.
  shard: int = 128 << 20  # Of a shard, where their number is not given.


def prepare(
  inputs: Sequence[str],
  output: storage.AnyPath,
  tokenizer: WordPieceTokenizer,
  *,
  workers: int | None = None,
  num_shards: int | None = None,
  held_out: float = 0.01,
  exclude_ids: Iterable[str] = (),
  reading: Options | None = None,
  on_error: str = 'stop',
  max_errors: str = '1%',
  keep_parts: bool = False,
  sizes: Sizes | None = None,
) -> Manifest:
  """Prepares a corpus, or resumes an interrupted preparation.

  Args:
    inputs: glob patterns. Their order, and names within one, decide which
      of two records of an article is the later.
    output: a folder that is new, or that an earlier run has begun; one in a
      bucket is begun on this disk.
    tokenizer: the vocabulary.
    workers: processes; one a core by default.
    num_shards: of the training split; by default of about 128 MB each.
    held_out: fraction 0-1 of articles, chosen by their id; at least one.
    exclude_ids: '123' means 'pmid:123', 'PMC1' 'pmcid:PMC1'.
    reading: choices of what is read.
    on_error: 'stop', or 'skip' to leave out files that cannot be read.
    max_errors: how many, as '5', or their share, as '1%' or '0.01'; a share
      allows at least one. More are an error.
    keep_parts: leaves the intermediate files where they are.
    sizes: of what is held at once.

  Raises:
    InputError: No input, nothing kept of it, a file at fault, a full disk, or
      a folder of another vocabulary or other options.
  """
  sizes = sizes or Sizes()
  workers = len(os.sched_getaffinity(0)) if workers is None else workers
  if workers < 1:
    raise InputError('workers must be at least 1')
  skipped: Counter[str] = Counter()
  files = find_inputs(inputs, skipped)
  job = make_job(exclude_ids, reading, sizes, on_error)
  most = most_errors(on_error, max_errors, len(files))
  spec = corpus_spec(files, tokenizer, job, held_out, num_shards, skipped)
  place = storage.path(output)
  if (done := output_folder.finished_manifest(place, spec)) is not None:
    return done
  with output_folder.shards_folder(place, keep_parts) as folder:
    if (done := output_folder.finished_manifest(folder, spec)) is not None:
      return done  # A kill came between the disk and the bucket.
    with output_folder.open_output(folder, spec) as parts:
      tokenizer.save(folder)  # Without it the shards are but numbers.
      units = plan_units(files, parts, spec, sizes)
      with Workers(workers, tokenizer, job) as pool:
        pool.read([unit for unit in units if not os.path.exists(unit.path)])
        manifest = _write_shards(folder, units, pool, spec, sizes, most)
    if not keep_parts:
      shutil.rmtree(parts)
    return manifest


def most_errors(on_error: str, given: str, files: int) -> int | None:
  """How many of some files may be skipped; None: not one. See `prepare`."""
  if on_error != 'skip':
    return None
  text = given.strip().removesuffix('%')
  is_share = '.' in given or '%' in given
  try:
    value = float(text) / (100 if '%' in given else 1)
  except ValueError:
    value = -1.0
  if not 0 <= value <= (1 if is_share else files) or not (
    is_share or value.is_integer()
  ):
    what = f'--max_errors is {given!r}; give a number of files, or a share as'
    raise InputError(f'{what} 1% or 0.01')
  return max(1, int(value * files)) if is_share else int(value)


def check_errors(tally: stages.Tally, files: int, most: int | None) -> None:
  """Raises an InputError where more files were skipped; None allows none."""
  count = tally.counts[stages.SKIPPED]
  if count <= (most or 0):
    return
  faults = [fault for why, fault, _ in tally.notes if why == stages.SKIPPED]
  shown = '; '.join(faults[:_SHOWN])
  remedy = 'give --on_error=skip to go on without them'
  if most is not None:
    remedy = 'raise --max_errors to go on without them'
  what = f'{count} of {files} files cannot be read, and {most or 0} may be'
  raise InputError(f'{what} skipped: {shown}; {remedy}')


def make_job(
  exclude_ids: Iterable[str],
  reading: Options | None,
  sizes: Sizes,
  on_error: str = 'stop',
) -> stages.CorpusJob:
  """The options that hold for all files, see `prepare`."""
  key = external_sort.article_key
  excluded = frozenset(key(_full_id(id)) for id in exclude_ids)
  held = (sizes.run, sizes.group)
  return stages.CorpusJob(reading or Options(), excluded, *held, on_error)


def _full_id(id: str) -> str:
  """An article's id as the readers write it: '123' is 'pmid:123'."""
  id = id.strip()
  if id.isascii() and id.isdigit():
    return f'pmid:{id}'
  if id.upper().startswith('PMC') and id[3:].isascii() and id[3:].isdigit():
    return f'pmcid:{id.upper()}'
  return id


def corpus_spec(
  files: Sequence[stages.InputFile],
  tokenizer: WordPieceTokenizer,
  job: stages.CorpusJob,
  held_out: float,
  num_shards: int | None,
  skipped: Counter[str],
) -> dict[str, Any]:
  """The input and options of a corpus, as its manifest holds them."""
  if not 0 <= held_out < 1:
    raise InputError(f'held_out={held_out} is not a fraction from 0 to below 1')
  if num_shards is not None and num_shards < 1:
    raise InputError('shards must be at least 1')
  excluded = sorted(key.hex() for key in job.excluded)
  return {
    'vocabulary': pretraining_manifest.describe_vocabulary(tokenizer),
    'inputs': {
      'files': len(files),
      'skipped': skipped['files_skipped'],
      'bytes': sum(file.bytes for file in files),
      'sha256': stages.fingerprint([(file.name, file.bytes) for file in files]),
    },
    'options': {
      'excluded_ids': len(job.excluded),
      'excluded_sha256': stages.fingerprint(excluded),
      'held_out': held_out,
      'shards': num_shards,
      'reading': dataclasses.asdict(job.reading),
    },
  }


def find_inputs(
  patterns: Sequence[str], skipped: Counter[str] | None = None
) -> tuple[stages.InputFile, ...]:
  """The files that patterns match, each once; by pattern, then by name.

  `skipped` takes `files_skipped`, see `input_files.named_files`.
  """
  found: dict[str, storage.File | None] = {}
  for pattern in patterns:
    for path, file in input_files.named_files([pattern], skipped).items():
      found[path if file else os.path.realpath(path)] = file
  if not found:
    raise InputError('no input: name files or patterns with --input')
  files = []
  for path, name in input_files.short_names(list(found)).items():
    if (file := found[path]) is not None:
      state = (file.size, file.generation)
    else:
      try:
        status = os.stat(path)
      except OSError as error:
        raise InputError(f'{path}: {error.strerror}; remove it') from None
      state = (status.st_size, status.st_mtime_ns)
    files.append(stages.InputFile(path, name, *state))
  return tuple(files)


def plan_units(
  files: Sequence[stages.InputFile],
  parts: pathlib.Path,
  spec: dict[str, Any],
  sizes: Sizes,
) -> list[stages.Unit]:
  """Groups small files; the options of `spec` decide a part and its name."""
  groups: list[list[stages.InputFile]] = []
  # Of a small corpus in few files, every core shall have its share.
  limit = max(sum(file.bytes for file in files) // _PARTS, _SMALL_FILE)
  limit = held = min(limit, sizes.unit)
  for file in files:
    if held >= limit or len(groups[-1]) >= sizes.unit_files:
      groups.append([])
      held = 0
    groups[-1].append(file)
    held += file.bytes
  chosen = spec['options']
  how = [spec['vocabulary'], chosen['excluded_sha256'], chosen['reading']]
  version = biobert_jax.__version__
  units = []
  for group in groups:
    name = stages.fingerprint(version, how, sizes.run, group)
    units.append(stages.Unit(tuple(group), os.path.join(parts, f'{name}.part')))
  return units


def _write_shards(
  folder: pathlib.Path,
  units: Sequence[stages.Unit],
  pool: Workers,
  spec: dict[str, Any],
  sizes: Sizes,
  most: int | None,
) -> Manifest:
  """Merges the parts into shards, and writes all that goes with them."""
  tally = stages.Tally()
  in_range = np.zeros(external_sort.PARTITIONS, np.int64)
  for unit in units:
    part = external_sort.Part(unit.path)
    tally.add(part.summary(), NAMED)
    in_range += part.sizes()
  check_errors(tally, spec['inputs']['files'], most)
  parts = stages.Parts(
    str(folder), tuple(unit.path for unit in units), in_range
  )
  held_out = spec['options']['held_out']
  count = spec['options']['shards'] or count_shards(int(in_range.sum()), sizes)
  ranges = plan_ranges(held_out, count)
  results = pool.write(parts, ranges)
  if held_out and not results[0][1].counts['documents']:
    # Too small a corpus: its very first article is held out.
    position = stages.first_position(parts, ranges[0].high, sizes.group)
    if position is not None:
      ranges = plan_ranges(held_out, count, position)
      results = pool.write(parts, ranges)
  for _, shard_tally in results:
    stored = shard_tally.as_dict() | {'notes': []}
    for why, id, at in shard_tally.notes:
      number, file = map(int, at.split())
      stored['notes'].append((why, id, units[number].files[file].name))
    tally.add(stored, NAMED)
  return write_manifest(folder, ranges, results, tally, spec)


def count_shards(size: int, sizes: Sizes) -> int:
  """Shards of the training split for so many bytes of all that was read."""
  return max(1, -(-size // sizes.shard))


def plan_ranges(
  held_out: float, count: int, first: int | None = None
) -> list[stages.Range]:
  """The shards: the held-out one first, if any, then those of training.

  The fraction 0-1 is of all hash positions; the article at `first` is held out
  in any case.
  """
  end = int(held_out * _END)
  if held_out and first is not None:
    end = max(end, first + 1)
  edges = [end + (_END - end) * i // count for i in range(count + 1)]
  return [stages.Range(HELD_OUT, 0, 1, 0, end)] * (held_out > 0) + [
    stages.Range(TRAIN, i, count, low, high)
    for i, (low, high) in enumerate(itertools.pairwise(edges))
  ]


def write_manifest(
  folder: pathlib.Path,
  ranges: Sequence[stages.Range],
  results: Sequence[tuple[dict[str, Any], stages.Tally]],
  tally: stages.Tally,
  spec: dict[str, Any],
) -> Manifest:
  """Writes the notes, what tfds reads, and the manifest last of all."""
  names = ('documents', 'sentences', 'words', 'pieces', 'unknown pieces')
  splits: dict[str, Any] = {}
  keep: set[str] = set()
  for wanted, (entry, shard_tally) in zip(ranges, results, strict=True):
    empty = {'shards': [], 'counts': dict.fromkeys(names, 0)}
    split = splits.setdefault(wanted.split, empty)
    split['shards'].append(entry)
    keep |= {entry['file'], entry['lengths']['file']}
    for name in names:
      split['counts'][name] += shard_tally.counts[name]
  if not splits[TRAIN]['counts']['documents']:
    raise _nothing_to_train_on(tally)
  manifest: Manifest = {
    'format': pretraining_manifest.FORMAT,
    'code': {'version': biobert_jax.__version__, 'revision': _revision()},
    **spec,
    'counts': dict(tally.counts),
    'readers': dict(tally.read),
    'splits': splits,
  }
  for path in folder.iterdir():  # Of a run that was to have other shards.
    if path.name not in keep and shards.is_ours(path.name):
      path.unlink()
  try:
    lines = ['reason\tid\tfile', *('\t'.join(note) for note in tally.notes)]
    text = '\n'.join(lines) + '\n'
    atomic.write_bytes(
      folder / pretraining_manifest.DROPPED, text.encode('utf-8', 'replace')
    )
    pretraining_manifest.write_tfds_metadata(folder, manifest)
    json_files.write_json(
      folder / pretraining_manifest.MANIFEST, manifest, sort_keys=True
    )
  except OSError as error:
    raise InputError(
      f'{folder}: cannot be written ({error.strerror}); free the disk, and run'
      ' again: finished shards are kept'
    ) from None
  return manifest


def _nothing_to_train_on(tally: stages.Tally) -> InputError:
  if tally.counts['documents']:
    return InputError(
      'the input holds one article, and it is held out; add more, or set'
      ' --held_out=0'
    )
  counts = (tally.counts + tally.read).items()
  found = ', '.join(f'{name} {count}' for name, count in counts)
  return InputError(
    f'nothing of the input was kept ({found or "no record"}); check that the'
    ' patterns of --input name articles with text'
  )


def _revision() -> str | None:
  """The commit of a checkout, with a mark where files differ from it."""
  root = pathlib.Path(__file__).resolve().parents[3]
  if not (root / '.git').exists():
    return None
  command = ['git', '-C', str(root), 'describe', '--always', '--dirty']
  try:
    return subprocess.check_output(
      command, stderr=subprocess.DEVNULL, text=True
    ).strip()
  except (OSError, subprocess.CalledProcessError):
    return None
