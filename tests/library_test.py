"""`import biobert_jax`: instant, and all that it offers."""

import subprocess
import sys

import pytest

import biobert_jax
from biobert_jax.errors import InputError
from tests.fixtures import small_run


def test_importing_it_imports_nothing_else():
  code = (
    'import sys, biobert_jax; dir(biobert_jax)\n'
    "heavy = {'jax', 'numpy', 'flax', 'tensorflow', 'ml_collections'}\n"
    'print(sorted(heavy & sys.modules.keys()))'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  assert done.stdout.strip() == '[]'


def test_all_names_are_there():
  for name in biobert_jax.__all__:
    assert name in dir(biobert_jax)
    assert getattr(biobert_jax, name).__doc__
  assert biobert_jax.Tagger is biobert_jax.Tagger
  with pytest.raises(AttributeError, match="no attribute 'Tager'"):
    _ = biobert_jax.Tager


def test_an_override_has_to_be_a_key(tmp_path):
  config = small_run.config()
  with pytest.raises(InputError, match='overrides do not fit'):
    biobert_jax.train(config, tmp_path / 'run', {'optim.learning_rat': 1e-3})
  with pytest.raises(InputError, match='overrides do not fit'):
    biobert_jax.train(config, tmp_path / 'run', {'batch_size': 'many'})
  assert not (tmp_path / 'run').exists()
