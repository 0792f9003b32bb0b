"""The processes that prepare a corpus; none outlives its parent."""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import tqdm

from biobert_jax.errors import InputError, UserInterruptError
from biobert_jax.io import checksums, json_files
from biobert_jax.preprocessing.token_shards import stages
from biobert_jax.text.wordpiece import WordPieceTokenizer

_Result = TypeVar('_Result')
_ShardResult = tuple[dict[str, Any], stages.Tally]


# Of a worker process: the arguments of `_start`, and a cache of words that
# outlives files.
_worker: dict[str, Any] = {}


def _start(
  tokenizer: WordPieceTokenizer, job: stages.CorpusJob, shared: Sequence[Any]
) -> None:
  os.environ['TOKENIZERS_PARALLELISM'] = 'false'
  signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's.
  threading.Thread(target=_end_with_parent, daemon=True).start()
  tokenizing = stages.ArticleTokenizer(tokenizer)
  _worker.update(tokenizing=tokenizing, job=job, shared=shared)


def _end_with_parent() -> None:
  parent = multiprocessing.parent_process()
  if parent is not None:
    parent.join()
    os._exit(1)


def _read(unit: stages.Unit) -> None:
  *counters, stop = _worker['shared']

  def progress(*more: int) -> None:
    if stop.value:
      raise UserInterruptError('stopped')
    for counter, done in zip(counters, more, strict=True):
      with counter.get_lock():
        counter.value += done

  stages.read_unit(unit, _worker['tokenizing'], _worker['job'], progress)


def _write(parts: stages.Parts, wanted: stages.Range) -> _ShardResult:
  """A shard; not again if it was finished before a kill."""
  name = stages.fingerprint(parts.paths, dataclasses.astuple(wanted))
  record = os.path.join(os.path.dirname(parts.paths[0]), f'{name}.shard')
  if os.path.exists(record):
    with open(record, encoding='utf-8') as file:
      entry, stored = json.load(file)
    path = os.path.join(parts.folder, entry['file'])
    if os.path.exists(path) and checksums.file_sha256(path) == entry['sha256']:
      tally = stages.Tally()
      tally.add(stored, len(stored['notes']))
      return entry, tally
  group_bytes = _worker['job'].group_bytes
  entry, tally = stages.write_range(parts, wanted, group_bytes)
  json_files.write_json(record, [entry, tally.as_dict()], sort_keys=True)
  return entry, tally


class Workers:
  """A pool of processes, spawned: they know neither jax nor TensorFlow."""

  def __init__(
    self, count: int, tokenizer: WordPieceTokenizer, job: stages.CorpusJob
  ):
    """Prepares `count` processes, which start with the first work."""
    context = multiprocessing.get_context('spawn')
    # Characters and bytes of input done; not 0 when the run is to end.
    self._shared = [context.Value('q', 0) for _ in range(3)]
    # Without the tokenizer library's own object, which is slow to send.
    initial = (dataclasses.replace(tokenizer), job, self._shared)
    self._pool = concurrent.futures.ProcessPoolExecutor(
      count, context, _start, initial
    )

  def __enter__(self) -> 'Workers':
    return self

  def __exit__(self, *_: object) -> None:
    stop = self._shared[-1]
    stop.value = 1  # Nobody waits for the rest of a large file.
    self._pool.shutdown(cancel_futures=True)

  def read(self, units: Sequence[stages.Unit]) -> None:
    """Reads units into parts, with a bar of bytes, rate and time left."""
    characters, input_bytes, _ = self._shared
    # The largest first, or the last worker might work alone at the end.
    units = sorted(units, key=_bytes)[::-1]
    start = time.monotonic()
    with tqdm.tqdm(
      total=sum(map(_bytes, units)),
      unit='B',
      unit_scale=True,
      desc='read',
      disable=None,
    ) as bar:

      def show() -> None:
        seconds = time.monotonic() - start
        rate = characters.value / max(seconds, 1e-9) / 1e6
        bar.set_postfix_str(f'text {rate:.1f} MB/s', refresh=False)
        bar.update(input_bytes.value - bar.n)

      self._map(_read, [(unit,) for unit in units], show)

  def write(
    self, parts: stages.Parts, ranges: Sequence[stages.Range]
  ) -> list[_ShardResult]:
    """Writes shards; the manifest's entry and the counts of each."""
    jobs = [(parts, wanted) for wanted in ranges]
    with tqdm.tqdm(
      total=len(jobs), unit=' shards', desc='write', disable=None
    ) as bar:
      return self._map(_write, jobs, done_one=lambda: bar.update(1))

  def _map(
    self,
    function: Callable[..., _Result],
    jobs: Sequence[tuple[Any, ...]],
    tick: Callable[[], None] = lambda: None,
    done_one: Callable[[], object] = lambda: None,
  ) -> list[_Result]:
    try:
      futures = [self._pool.submit(function, *job) for job in jobs]
      waiting = set(futures)
      while waiting:
        done, waiting = concurrent.futures.wait(
          waiting, 0.2, concurrent.futures.FIRST_COMPLETED
        )
        for future in done:
          future.result()
          done_one()
        tick()
      return [future.result() for future in futures]
    except BrokenProcessPool:
      raise InputError(
        'a worker process was killed, most often for memory; run again with'
        ' fewer --workers: what is finished is kept'
      ) from None


def _bytes(unit: stages.Unit) -> int:
  return sum(file.bytes for file in unit.files)
