"""Where compiled programs are kept, and who decides it."""

import os
import pathlib
import subprocess
import sys

import jax
import pytest

from biobert_jax.training import compile_cache

ROOT = pathlib.Path(__file__).parents[2]
# Prints where they are kept, then compiles something slow enough.
PROGRAM = """
import jax
from biobert_jax.training import compile_cache
compile_cache.enable()
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
print(jax.config.jax_compilation_cache_dir)
jax.jit(lambda x: x @ x + 1)(jax.numpy.ones((8, 8))).block_until_ready()
"""


def run(**environment: str) -> subprocess.CompletedProcess[str]:
  kept = {k: v for k, v in os.environ.items() if not k.startswith('JAX_')}
  return subprocess.run(
    [sys.executable, '-c', PROGRAM],
    cwd=ROOT,
    env=kept | {'JAX_PLATFORMS': 'cpu'} | environment,
    check=True,
    capture_output=True,
    text=True,
  )


def test_programs_are_kept_below_the_cache_folder(tmp_path):
  folder = pathlib.Path(run(XDG_CACHE_HOME=str(tmp_path)).stdout.strip())
  assert folder.parent == tmp_path / 'biobert-jax' / 'compiled'
  assert list(folder.glob('jit*-cache'))


def test_without_a_cache_folder_they_are_kept_in_the_home_folder(tmp_path):
  done = run(HOME=str(tmp_path), XDG_CACHE_HOME='')
  assert list(tmp_path.glob('.cache/biobert-jax/compiled/*/jit*-cache'))
  assert done.stdout.startswith(str(tmp_path))


@pytest.mark.parametrize('folder', ['chosen', ''])
def test_the_users_folder_wins(tmp_path, folder):
  chosen = str(tmp_path / folder) if folder else ''
  done = run(XDG_CACHE_HOME=str(tmp_path), JAX_COMPILATION_CACHE_DIR=chosen)
  assert done.stdout.strip() == chosen
  assert not (tmp_path / 'biobert-jax').exists()


def test_a_folder_that_cannot_be_made_is_a_warning_of_one_line(tmp_path):
  (tmp_path / 'file').write_text('')
  done = run(XDG_CACHE_HOME=str(tmp_path / 'file'))
  assert done.stdout.strip() == 'None'
  (line,) = done.stderr.splitlines()
  assert line.startswith('compiled programs are not kept: ')
  assert 'Not a directory; set JAX_COMPILATION_CACHE_DIR to' in line


def test_disable(monkeypatch):
  monkeypatch.setattr(jax.config, 'update', lambda *pair: pairs.append(pair))
  pairs: list[tuple[str, object]] = []
  compile_cache.disable()
  assert pairs == [('jax_enable_compilation_cache', False)]
