"""The room is imported without TensorFlow and without the client of buckets."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = """
import sys
sys.modules['tensorflow'] = None
import importlib
for name in sys.argv[1:]:
  importlib.import_module(name)
assert 'google.auth' not in sys.modules
"""


def test_every_module_without_tensorflow_and_buckets():
  paths = sorted((ROOT / 'biobert_jax' / 'training').rglob('*.py'))
  names = ['.'.join(p.relative_to(ROOT).with_suffix('').parts) for p in paths]
  assert 'biobert_jax.training.train' in names
  command = [sys.executable, '-c', PROGRAM, *names]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
