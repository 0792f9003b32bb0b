"""What the tests of faults share: a run that nothing befell."""

import pathlib
from collections.abc import Iterator

import jax
import pytest

from biobert_jax import train
from tests import small_run


@pytest.fixture(scope='session', autouse=True)
def cache(tmp_path_factory) -> Iterator[pathlib.Path]:
  """Compiled programs: a session compiles each but once.

  Of this session alone: another that writes it meanwhile would harm it.
  """
  folder = tmp_path_factory.mktemp('compiled')
  names = {
    'jax_compilation_cache_dir': str(folder),
    'jax_persistent_cache_min_compile_time_secs': 0.0,
  }
  before = {name: getattr(jax.config, name) for name in names}
  for name, value in names.items():
    jax.config.update(name, value)
  yield folder
  for name, value in before.items():
    jax.config.update(name, value)


@pytest.fixture(scope='session')
def whole(tmp_path_factory) -> pathlib.Path:
  """The work folder of an unbroken run, one process with eight devices."""
  folder = tmp_path_factory.mktemp('whole') / 'run'
  train.train(small_run.config(), str(folder))
  return folder
