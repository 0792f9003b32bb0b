"""What pyproject.toml declares is what the code imports and the pins are."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import biobert_jax

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
# TensorFlow for the CPU alone holds the same files.
SAME = {'tensorflow-cpu': 'tensorflow'}
# Imported where present, and only there: other systems to compare with.
OPTIONAL = {'transformers', 'torch'}


def declared(*extras: str) -> dict[str, Requirement]:
  """Requirements by name: the package's and those of extras."""
  lines = [*PROJECT['dependencies']]
  for extra in extras:
    lines += PROJECT['optional-dependencies'][extra]
  found = map(Requirement, lines)
  return {canonicalize_name(one.name): one for one in found}


def pinned(path: str) -> dict[str, str]:
  """Name -> version of each `name==version` of a file."""
  pins = re.findall(
    r'^([\w.-]+)(?:\[\w+\])?==([\w.]+)', (ROOT / path).read_text(), re.M
  )
  return {canonicalize_name(name): version for name, version in pins}


def imported() -> set[str]:
  """Top-level names of other projects that the package imports."""
  names = set()
  for path in (ROOT / 'biobert_jax').rglob('*.py'):
    for node in ast.walk(ast.parse(path.read_text('utf-8'))):
      if isinstance(node, ast.Import):
        names |= {alias.name.split('.')[0] for alias in node.names}
      elif isinstance(node, ast.ImportFrom):
        names.add((node.module or '').split('.')[0])
  return names - sys.stdlib_module_names - {'biobert_jax', 'configs'}


def test_requirements_pin_every_declared_package_inside_its_range() -> None:
  pins = pinned('requirements.txt')
  pins = {SAME.get(name, name): version for name, version in pins.items()}
  wanted = declared('train')
  assert pins.keys() == wanted.keys()
  for name, version in pins.items():
    assert wanted[name].specifier.contains(version), name


def test_beams_own_pins_are_inside_its_ranges() -> None:
  pins, wanted = pinned('scripts/requirements-beam.txt'), declared('beam')
  for name in wanted.keys() & pins.keys():
    assert wanted[name].specifier.contains(pins[name]), name
  assert {'apache-beam', 'array-record', 'pyarrow'} <= pins.keys()


@pytest.mark.parametrize(
  'path',
  ['requirements.txt', 'tests/requirements.txt', 'tests/tpu/requirements.txt'],
)
def test_direct_pins_are_those_of_the_constraints(path: str) -> None:
  constraints = pinned('tpu_setup/constraints.txt')
  pins = pinned(path)
  pins.pop('tensorflow', None)  # For machines of other kinds than x86_64.
  assert pins == {name: constraints[name] for name in pins}


def test_every_import_is_declared() -> None:
  modules = importlib.metadata.packages_distributions()
  wanted = declared('train', 'beam').keys()
  for module in imported() - OPTIONAL - {'apache_beam'}:
    owners = {canonicalize_name(name) for name in modules[module]}
    assert {SAME.get(owner, owner) for owner in owners} & wanted, module


def test_the_version_is_the_changelog_s() -> None:
  """The newest heading; CITATION.cff says the same."""
  heading = re.search(r'^## (\S+)', (ROOT / 'CHANGELOG.md').read_text(), re.M)
  assert heading
  assert heading[1] == biobert_jax.__version__
  cited = (ROOT / 'CITATION.cff').read_text()
  assert f'\nversion: {biobert_jax.__version__}\n' in cited


def test_each_python_that_the_environment_may_have_is_declared() -> None:
  script = (ROOT / 'scripts' / 'setup_env.sh').read_text()
  chosen = re.search(r'^readonly PYTHONS=\((.*)\)', script, re.M)
  assert chosen
  prefix = 'Programming Language :: Python :: '
  listed = [c.removeprefix(prefix) for c in PROJECT['classifiers']]
  assert [c for c in listed if c[0] == '3'] == chosen[1].split()[::-1]
  assert PROJECT['requires-python'] == f'>={chosen[1].split()[-1]}'


def test_the_changelog_s_new_names_exist() -> None:
  """A module, or a name that stands at the top of one."""
  text = (ROOT / 'CHANGELOG.md').read_text()
  below = text.partition('Every public name that moved')[2]
  rows = re.findall(r'^\| `[\w.]+` \| `([\w.]+)` \|$', below, re.M)
  assert len(rows) > 100
  package = ROOT / 'biobert_jax'
  missing = []
  for row in rows:
    path = package.joinpath(*row.split('.'))
    if path.is_dir() or path.with_suffix('.py').is_file():
      continue
    module = path.parent.with_suffix('.py')
    text = module.read_text('utf-8') if module.is_file() else ''
    defined = rf'^(class |def )?{path.name}\b|^[A-Z_, ]*\b{path.name}\b.* = '
    if not re.search(defined, text, re.M):
      missing.append(row)
  assert not missing
