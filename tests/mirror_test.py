"""Each module has a test at its own path, or one whose docstring names it."""

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
  modules = (ROOT / 'biobert_jax').rglob('[!_]*.py')
  without = [
    module
    for path in sorted(modules)
    if (module := str(path.relative_to(ROOT / 'biobert_jax'))) not in mirrored
    and not any(fnmatch.fnmatch(module, name) for name in named)
  ]
  assert without == [], 'name each in the docstring of the test that covers it'
