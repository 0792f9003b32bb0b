"""Each module has a test at its own path, or one whose docstring names it.

And each test of a room is called after a module: `MODULE_test.py`, or
`MODULE_WHAT_test.py` for a part of it.
"""

import ast
import fnmatch
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_each_module_has_a_test_that_says_so() -> None:
  tests = sorted((ROOT / 'tests').rglob('*_test.py'))
  mirrored = {
    str(path.relative_to(ROOT / 'tests')).replace('_test.py', '.py')
    for path in tests
  }
  docstrings = [
    ast.get_docstring(ast.parse(path.read_text('utf-8'))) or ''
    for path in tests
  ]
  # As `commands/*.py` or `training/train.py` in the docstring of a test.
  named = re.findall(r'`([\w/*]+\.py)`', '\n'.join(docstrings))
  package = ROOT / 'biobert_jax'
  modules = [str(p.relative_to(package)) for p in package.rglob('[!_]*.py')]
  without = [
    module
    for module in sorted(modules)
    if module not in mirrored
    and not any(fnmatch.fnmatch(module, name) for name in named)
  ]
  rooms = {path.name for path in package.iterdir()}
  gone = [
    name
    for name in named
    if name.split('/')[0] in rooms and not fnmatch.filter(modules, name)
  ]
  assert gone == [], 'a docstring names a module that is not there'
  assert without == [], 'name each in the docstring of the test that covers it'


def test_each_test_of_a_room_is_called_after_a_module() -> None:
  strange = []
  for path in sorted((ROOT / 'tests').rglob('*_test.py')):
    place = path.relative_to(ROOT / 'tests')
    room = ROOT / 'biobert_jax' / place.parent
    stem = place.name.removesuffix('_test.py')
    names = {module.stem for module in room.glob('[!_]*')}
    parts = stem.split('_')
    heads = {'_'.join(parts[: i + 1]) for i in range(len(parts))}
    if len(place.parts) > 1 and room.is_dir() and not heads & names:
      strange.append(str(place))
  assert strange == []
