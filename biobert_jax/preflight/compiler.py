"""Runs the TPU compiler in a process beside this one, and ends it in time."""

import errno
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from biobert_jax.errors import InputError
from biobert_jax.preflight import compile_worker, hlo, program_cost
from biobert_jax.preflight.topology import Slice

# Names of what XLA leaves, by their ends, in the order that it writes them.
_ASSIGNMENT = 'after_optimizations-buffer-assignment.txt'
_PROGRAM = 'after_optimizations.txt'
_REPORT = 'after_optimizations-memory-usage-report.txt'
_CODE = 'after_codegen.txt'  # The only one with estimated cycles.
_CHILD = (sys.executable, '-m', compile_worker.__name__)
_POLL_SECONDS = 0.2
_LIMIT_SECONDS = 3600.0  # The longest seen: 17 minutes, to machine code.
_LEFT = 2**20  # Bytes; with less the disk counts as full.
_LOG, _SHOWN_LINES = 'log.txt', 20
# The runtime asks a cloud machine's own service and a lock for a chip, unless
# it is told that it is only here to compile.
_ENVIRONMENT = {
  'JAX_PLATFORMS': 'cpu',
  'TPU_SKIP_MDS_QUERY': '1',
  'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
  'TPU_WORKER_HOSTNAMES': 'localhost',
  'TPU_ACCELERATOR_TYPE': 'v5litepod-16',  # Of which nothing is built.
  'TF_CPP_MIN_LOG_LEVEL': '2',
}


_ALLOCATION = re.compile(r'^allocation \d+: size (\d+)(.*)$', re.MULTILINE)
_TOTAL = re.compile(
  r'^Memory Space: default \(color=0\)\nTotal bytes: (\d+)', re.MULTILINE
)
_LARGEST = re.compile(
  r'^ +[\d.]+\w*\([ \d]+%\); +([\d.]+)(B|KiB|MiB|GiB); +\d+; +\d+; (.*)$',
  re.MULTILINE,
)
_UNITS = {'B': 1, 'KiB': 2**10, 'MiB': 2**20, 'GiB': 2**30}
_SHOWN_SHAPES = 80  # Characters of a list of shapes.


class Memory(NamedTuple):
  """Bytes of HBM on one chip."""

  arguments: int  # State and batch.
  outputs: int  # Results that do not take the place of an argument.
  temporaries: int  # Everything else while the step runs.
  largest: tuple[tuple[int, str], ...]  # (bytes, shapes one after the other).

  @property
  def total(self) -> int:
    """All of it."""
    return self.arguments + self.outputs + self.temporaries


class Compiled(NamedTuple):
  """A compiled step, as the compiler reports it."""

  memory: Memory  # Of one chip; known for a step that does not fit, too.
  cost: program_cost.ProgramCost  # Of one chip.
  cycles: int | None  # Estimated; None unless compiled to the end.
  vocab_size: int
  flops_of_row: float  # Of a packed sequence, by the model's own count.
  seconds: float  # That the compilation took.


def check_compiler() -> str:
  """The version of the TPU compiler; an InputError where there is none."""
  found = importlib.util.find_spec('libtpu')
  if found is None or found.origin is None:
    raise InputError(
      'preflight compiles with libtpu, which is not installed here; any x86_64 '
      'Linux can have it: .venv/bin/python -m pip install '
      '-r tpu_setup/requirements-tpu.txt'
    )
  return importlib.metadata.version('libtpu')


def compile_for(
  slice_: Slice,
  config: ConfigDict,
  vocab_size: int,
  labels: tuple[str, ...],
  folder: pathlib.Path,
  to_the_end: bool,
  step: str = compile_worker.TRAIN,
) -> Compiled:
  """Compiles a step of a validated config for a slice that need not exist.

  Args:
    vocab_size: used where the config names no vocabulary.
    labels: the labels that its corpus would have.
    folder: an empty folder for the compiler's files.
    to_the_end: whether to wait for machine code too, minutes later.
    step: `compile_worker.TRAIN` or `EVALUATE`.

  Raises:
    InputError: the config and the slice do not go together.
    RuntimeError: the compiler failed; with its last words.
  """
  request = {
    'config': json.loads(config.to_json_best_effort()),
    'topology': slice_.description,
    'vocab_size': vocab_size,
    'labels': labels,
    'folder': str(folder),
    'step': step,
    'parent': os.getpid(),
  }
  began = time.monotonic()
  with (folder / _LOG).open('w') as log:
    child = subprocess.Popen(
      _CHILD,
      stdin=subprocess.PIPE,
      stdout=log,
      stderr=log,
      env=_environment(),
      text=True,
    )
    try:
      assert child.stdin is not None
      child.stdin.write(json.dumps(request))
      child.stdin.close()
      _wait(child, folder, to_the_end, began + _LIMIT_SECONDS)
    finally:
      child.kill()
      child.wait()
  return _read(slice_, folder, time.monotonic() - began)


def _environment() -> dict[str, str]:
  """The variables of the child: our modules, and no XLA flags for a CPU."""
  inherited = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  paths = [path for path in sys.path if path]
  return inherited | _ENVIRONMENT | {'PYTHONPATH': os.pathsep.join(paths)}


def _wait(
  child: subprocess.Popen[str],
  folder: pathlib.Path,
  to_the_end: bool,
  deadline: float,
) -> None:
  """Waits until the compiler has written the report, or has ended."""
  size = -1
  while child.poll() is None and time.monotonic() < deadline:
    time.sleep(_POLL_SECONDS)
    if not (found := _find(folder, _CODE if to_the_end else _REPORT)):
      continue
    # It grows while it is written: complete when it does so no more.
    before, size = size, found.stat().st_size
    if size and size == before:
      return


def _find(folder: pathlib.Path, ending: str) -> pathlib.Path | None:
  return min(folder.glob(f'*{ending}'), default=None)


def _read(slice_: Slice, folder: pathlib.Path, seconds: float) -> Compiled:
  """Reads the compiler's files in the folder."""
  # On a full disk they end anywhere, and the compiler says nothing.
  if shutil.disk_usage(folder).free < _LEFT:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
  failure: dict[str, Any] = {}
  if (path := folder / compile_worker.FAILURE).exists():
    failure = json.loads(path.read_text())
  if 'input' in failure:
    raise InputError(f'{slice_.name}: {failure["input"]}')
  texts = [_find(folder, end) for end in (_ASSIGNMENT, _REPORT, _PROGRAM)]
  # A step that is too large is described like any other, then refused.
  refused = failure.get('compiler', '').startswith('RESOURCE_EXHAUSTED')
  if None in texts or (failure and not refused):
    log = (folder / _LOG).read_text(errors='replace').splitlines()
    last = failure.get('compiler') or '\n'.join(log[-_SHOWN_LINES:])
    raise RuntimeError(f'{slice_.name}: the compiler gave up: {last}')
  assignment, report, program = (p.read_text() for p in texts if p is not None)
  held = parse_memory(assignment, report)
  cost = program_cost.analyze(hlo.parse(program))
  cycles = None
  if code := _find(folder, _CODE):
    cycles = program_cost.estimated_cycles(hlo.parse(code.read_text()))
  model = json.loads((folder / compile_worker.MODEL).read_text())
  return Compiled(held, cost, cycles, seconds=seconds, **model)


def parse_memory(assignment: str, report: str) -> Memory:
  """Reads XLA's buffer assignment and its report of the largest arrays."""
  total = _TOTAL.search(report)
  if total is None:
    raise ValueError('the memory report names no total of HBM')
  arguments = outputs = 0
  for size, rest in _ALLOCATION.findall(assignment):
    # Other memories have a colour. A constant is part of the program.
    if ', color ' in rest or 'thread-local' in rest:
      continue
    if ', parameter ' in rest:
      arguments += int(size)
    elif 'maybe-live-out' in rest:
      outputs += int(size)
  temporaries = int(total[1]) - arguments - outputs
  hbm = report[total.end() :].partition('\nMemory Space:')[0]
  # Places of the same shapes together, the largest sum first.
  sums: dict[str, list[int]] = {}
  for size, unit, shapes in _LARGEST.findall(hbm):
    places = sums.setdefault(shapes[:_SHOWN_SHAPES], [])
    places.append(int(float(size) * _UNITS[unit]))
  groups = [
    (sum(sizes), f'{len(sizes)} x {shapes}' if len(sizes) > 1 else shapes)
    for shapes, sizes in sums.items()
  ]
  largest = tuple(sorted(groups, key=lambda group: -group[0]))
  return Memory(arguments, outputs, max(0, temporaries), largest)
