"""The laws of the house: which room may import what, and what none may do."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = 'biobert_jax'
FOLDERS = (PACKAGE, 'configs', 'scripts', 'tpu_setup')

# Room -> what it may import besides the standard library, `biobert_jax.errors`
# and itself. A name covers what lies under it. Rooms further down stand on
# those above; the programs at the top of the package may import every room.
ROOMS = {
  'models': {'jax', 'flax', 'jaxtyping', 'numpy'},
  'data': {'numpy', 'tokenizers', 'sentencepiece', 'absl.logging', 'lxml'}
  | {'array_record'},
  'metrics': {'numpy'},
  'slices': set(),
  'training': {'jax', 'optax', 'orbax', 'etils', 'jaxtyping', 'numpy'}
  | {'tensorboardX', 'tqdm', 'matplotlib'},
  'interchange': {'biobert_jax.models'}
  | {'numpy', 'ml_dtypes', 'safetensors', 'jax', 'onnx', 'onnxruntime'},
  'tasks': {
    'biobert_jax.models',
    'biobert_jax.data',
    'biobert_jax.metrics',
    'biobert_jax.tasks.losses',
    'biobert_jax.tasks.masking',
    *('jax', 'flax', 'jaxtyping', 'numpy', 'ml_collections'),
  },
}

# What only these files may import, whatever their room.
RESERVED = {
  'tensorflow': {
    'biobert_jax/data/input_pipeline.py',
    'biobert_jax/data/pretraining/shards.py',
    'biobert_jax/checkpoints/formats/tensorflow.py',
  },
  'tensorflow_datasets': {'biobert_jax/data/ner/tfds_builders.py'},
  'absl.flags': {'biobert_jax/__main__.py', 'scripts/', 'tpu_setup/'},
  'argparse': {'biobert_jax/__main__.py', 'scripts/', 'tpu_setup/'},
}
NOWHERE = {'pickle', 'dill', 'marshal', 'shelve', 'joblib', 'torch'}
NO_CALLS = {'eval', 'exec', 'os.system', 'yaml.load', 'pickle.load'}
NO_NAMES = {'util', 'utils', 'misc', 'helpers'}


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
  """(line, dotted name) of every import, also inside functions."""
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      yield from ((node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      module = '.' * node.level + (node.module or '')
      for alias in node.names:
        yield node.lineno, f'{module}.{alias.name}'


def covered(name: str, allowed: set[str]) -> bool:
  return any(name == one or name.startswith(one + '.') for one in allowed)


def import_faults(path: str, tree: ast.Module) -> Iterator[str]:
  """Imports that a room's row, a reservation or a ban forbids."""
  parts = path.split('/')
  room = parts[1] if parts[0] == PACKAGE and len(parts) > 2 else ''
  if room and room not in ROOMS:
    yield f'{path}: a room that tests/import_rules_test.py does not know'
  own = {f'{PACKAGE}.{room}', f'{PACKAGE}.errors'}
  for line, name in imports(tree):
    where = f'{path}:{line}: imports {name}'
    reserved = {k: v for k, v in RESERVED.items() if covered(name, {k})}
    for files in reserved.values():
      if not any(path.startswith(file) for file in files):
        yield f'{where}, which only {sorted(files)} may'
    if covered(name, NOWHERE):
      yield f'{where}, which no file may'
    if name.startswith('.'):
      yield f'{where}: write the full name'
    standard = name.split('.')[0] in sys.stdlib_module_names
    allowed = (
      standard or reserved or covered(name, own | ROOMS.get(room, set()))
    )
    if room in ROOMS and not allowed:
      yield f'{where}, which {room}/ may not'


def call_faults(path: str, tree: ast.Module) -> Iterator[str]:
  """Calls that run data as code, and defaults that no config shows."""
  for node in ast.walk(tree):
    if not isinstance(node, ast.Call):
      continue
    called = ast.unparse(node.func)
    where = f'{path}:{node.lineno}: {called}'
    if called in NO_CALLS:
      yield f'{where}(...)'
    for keyword in node.keywords:
      risky = keyword.arg in ('shell', 'allow_pickle')
      if risky and ast.unparse(keyword.value) != 'False':
        yield f'{where}(..., {keyword.arg}=...)'
    words = called.split('.')
    if words[-1] == 'get' and 'config' in [w.lstrip('_') for w in words[:-1]]:
      yield f'{where}(...): a default belongs into configs/common/'
    spelt = words[-1] in ('P', 'PartitionSpec') and any(
      isinstance(argument, ast.Constant) and isinstance(argument.value, str)
      for argument in node.args
    )
    if spelt and path != 'biobert_jax/parallel/sharding.py':
      yield f'{where}(...): only parallel/sharding.py spells a mesh axis'


def file_faults(path: str, source: str) -> Iterator[str]:
  """Names that say nothing, and files too long to hold in mind."""
  if Path(path).stem in NO_NAMES:
    yield f'{path}: name it by what it does'
  limit = 100 if path == f'{PACKAGE}/__main__.py' else 500
  if (lines := source.count('\n')) > limit:
    yield f'{path}: {lines} lines, more than {limit}'


def faults(path: str, source: str) -> list[str]:
  """Everything wrong with a file of the repository, one line each."""
  tree = ast.parse(source)
  return [
    *file_faults(path, source),
    *import_faults(path, tree),
    *call_faults(path, tree),
  ]


def files() -> list[str]:
  found = [p for folder in FOLDERS for p in (ROOT / folder).rglob('*.py')]
  return sorted(p.relative_to(ROOT).as_posix() for p in found)


def test_the_house_keeps_its_laws() -> None:
  assert len(files()) > 20
  found = [
    fault
    for path in files()
    for fault in faults(path, (ROOT / path).read_text(encoding='utf-8'))
  ]
  assert not found, '\n'.join(found)


@pytest.mark.parametrize(
  ('path', 'source'),
  [
    ('biobert_jax/models/x.py', 'import ml_collections'),
    ('biobert_jax/models/x.py', 'from biobert_jax.data import ner'),
    ('biobert_jax/models/x.py', 'from biobert_jax.training import sharding'),
    ('biobert_jax/data/x.py', 'import jax.numpy as jnp'),
    ('biobert_jax/data/x.py', 'def f():\n  import optax'),
    ('biobert_jax/data/x.py', 'import tensorflow as tf'),
    ('biobert_jax/data/x.py', 'from absl import flags'),
    ('biobert_jax/data/input_pipeline.py', 'import tensorflow_datasets'),
    ('biobert_jax/metrics/x.py', 'from jax import numpy'),
    ('biobert_jax/metrics/x.py', 'from biobert_jax import data'),
    ('biobert_jax/slices/x.py', 'import jax'),
    ('biobert_jax/training/x.py', 'from biobert_jax import models'),
    ('biobert_jax/interchange/x.py', 'import biobert_jax.tasks.ner'),
    ('biobert_jax/tasks/x.py', 'from biobert_jax.training import state'),
    ('biobert_jax/training/train.py', 'import tensorflow'),
    ('biobert_jax/training/train.py', 'import argparse'),
    ('biobert_jax/training/train.py', 'from . import run'),
    ('biobert_jax/training/train.py', 'import pickle'),
    ('biobert_jax/attic/x.py', 'x = 1'),
    ('biobert_jax/utils.py', 'x = 1'),
    ('biobert_jax/training/train.py', 'x = 1\n' * 501),
    ('biobert_jax/__main__.py', 'x = 1\n' * 101),
    ('configs/x.py', 'eval("1")'),
    ('scripts/x.py', 'import os\nos.system("ls")'),
    ('scripts/x.py', 'subprocess.run("ls", shell=True)'),
    ('scripts/x.py', 'np.load(path, allow_pickle=True)'),
    ('biobert_jax/training/train.py', 'config.get("x", 1)'),
    ('biobert_jax/training/train.py', 'self.config.optim.get("x")'),
    ('biobert_jax/training/train.py', 'P(None, "data")'),
  ],
)
def test_a_planted_fault_is_found(path: str, source: str) -> None:
  assert len(faults(path, source)) == 1


@pytest.mark.parametrize(
  ('path', 'source'),
  [
    ('biobert_jax/models/x.py', 'from biobert_jax.errors import InputError'),
    ('biobert_jax/models/x.py', 'from biobert_jax.models import layers'),
    ('biobert_jax/data/input_pipeline.py', 'import tensorflow as tf'),
    ('biobert_jax/tasks/x.py', 'from biobert_jax.training import losses'),
    ('biobert_jax/training/train.py', 'from biobert_jax import run'),
    ('biobert_jax/__main__.py', 'from absl import flags'),
    ('scripts/x.py', 'import argparse'),
    ('biobert_jax/training/train.py', 'counts.get("x", 0)'),
    ('biobert_jax/training/train.py', 'np.load(path, allow_pickle=False)'),
    ('biobert_jax/training/train.py', 'task.eval(batch)'),
    ('biobert_jax/parallel/sharding.py', 'P(None, "data")'),
  ],
)
def test_what_is_lawful_passes(path: str, source: str) -> None:
  assert faults(path, source) == []


def test_models_and_training_run_without_tensorflow() -> None:
  modules = [
    path.removesuffix('.py').replace('/', '.')
    for path in files()
    if path.split('/')[1] in ('models', 'metrics', 'training')
  ]
  code = (
    "import sys; sys.modules['tensorflow'] = None\n"  # Importing it raises.
    f'import {", ".join(modules)}'
  )
  child = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  )
  assert child.returncode == 0, child.stderr
