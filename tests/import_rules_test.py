"""The laws of the house: which room may import what, and what none may do."""

import ast
import graphlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = 'biobert_jax'
FOLDERS = (PACKAGE, 'configs', 'scripts', 'tpu_setup')

# Room -> the rooms that it may import, besides itself, `errors` and
# `__version__`. This is the table of biobert_jax/README.md. The programs at
# the top of the package may import every room.
ROOMS = {
  'io': '',
  'models': '',
  'parallel': '',
  'text': 'io',
  'metrics': 'text io',
  'data': 'text io',
  'preprocessing': 'data text io',
  'checkpoints': 'models text io',
  'tasks': 'models data metrics parallel text io',
  'training': 'tasks checkpoints parallel models data text io',
  'inference': 'tasks checkpoints parallel models data metrics text io',
  'protocol': 'training inference tasks data metrics text io',
  'preflight': 'training inference tasks parallel models text io',
  'commands': 'io models parallel text metrics data preprocessing checkpoints '
  'tasks training inference protocol preflight',
}
# Rooms that run on a machine without jax.
WITHOUT_JAX = {'io', 'text', 'metrics', 'data', 'preprocessing'}

# What only these files may import, whatever their room.
RESERVED = {
  'tensorflow': {
    'biobert_jax/data/input_pipeline.py',
    'biobert_jax/checkpoints/formats/tensorflow.py',
  },
  'tensorflow_datasets': {'biobert_jax/data/ner/tfds_builders.py'},
  # By the first request only: it takes a second to import.
  'google.cloud': {'biobert_jax/io/buckets/'},
  'google.auth': {'biobert_jax/io/buckets/'},
  'google.api_core': {'biobert_jax/io/buckets/'},
  'absl.flags': set(),
  'pickle': {'biobert_jax/checkpoints/formats/torch/restricted_pickle.py'},
  'argparse': {'biobert_jax/commands/', 'scripts/', 'tpu_setup/'},
}
NOWHERE = {'dill', 'marshal', 'shelve', 'joblib', 'torch'}
NO_CALLS = {'eval', 'exec', 'os.system', 'yaml.load', 'pickle.load'}
# A half-written file must not have its name: one file renames, and one indents.
RENAMES = {'os.replace', 'os.rename', 'os.renames', 'shutil.move'}
# Moves folders of Orbax, which may lie in a bucket.
MAY_MOVE = {'biobert_jax/checkpoints/integrity.py'}
JSON_WRITER = 'biobert_jax/io/json_files.py'
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


def room_of(module: str) -> str:
  """The room of a dotted name; '' for a file at the top of the package."""
  parts = module.split('.')
  is_room = len(parts) > 1 and parts[0] == PACKAGE and parts[1] in ROOMS
  return parts[1] if is_room else ''


def import_faults(path: str, tree: ast.Module) -> Iterator[str]:
  """Imports that a room's row, a reservation or a ban forbids."""
  parts = path.split('/')
  room = parts[1] if parts[0] == PACKAGE and len(parts) > 2 else ''
  if room and room not in ROOMS:
    yield f'{path}: a room that tests/import_rules_test.py does not know'
  for line, name in imports(tree):
    where = f'{path}:{line}: imports {name}'
    for reserved, files in RESERVED.items():
      if covered(name, {reserved}) and not path.startswith(tuple(files)):
        yield f'{where}, which only {sorted(files)} may'
    if covered(name, NOWHERE):
      yield f'{where}, which no file may'
    if name.startswith('.') and not path.startswith('configs/'):
      yield f'{where}: write the full name'
    if room in WITHOUT_JAX and covered(name, {'jax', 'flax', 'optax', 'orbax'}):
      yield f'{where}, but {room}/ runs without jax'
    if room in ROOMS and covered(name, {PACKAGE}):
      may = {room, *ROOMS[room].split()}
      free = covered(name, {f'{PACKAGE}.errors', f'{PACKAGE}.__version__'})
      if not free and name != PACKAGE and room_of(name) not in may:
        yield f'{where}, which {room}/ may not'


def circles(sources: dict[str, str]) -> list[str]:
  """Circles of imports between files, each as 'a -> b -> a'.

  Args:
    sources: path of a file -> its text.
  """
  modules = {
    path.removesuffix('.py').replace('/', '.').removesuffix('.__init__'): path
    for path in sources
  }
  arrows = {}
  for module, path in modules.items():
    names = {name for _, name in imports(ast.parse(sources[path]))}
    # All may import it: its file hands on everything else when it is used.
    names.discard(f'{PACKAGE}.__version__')
    found = {n if n in modules else n.rpartition('.')[0] for n in names}
    arrows[module] = sorted((found & modules.keys()) - {module})
  try:
    tuple(graphlib.TopologicalSorter(arrows).static_order())
  except graphlib.CycleError as error:
    return [' -> '.join(error.args[1])]
  return []


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
    if called in RENAMES and path != 'biobert_jax/io/atomic.py':
      yield f'{where}(...): io/atomic.py renames'
    # A string's `replace` takes two arguments, that of a path one.
    moves = words[-1] == 'replace' and len(node.args) == 1 and not node.keywords
    moves = moves and called != 'dataclasses.replace'
    if (moves or words[-1] == 'rename') and path not in MAY_MOVE:
      yield f'{where}(...): io/atomic.py renames'
    indented = any(keyword.arg == 'indent' for keyword in node.keywords)
    if indented and words[0] == 'json' and path != JSON_WRITER:
      yield f'{where}(..., indent=...): io/json_files.py writes it'
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


def test_no_file_imports_in_a_circle() -> None:
  sources = {p: (ROOT / p).read_text(encoding='utf-8') for p in files()}
  assert circles(sources) == []


def test_no_room_imports_in_a_circle() -> None:
  arrows = {room: may.split() for room, may in ROOMS.items()}
  order = tuple(graphlib.TopologicalSorter(arrows).static_order())
  assert set(order) == ROOMS.keys()


def test_a_circle_is_found() -> None:
  sources = {
    'biobert_jax/io/a.py': 'from biobert_jax.io.b import x',
    'biobert_jax/io/b.py': 'def f():\n  from biobert_jax.io import c',
    'biobert_jax/io/c.py': 'from biobert_jax.io import a',
  }
  (circle,) = circles(sources)
  assert circle.count(' -> ') == 3
  assert circles({**sources, 'biobert_jax/io/c.py': ''}) == []


def test_no_folder_is_crowded() -> None:
  """A newcomer finds a file at a glance; scripts to come have their rooms."""
  counts = Counter(str(Path(p).parent) for p in files())
  crowded = {f for f, n in counts.items() if n > 15} - {
    'biobert_jax/commands',
    'configs',
  }
  assert not crowded


def test_the_rooms_say_what_they_may_import() -> None:
  for room, may in ROOMS.items():
    tree = ast.parse((ROOT / PACKAGE / room / '__init__.py').read_text('utf-8'))
    said = (ast.get_docstring(tree) or '').split('May import')[-1]
    words = {w for w in ROOMS if re.search(rf'\b{w}\b', said)}
    assert words == set(may.split()), room


def test_no_test_imports_a_test() -> None:
  for path in sorted((ROOT / 'tests').rglob('*.py')):
    names = [name for _, name in imports(ast.parse(path.read_text('utf-8')))]
    assert not [n for n in names if re.search(r'_test(\.|$)', n)], path


@pytest.mark.parametrize(
  ('path', 'source'),
  [
    ('biobert_jax/models/x.py', 'from biobert_jax.data import ner'),
    ('biobert_jax/models/x.py', 'from biobert_jax.training import train'),
    ('biobert_jax/data/x.py', 'import jax.numpy as jnp'),
    ('biobert_jax/data/x.py', 'def f():\n  import optax'),
    ('biobert_jax/data/x.py', 'import tensorflow as tf'),
    ('biobert_jax/data/x.py', 'from absl import flags'),
    ('biobert_jax/io/x.py', 'def f():\n  from google.cloud import storage'),
    ('biobert_jax/data/input_pipeline.py', 'import tensorflow_datasets'),
    ('biobert_jax/metrics/x.py', 'from jax import numpy'),
    ('biobert_jax/metrics/x.py', 'from biobert_jax import data'),
    ('biobert_jax/training/x.py', 'from biobert_jax.inference import tagger'),
    ('biobert_jax/inference/x.py', 'from biobert_jax.training import plan'),
    ('biobert_jax/checkpoints/x.py', 'import biobert_jax.tasks.ner'),
    ('biobert_jax/tasks/x.py', 'from biobert_jax.training import state'),
    ('biobert_jax/io/x.py', 'from biobert_jax import training'),
    ('biobert_jax/training/train.py', 'import tensorflow'),
    ('biobert_jax/training/train.py', 'import argparse'),
    ('biobert_jax/training/train.py', 'from . import run'),
    ('biobert_jax/training/train.py', 'import pickle'),
    ('biobert_jax/checkpoints/formats/torch/file.py', 'import pickle'),
    (
      'biobert_jax/checkpoints/formats/torch/restricted_pickle.py',
      'import dill',
    ),
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
    ('biobert_jax/text/x.py', 'os.replace(aside, path)'),
    ('biobert_jax/text/x.py', 'aside.rename(path)'),
    ('biobert_jax/text/x.py', 'aside.replace(path)'),
    ('biobert_jax/text/x.py', 'json.dumps(value, indent=1)'),
    ('biobert_jax/text/x.py', 'json.dump(value, file, indent=2)'),
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
    ('biobert_jax/tasks/x.py', 'from biobert_jax.models import losses'),
    ('biobert_jax/training/train.py', 'from biobert_jax.tasks import ner'),
    ('biobert_jax/io/x.py', 'from biobert_jax import __version__'),
    ('biobert_jax/commands/x.py', 'import argparse'),
    ('scripts/x.py', 'import argparse'),
    ('biobert_jax/io/atomic.py', 'os.replace(aside, path)'),
    ('biobert_jax/io/json_files.py', 'json.dumps(value, indent=indent)'),
    ('biobert_jax/text/x.py', 'json.dumps(value)\ntext.replace("a", "b")'),
    ('biobert_jax/text/x.py', 'dataclasses.replace(one)'),
    ('biobert_jax/training/train.py', 'counts.get("x", 0)'),
    ('biobert_jax/training/train.py', 'np.load(path, allow_pickle=False)'),
    ('biobert_jax/training/train.py', 'task.eval(batch)'),
    ('biobert_jax/parallel/sharding.py', 'P(None, "data")'),
  ],
)
def test_what_is_lawful_passes(path: str, source: str) -> None:
  assert faults(path, source) == []


def test_what_takes_long_to_import_is_not_imported_in_vain() -> None:
  """Models, and what reads them, without TensorFlow and buckets' client."""
  modules = [
    path.removesuffix('.py').replace('/', '.')
    for path in files()
    if path.split('/')[1]
    in ('models', 'metrics', 'tasks', 'checkpoints', 'inference', 'training')
  ]
  code = (
    "import sys; sys.modules['tensorflow'] = None\n"  # Importing it raises.
    f'import {", ".join(modules)}\n'
    "assert 'google.auth' not in sys.modules"
  )
  child = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  )
  assert child.returncode == 0, child.stderr
