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


@pytest.fixture
def enabled(monkeypatch):
  """What `enable` sets, by the variables of an environment."""
  pairs: dict[str, object] = {}
  monkeypatch.setattr(jax.config, 'update', pairs.__setitem__)
  for name in [name for name in os.environ if name.startswith('JAX_')]:
    monkeypatch.delenv(name)

  def enable(**environment: str) -> dict[str, object]:
    for name, value in environment.items():
      monkeypatch.setenv(name, value)
    compile_cache.enable()
    return pairs

  return enable


def test_programs_are_kept_below_the_cache_folder(tmp_path):
  kept = {k: v for k, v in os.environ.items() if not k.startswith('JAX_')}
  more = {'JAX_PLATFORMS': 'cpu', 'XDG_CACHE_HOME': str(tmp_path)}
  done = subprocess.run(
    [sys.executable, '-c', PROGRAM],
    cwd=ROOT,
    env=kept | more,
    check=True,
    capture_output=True,
    text=True,
  )
  folder = pathlib.Path(done.stdout.strip())
  assert folder.parent == tmp_path / 'biobert-jax' / 'compiled'
  assert list(folder.glob('jit*-cache'))


def test_without_a_cache_folder_they_are_kept_in_the_home_folder(
  tmp_path, enabled
):
  pairs = enabled(HOME=str(tmp_path), XDG_CACHE_HOME='')
  (folder,) = tmp_path.glob('.cache/biobert-jax/compiled/*')
  assert pairs == {
    'jax_compilation_cache_dir': str(folder),
    'jax_persistent_cache_min_compile_time_secs': 0.1,
  }


@pytest.mark.parametrize('folder', ['chosen', ''])
def test_the_users_folder_wins(tmp_path, enabled, folder):
  chosen = str(tmp_path / folder) if folder else ''
  variables = {'JAX_COMPILATION_CACHE_DIR': chosen}
  assert enabled(XDG_CACHE_HOME=str(tmp_path), **variables) == {}
  assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_warning_of_one_line(
  tmp_path, enabled, caplog
):
  (tmp_path / 'file').write_text('')
  assert enabled(XDG_CACHE_HOME=str(tmp_path / 'file')) == {}
  (line,) = caplog.messages
  assert line.startswith('compiled programs are not kept: ')
  assert 'Not a directory; set JAX_COMPILATION_CACHE_DIR to' in line
  assert '\n' not in line


def test_disable(monkeypatch):
  monkeypatch.setattr(jax.config, 'update', lambda *pair: pairs.append(pair))
  pairs: list[tuple[str, object]] = []
  compile_cache.disable()
  assert pairs == [('jax_enable_compilation_cache', False)]
