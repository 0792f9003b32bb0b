"""Estimates memory, time and cost of a config before a slice is rented.

Neither a TPU nor data is needed: the TPU's own compiler runs on any x86_64
Linux, and a step depends on the shapes of a batch alone.
"""

import concurrent.futures
import contextlib
import dataclasses
import json
import logging
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from ml_collections import ConfigDict

from biobert_jax.errors import InputError
from biobert_jax.io import atomic, storage
from biobert_jax.preflight import compiler, topology
from biobert_jax.preflight import report as reports
from biobert_jax.preflight.compile_worker import EVALUATE, TRAIN
from biobert_jax.preflight.compiler import Compiled
from biobert_jax.preflight.topology import Slice
from biobert_jax.training import experiment as experiments

_log = logging.getLogger(__name__)

_Remedy = tuple[str, dict[str, Any]]
# Changes that make a step smaller, those that cost least first.
_REMEDIES: tuple[_Remedy, ...] = (
  ('scores in bfloat16', {'compute.scores_dtype': 'bfloat16'}),
  ('moments sharded', {'mesh.strategy': 'zero1'}),
  ('remat of names', {'compute.remat': 'names'}),
  ('remat of all', {'compute.remat': 'full'}),
  ('2 microbatches', {'accumulate': 2}),
  ('4 microbatches', {'accumulate': 4}),
  ('8 microbatches', {'accumulate': 8}),
  ('fsdp', {'mesh.strategy': 'fsdp'}),
)
# Where none of them is enough.
_LAST_REMEDY: _Remedy = (
  'remat of all, 8 microbatches',
  {'compute.remat': 'full', 'accumulate': 8},
)
# Where a config leaves them to the corpus.
_LABELS: dict[str, tuple[str, ...]] = {
  'ner': ('B', 'I', 'O'),
  'relation': ('0', '1'),
  'pretraining': (),
  'qa': (),
}
_FINEST = 16  # A search ends within this part of the rows that fit.


def preflight(
  config: ConfigDict,
  names: Sequence[str],
  vocab_size: int,
  price: float,
  full: bool,
  search: bool,
  hlo: str,
) -> dict[str, Any]:
  """Reports for each slice whether a config's steps fit, and their cost.

  A JSON object for each slice goes to standard output as soon as it is known,
  a table of all to standard error.

  Args:
    names: of slices, 'v5e-16'.
    vocab_size: tokens of the vocabulary, where the config names none.
    price: of a chip for an hour, in dollars; 0: not known.
    full: whether to compile to the end, for the compiler's estimate of time.
    search: whether to look for the largest batch that fits.
    hlo: where to keep the compiler's files; '': nowhere.

  Raises:
    InputError: wrong arguments; after the report, a step that does not fit.
  """
  if not names:
    raise InputError('preflight needs --topology, such as v5e-16 or v4-32')
  slices = [topology.parse_slice(name) for name in names]
  version = compiler.check_compiler()
  experiments.validate(config)
  if price < 0:
    raise InputError(f'--price {price}; dollars for an hour of a chip')
  # To be compiled as for a corpus of shards, here or not.
  config = ConfigDict(config.to_dict())
  if config.task == 'pretraining':
    config.data.dir = ''
  labels = tuple(config.data.labels) if 'labels' in config.data else ()
  labels = labels or _LABELS[config.task]
  rows = []
  for slice_ in slices:
    _log.info('%s: compiling for %d chips', slice_.name, slice_.chips)
    one = _Preflight(slice_, config, vocab_size, labels)
    # Beside each other: most of a compilation runs on one core.
    with concurrent.futures.ThreadPoolExecutor() as pool:
      scoring = pool.submit(one.compile, {}, False, hlo, EVALUATE)
      compiled = one.compile({}, full, hlo)
    row = reports.make_row(slice_, config, compiled, price, f'libtpu {version}')
    reports.add_evaluation(row, scoring.result(), config)
    if search:
      row['largest'] = one.largest(compiled)
    if not row['fits']:
      row['remedies'] = one.remedies()
    print(json.dumps(row), flush=True)
    rows.append(row)
  sys.stderr.write(reports.table(rows))
  if missed := [row['topology'] for row in rows if not row['fits']]:
    advice = reports.advice(rows)
    raise InputError(f'does not fit {", ".join(missed)}; {advice}')
  if missed := [r['topology'] for r in rows if not r['evaluation']['fits']]:
    raise InputError(
      f'evaluation does not fit {", ".join(missed)}: train.eval_batch_size is '
      f'{config.train.eval_batch_size}; take a smaller one'
    )
  return {'fits': {row['topology']: row['fits'] for row in rows}}


@dataclasses.dataclass(frozen=True)
class _Preflight:
  """One slice and one config, and changes of it."""

  slice_: Slice
  config: ConfigDict
  vocab_size: int
  labels: tuple[str, ...]

  def compile(
    self,
    changes: dict[str, Any],
    full: bool = False,
    hlo: str = '',
    step: str = TRAIN,
  ) -> Compiled:
    config = ConfigDict(self.config.to_dict())
    config.update_from_flattened_dict(changes)
    given = (self.slice_, config, self.vocab_size, self.labels)
    with _folder(hlo, f'{self.slice_.name}-{step}') as folder:
      compiled = compiler.compile_for(*given, folder, full, step)
    size, seconds = compiled.memory.total, compiled.seconds
    said = (self.slice_.name, step, reports.gigabytes(size), seconds)
    _log.info('%s, %s: %s a chip, %d s', *said)
    return compiled

  def remedies(self) -> list[dict[str, Any]]:
    """Changes that make the step smaller, compiled until one of a kind fits."""
    kinds: dict[str, list[_Remedy]] = {}
    for name, changes in _REMEDIES:
      kinds.setdefault(next(iter(changes)), []).append((name, changes))
    # Two at a time: most of a compilation runs on one core.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
      groups = pool.map(self._until_one_fits, kinds.values())
      tried = [row for group in groups for row in group]
    order = [name for name, _ in _REMEDIES]
    tried.sort(key=lambda row: order.index(row['remedy']))
    if not any(row['fits'] for row in tried):
      tried += self._until_one_fits([_LAST_REMEDY])
    return tried

  def _until_one_fits(self, remedies: list[_Remedy]) -> list[dict[str, Any]]:
    tried: list[dict[str, Any]] = []
    current = experiments.flatten(self.config)
    for name, changes in remedies:
      if all(current[key] == value for key, value in changes.items()):
        continue
      row: dict[str, Any] = {'remedy': name, 'changes': changes}
      try:
        compiled = self.compile(changes)
      except InputError as error:
        tried.append(row | {'fits': False, 'refused': str(error)})
        continue
      held = compiled.memory.total
      row |= {'fits': held <= self.slice_.chip.hbm_bytes, 'hbm': held}
      tried.append(row)
      if row['fits']:
        break
    return tried

  def largest(self, first: Compiled) -> dict[str, Any]:
    """The most rows a chip that fit, and the fewest tried that do not."""
    limit, least = self.slice_.chip.hbm_bytes, self.config.accumulate
    shards = self.slice_.chips // self.config.mesh.model
    known = {self.config.batch_size // shards: first.memory}
    while True:
      fitting = [n for n, m in known.items() if m.total <= limit]
      too_many = [n for n, m in known.items() if m.total > limit]
      low, high = max(fitting, default=0), min(too_many, default=None)
      step = max(least, low // _FINEST // least * least)
      if high is not None and high - low <= step:
        break
      # What a step holds beside its state grows about as its rows do: from the
      # size nearest to the limit, rows that would just fill the memory.
      rows, memory = min(known.items(), key=lambda k: abs(k[1].total - limit))
      each = memory.temporaries / rows
      full = int((limit - memory.arguments - memory.outputs) / each)
      guess = max(low + step, full // step * step)
      if high is not None and guess >= high:
        guess = max(low + step, (high - 1) // step * step)
      known[guess] = self.compile({'batch_size': guess * shards}).memory
    batch_size = low * shards
    return {
      'rows_per_chip': low,
      'batch_size': batch_size,
      'does_not_fit': high,
    }


@contextlib.contextmanager
def _folder(kept: str, name: str) -> Iterator[pathlib.Path]:
  """A folder for the compiler, kept where the user wants it."""
  if not kept:
    with tempfile.TemporaryDirectory(prefix='preflight') as path:
      yield pathlib.Path(path)
    return
  folder = storage.path(kept) / name.replace(':', '-')
  if isinstance(folder, storage.BucketPath):
    if storage.is_dir(folder):
      raise InputError(f'--hlo {folder}: not empty; name another folder')
    with atomic.staged(folder) as aside:
      aside.mkdir()
      yield aside
    return
  folder = folder.resolve()
  try:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
      raise InputError(f'--hlo {folder}: not empty; name another folder')
  except OSError as error:
    raise InputError(f'--hlo {folder}: {error.strerror}') from error
  yield folder
