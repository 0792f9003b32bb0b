"""Corpus files to token shards on many machines: an Apache Beam pipeline.

    files -> articles -> tokens                  a worker a file
    all that was said of an article -> latest    a worker an article
    articles of a shard -> sorted, written       a worker a shard
    counts, notes -> manifest

It says how work is spread; all else are the functions of `prepare.prepare`, and
so is the result, byte for byte. Only where a reason for leaving out has more
than 1,000 records in one file or shard may `dropped.tsv` name others. A worker
holds one shard in memory.

Importing this needs apache-beam, which ours must not meet: it has its own
environment, scripts/requirements-beam.txt.
"""

import bisect
import dataclasses
import functools
import json
import logging
import os
import pathlib
import re
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
  PipelineOptions,
  StandardOptions,
)
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineState

from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.data.pretraining import shards
from biobert_jax.data.pretraining.manifest import Manifest
from biobert_jax.errors import InputError
from biobert_jax.preprocessing.token_shards import (
  beam_files,
  external_sort,
  output_folder,
  prepare,
  stages,
)
from biobert_jax.text.readers.article import Options
from biobert_jax.text.wordpiece import WordPieceTokenizer

# In a traceback, and the remark that Beam adds.
_REASON = re.compile(r'^biobert_jax\.errors\.InputError: (.*)$', re.MULTILINE)
_WHILE = re.compile(r" \[while running '[^']*'\]$")

_COUNTS, _NOTES = 'counts', 'notes'
# Where a note stands in dropped.tsv: the files' first, then those of versions.
_FILES, _ARTICLES = 0, 1
_IN_FILE = struct.Struct('>BQI')
_OF_KEY = struct.Struct('>B16sI')


def _is_news(record: logging.LogRecord) -> bool:
  """Whether a record shows no stack of an InputError, which is one line."""
  return not (record.exc_info and isinstance(record.exc_info[1], InputError))


def prepare_with_beam(
  inputs: Sequence[str],
  output: str,
  tokenizer: WordPieceTokenizer,
  options: PipelineOptions,
  *,
  num_shards: int | None = None,
  held_out: float = 0.01,
  exclude_ids: Iterable[str] = (),
  reading: Options | None = None,
  on_error: str = 'stop',
  max_errors: str = '1%',
  sizes: prepare.Sizes | None = None,
) -> Manifest:
  """Makes a corpus as `prepare.prepare` does, by its arguments, on Beam.

  Args:
    inputs: glob patterns; of files that every worker sees under that name, or
      with a scheme as `gs://`.
    output: a folder that every worker sees; with a scheme, an empty one.
    options: of Beam: the runner, and what it needs.

  Raises:
    InputError: As `prepare.prepare`; the folder takes the next run.
    RuntimeError: The runner failed otherwise.
  """
  sizes = sizes or prepare.Sizes()
  skipped: Counter[str] = Counter()
  files = beam_files.find_inputs(inputs, skipped)
  job = prepare.make_job(exclude_ids, reading, sizes, on_error)
  most = prepare.most_errors(on_error, max_errors, len(files))
  spec = prepare.corpus_spec(
    files, tokenizer, job, held_out, num_shards, skipped
  )
  # Without the library's own object, which no message can carry.
  tokenizer = dataclasses.replace(tokenizer)

  def run(folder: str) -> None:
    logging.getLogger('apache_beam.runners.common').addFilter(_is_news)
    pipeline = beam.Pipeline(_local_runner(options), options)
    build(pipeline, files, folder, tokenizer, job, spec, sizes, most)
    try:
      state = pipeline.run().wait_until_finish()
    except InputError as error:
      raise InputError(_WHILE.sub('', str(error))) from None
    except RuntimeError as error:  # Its message may hold a worker's traceback.
      if not (found := _REASON.findall(str(error))):
        raise
      raise InputError(_WHILE.sub('', found[-1])) from None
    if state != PipelineState.DONE:
      raise RuntimeError(f'the pipeline ended as {state}')
    with beam_files.atomic_folder_write(folder, 'parts') as here:
      tokenizer.save(here)

  if beam_files.is_remote(output):
    return _made_remotely(output, spec, run)
  folder = pathlib.Path(output).resolve()
  if (done := output_folder.finished_manifest(folder, spec)) is not None:
    return done
  with output_folder.open_output(folder, spec) as parts:
    run(str(folder))
  shutil.rmtree(parts)
  return pretraining_manifest.read_manifest(folder)


def _local_runner(options: PipelineOptions) -> Any:
  """Beam's runner in Python where DirectRunner is requested, else None.

  Beam's own choice is a program in Go first, fetched from GitHub on each run,
  which knows nothing of `--direct_num_workers`.
  """
  name = options.view_as(StandardOptions).runner
  return FnApiRunner() if name in (None, 'DirectRunner') else None


def _made_remotely(
  output: str, spec: dict[str, Any], run: Callable[[str], None]
) -> Manifest:
  path = f'{output.rstrip("/")}/{pretraining_manifest.MANIFEST}'
  if not beam_files.exists(path):
    if not beam_files.is_empty(output):
      raise InputError(f'{output}: holds something; name an empty --output')
    run(output)
  with beam_files.local_copy(path) as copy:
    manifest = pretraining_manifest.read_manifest(os.path.dirname(copy))
  output_folder.check_same_spec(path, manifest, spec)
  sizes = beam_files.sizes(output)
  for split in manifest['splits']:
    shards.check_sizes(output, sizes, manifest, split)
  return manifest


def build(
  pipeline: beam.Pipeline,
  files: Sequence[stages.InputFile],
  folder: str,
  tokenizer: WordPieceTokenizer,
  job: stages.CorpusJob,
  spec: dict[str, Any],
  sizes: prepare.Sizes,
  most: int | None = None,
) -> None:
  """Adds every step to an empty pipeline."""
  rows = [json.dumps([i, *file]) for i, file in enumerate(files)]
  read = (
    pipeline
    | 'Files' >> beam.Create(rows)
    | 'Spread' >> beam.Reshuffle()
    | 'Read'
    >> beam.ParDo(ReadFile(tokenizer, job)).with_outputs(
      _COUNTS, _NOTES, main='said'
    )
  )
  said = read.said | 'Keys' >> beam.Map(_keyed)
  latest = (
    said
    | 'ByArticle' >> beam.GroupByKey()
    | 'Latest'
    >> beam.FlatMap(_latest).with_outputs(_COUNTS, _NOTES, main='kept')
  )
  kept = latest.kept | 'Kept' >> beam.Map(_same).with_output_types(bytes)
  size = said | 'Sizes' >> beam.Map(_size) | 'Size' >> beam.CombineGlobally(sum)
  first = (
    kept
    | 'Places' >> beam.Map(external_sort.encoded_key)
    | 'First' >> beam.CombineGlobally(min).without_defaults()
  )
  first = AsSingleton(first, default_value=b'')
  # The runner in Python does not finish if these steps share a source.
  plan = AsSingleton(
    pipeline
    | 'PlanOnce' >> beam.Create([''])
    | 'Plan'
    >> beam.Map(_plan, AsSingleton(size), first, spec['options'], sizes)
  )
  written = (
    (
      kept | 'Assign' >> beam.Map(_assigned, plan),
      pipeline
      | 'Once' >> beam.Create([''])
      | 'EveryShard' >> beam.FlatMap(_every_shard, plan),
    )
    | 'WithEmpty' >> beam.Flatten()
    | 'ByShard' >> beam.GroupByKey()
    | 'Write' >> beam.Map(_write_shard, plan, folder)
  )
  results = (plan, AsList(written), *_tallied((read, latest)))
  names = tuple(file.name for file in files)
  _ = (
    pipeline
    | 'FinishOnce' >> beam.Create([''])
    | 'Finish' >> beam.Map(_write_manifest, *results, folder, names, spec, most)
  )


def _tallied(steps: Sequence[Any]) -> tuple[AsList, AsList]:
  """What the steps counted, and the notes that they made."""
  counts = (
    tuple(step[_COUNTS] for step in steps)
    | 'AllCounts' >> beam.Flatten()
    | 'Counts' >> beam.Map(_same).with_output_types(tuple[str, int])
    | 'Sum' >> beam.CombinePerKey(sum)
  )
  notes = (
    tuple(step[_NOTES] for step in steps)
    | 'AllNotes' >> beam.Flatten()
    | 'Notes'
    >> beam.Map(_same).with_output_types(tuple[str, tuple[bytes, str]])
    | 'Named' >> beam.combiners.Top.SmallestPerKey(prepare.NAMED)
  )
  return AsList(counts), AsList(notes)


class ReadFile(beam.DoFn):
  """A file to its articles, as bytes of `external_sort.encode`."""

  def __init__(self, tokenizer: WordPieceTokenizer, job: stages.CorpusJob):
    """Keeps what is sent to the workers."""
    self._tokenizer = tokenizer
    self._job = job

  def setup(self) -> None:
    """Builds the tokenizer, whose cache of words outlives a bundle."""
    os.environ['TOKENIZERS_PARALLELISM'] = 'false'
    self._article_tokenizer = stages.ArticleTokenizer(self._tokenizer)

  def process(self, row: str) -> Iterator[Any]:
    """Reads one file, and then says what was counted in it; no progress."""
    number, *stated = json.loads(row)
    file = stages.InputFile(*stated)
    tally = stages.Tally()
    place = functools.partial(_IN_FILE.pack, _FILES, number)
    with beam_files.local_copy(file.path) as path:
      here = file._replace(path=path)
      skips = self._job.on_error == 'skip'
      # What was handed on cannot be taken back: it is read twice.
      if skips and (fault := stages.fault_of(here, self._job)):
        tally.skip(file.name, fault.replace(path, file.path))
        yield from _outputs(tally, place)
        return
      said = stages.read_input(
        *(here, self._article_tokenizer, self._job, tally, lambda *_: None),
        file.path,
      )
      for ordinal, (id, version, documents) in enumerate(said):
        yield external_sort.encode(id, version, documents, ordinal, number)
    yield from _outputs(tally, place)


def _latest(group: tuple[bytes, Iterable[bytes]]) -> Iterator[Any]:
  """All that was said of an article to what stands of it."""
  key, values = group
  said = {}
  for data in values:
    record = external_sort.decode(data)
    said[record.order] = record, data
  tally = stages.Tally()
  kept = stages.keep_latest([said[at][0] for at in sorted(said)], tally)
  if kept is not None:
    yield said[kept.order][1]
  yield from _outputs(tally, functools.partial(_OF_KEY.pack, _ARTICLES, key))


def _write_shard(
  group: tuple[int, Iterable[bytes]], plan: str, folder: str
) -> str:
  """Writes a shard; a JSON list: number, entry in the manifest, counts."""
  number, values = group
  tally = stages.Tally()
  ordered = sorted(filter(None, values), key=external_sort.encoded_key)
  with beam_files.atomic_folder_write(folder, 'parts') as here:
    entry = stages.write_articles(
      here, map(external_sort.decode, ordered), _ranges(plan)[number], tally
    )
  return json.dumps([number, entry, tally.as_dict()])


def _write_manifest(
  _: str,
  plan: str,
  written: Sequence[str],
  counts: Sequence[tuple[str, int]],
  notes: Sequence[tuple[str, Sequence[tuple[bytes, str]]]],
  folder: str,
  names: Sequence[str],
  spec: dict[str, Any],
  most: int | None,
) -> None:
  """Writes what completes a corpus, the manifest last."""
  ranges = _ranges(plan)
  tally = stages.Tally()
  stored: dict[str, Any] = {'counts': {}, 'read': {}, 'notes': []}
  for name, count in counts:
    whose, _, name = name.partition(' ')
    stored[whose][name] = count
  for place, text in sorted(note for _, some in notes for note in some):
    reason, id, file = json.loads(text)
    if place[0] == _ARTICLES:  # `stages.keep_latest` knows a file's number.
      file = names[int(file.split()[-1])]
    stored['notes'].append((reason, id, file))
  tally.add(stored, prepare.NAMED)
  prepare.check_errors(tally, spec['inputs']['files'], most)
  results = []
  for _, entry, shard in sorted(map(json.loads, written)):
    shard_tally = stages.Tally()
    shard_tally.add(shard, 0)
    tally.add(shard, 0)
    results.append((entry, shard_tally))
  arguments = (ranges, results, tally, spec)
  if not beam_files.is_remote(folder):
    prepare.write_manifest(pathlib.Path(folder), *arguments)
    return
  with beam_files.atomic_folder_write(folder, '') as here:
    prepare.write_manifest(pathlib.Path(here), *arguments)


def _outputs(tally: stages.Tally, place: Any) -> Iterator[TaggedOutput]:
  """The counts and notes of a step, the latter each with its place."""
  for whose in ('counts', 'read'):
    for name, count in getattr(tally, whose).items():
      yield TaggedOutput(_COUNTS, (f'{whose} {name}', count))
  for number, note in enumerate(tally.notes):
    yield TaggedOutput(_NOTES, (note[0], (place(number), json.dumps(note))))


def _keyed(data: bytes) -> tuple[bytes, bytes]:
  return external_sort.encoded_key(data), data


def _same(value: Any) -> Any:
  """For a step that only states a type, and with it a coder."""
  return value


def _size(keyed: tuple[bytes, bytes]) -> int:
  return len(keyed[1])


def _plan(
  _: str, size: int, first: bytes, options: dict[str, Any], sizes: prepare.Sizes
) -> str:
  """The arguments of `prepare.plan_ranges`, by all that was read."""
  place = external_sort.hash_position(first) if first else None
  count = options['shards'] or prepare.count_shards(size, sizes)
  return json.dumps([options['held_out'], count, place])


@functools.lru_cache(1)
def _ranges(plan: str) -> list[stages.Range]:
  return prepare.plan_ranges(*json.loads(plan))


def _assigned(data: bytes, plan: str) -> tuple[int, bytes]:
  """An article with the number of its shard."""
  place = external_sort.hash_position(external_sort.encoded_key(data))
  lows = _ranges(plan)
  return bisect.bisect_right(lows, place, key=lambda r: r.low) - 1, data


def _every_shard(_: str, plan: str) -> list[tuple[int, bytes]]:
  """Each shard's number, since one without articles is written, too."""
  return [(number, b'') for number in range(len(_ranges(plan)))]
