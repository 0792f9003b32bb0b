"""The wheel, in environments of what it declares alone, in an empty folder.

The environments hold links to the packages of this one: those that the wheel's
metadata name, what these bring, and nothing else.
"""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.fixtures import model_folders
from tests.fixtures.compiler_flags import QUICK

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']


def distribution(name: str) -> importlib.metadata.Distribution:
  try:
    return importlib.metadata.distribution(name)
  except importlib.metadata.PackageNotFoundError:
    if name != 'tensorflow':
      raise
    return importlib.metadata.distribution('tensorflow-cpu')


def brought_by(
  lines: list[str],
) -> dict[str, importlib.metadata.Distribution]:
  """Distributions that requirements bring, by name; refuses a wrong version."""
  found: dict[str, importlib.metadata.Distribution] = {}
  todo = [(Requirement(line), '') for line in lines]
  seen = set()
  while todo:
    wanted, extra = todo.pop()
    if wanted.marker and not wanted.marker.evaluate({'extra': extra}):
      continue
    for inner in ('', *wanted.extras):
      if (wanted.name, inner) not in seen:
        seen.add((wanted.name, inner))
        found[wanted.name] = there = distribution(wanted.name)
        assert wanted.specifier.contains(there.version), wanted
        todo += [(Requirement(line), inner) for line in there.requires or ()]
  return found


class Installed:
  """An environment that holds the wheel."""

  def __init__(self, folder: Path, wheel: Path, requirements: list[str]):
    """Links what `requirements` bring; installs the wheel as pip does."""
    venv.create(folder, symlinks=True)
    self._bin = folder / 'bin'
    (site,) = folder.glob('lib/python*/site-packages')
    for there in brought_by(requirements).values():
      for name in {file.parts[0] for file in there.files or ()}:
        link = site / name
        if name not in ('..', '__pycache__') and not link.is_symlink():
          link.symlink_to(there.locate_file(name))
    pip = [sys.executable, '-m', 'pip', f'--python={self._bin / "python"}']
    install = ['install', '-q', '--no-deps', '--no-index', str(wheel)]
    subprocess.run([*pip, *install], check=True)

  def run(
    self, program: str, *arguments: str, cwd: Path
  ) -> subprocess.CompletedProcess[str]:
    """Runs a program of the environment, which sees no checkout."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith('PYTHON')}
    return subprocess.run(
      [self._bin / program, *arguments],
      cwd=cwd,
      env=kept | {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': QUICK},
      capture_output=True,
      text=True,
    )


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
  folder = tmp_path_factory.mktemp('wheel')
  build = [sys.executable, '-m', 'hatchling', 'build', '-t', 'wheel']
  subprocess.run([*build, '-d', str(folder)], cwd=ROOT, check=True)
  (built,) = folder.glob('biobert_jax-*.whl')
  return built


@pytest.fixture(scope='module')
def plain(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Installed:
  """With no extra: neither TensorFlow nor array_record."""
  folder = tmp_path_factory.mktemp('plain')
  return Installed(folder, wheel, PROJECT['dependencies'])


@pytest.fixture(scope='module')
def training(
  tmp_path_factory: pytest.TempPathFactory, wheel: Path
) -> Installed:
  """With the extra `train`."""
  folder = tmp_path_factory.mktemp('train')
  extra = PROJECT['optional-dependencies']['train']
  return Installed(folder, wheel, [*PROJECT['dependencies'], *extra])


def test_it_says_what_it_can_do(plain: Installed, tmp_path: Path) -> None:
  done = plain.run('biobert-jax', '--help', cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert 'predict' in done.stdout
  assert not list(tmp_path.iterdir())


def test_no_package_configs_is_installed(
  plain: Installed, tmp_path: Path
) -> None:
  absent = ['configs', 'tests', 'scripts', 'tensorflow', 'array_record']
  program = f"""
import importlib.util
for name in ('biobert_jax', *{absent}):
  if importlib.util.find_spec(name) is None:
    print(name)
"""
  done = plain.run('python', '-c', program, cwd=tmp_path)
  assert done.stdout.split() == absent, done.stderr


def test_a_sentence_is_tagged_without_tensorflow(
  plain: Installed, tmp_path: Path
) -> None:
  model_folders.write_huggingface(tmp_path / 'model')
  (tmp_path / 'text.txt').write_text('Gout is painful.\n')
  files = ('--input=text.txt', '--output=out.jsonl')
  done = plain.run(
    'biobert-jax', 'predict', '--model=model', *files, cwd=tmp_path
  )
  assert done.returncode == 0, done.stderr
  (document,) = (tmp_path / 'out.jsonl').read_text().splitlines()
  assert 'entities' in json.loads(document)


def test_every_experiment_loads_by_name(
  plain: Installed, tmp_path: Path
) -> None:
  program = """
from biobert_jax.commands import config_files
from biobert_jax.configs import quickstart
assert quickstart.get_config('tiny').is_locked
for name in config_files.config_names():
  for variant in ('tiny', 'base', 'large'):
    assert config_files.load_config(f'{name}:{variant}').is_locked
  print(name)
"""
  done = plain.run('python', '-c', program, cwd=tmp_path)
  names = sorted(file.stem for file in (ROOT / 'configs').glob('[a-z]*.py'))
  assert done.stdout.split() == names, done.stderr


def test_training_without_tensorflow_names_the_extra(
  plain: Installed, tmp_path: Path
) -> None:
  start = ('train', '--config=quickstart:tiny', '--workdir=run')
  done = plain.run('biobert-jax', *start, cwd=tmp_path)
  assert done.returncode == 3
  assert "pip install 'biobert-jax[train]'" in done.stderr
  assert 'Traceback' not in done.stderr


def test_a_run_of_the_extra_is_scored_without_it(
  training: Installed, plain: Installed, tmp_path: Path
) -> None:
  done = training.run(
    *('biobert-jax', 'train', '--config=quickstart:tiny', '--workdir=run'),
    *('--config.train.epochs=1', '--config.train.evaluations=1'),
    cwd=tmp_path,
  )
  assert done.returncode == 0, done.stderr
  trained = json.loads(done.stdout.splitlines()[-1])
  score = ('biobert-jax', 'evaluate', '--workdir=run', '--split=test')
  done = plain.run(*score, cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  scored = json.loads(done.stdout.splitlines()[-1])
  assert scored['f1'] == trained['results']['test']['f1']


def test_the_tour_runs_from_the_wheel_alone(
  training: Installed, tmp_path: Path
) -> None:
  """Every code cell of the notebook, in order, without a notebook's server."""
  notebook = json.loads((ROOT / 'scripts' / 'tour.ipynb').read_text())
  cells = [
    ''.join(cell['source'])
    for cell in notebook['cells']
    if cell['cell_type'] == 'code'
  ]
  # What only IPython reads installs the library, which is there.
  program = '\n'.join(cells).replace('  %pip ', '  pass  # %pip ')
  # How well relations and answers are learned is not looked at.
  program, shortened = re.subn(r"('train.steps'): \d+", r'\1: 4', program)
  assert shortened == 2
  # The last cell says whether the export tags as the model does.
  *before, compared = ast.parse(program).body
  shown = ast.parse(f'print({ast.unparse(compared)})').body
  (tmp_path / 'tour.py').write_text(
    ast.unparse(ast.Module([*before, *shown], []))
  )
  done = training.run('python', 'tour.py', cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert done.stdout.splitlines()[-1] == 'True'
