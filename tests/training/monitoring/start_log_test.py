"""The first lines of a run, and what it warns of."""

import dataclasses
import logging

import jax
import pytest

from biobert_jax.training import experiment
from biobert_jax.training.monitoring import start_log
from tests.fixtures import small_run


@pytest.fixture(scope='module')
def small():
  return experiment.from_config(small_run.config())


def sized(made, hidden_size, **changes):
  """The same experiment with another hidden size, and without `init_from`."""
  bert = made.bert.replace(hidden_size=hidden_size)
  return dataclasses.replace(made, bert=bert, init_from=None, **changes)


def test_versions_devices_and_size(small, caplog):
  shapes = jax.eval_shape(small.task.init, jax.random.key(0))
  with caplog.at_level(logging.INFO, 'biobert_jax'):
    start_log.log_start(small, shapes)
  first, second = (record.getMessage() for record in caplog.records)
  assert f'jax {jax.__version__}, jaxlib ' in first
  assert first.endswith(f'; {jax.device_count()} CPU devices')
  assert 'hidden size: 32' in second
  count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
  assert second.endswith(f'parameters: {count:,}')


def test_a_large_model_of_random_weights_is_doubted(small):
  large = sized(small, 768)
  (doubt,) = start_log._doubts(large, 'tpu')
  assert 'fine-tuned from random weights' in doubt
  assert '--config.init_from=FOLDER' in doubt
  assert not start_log._doubts(small, 'tpu')


def test_pretraining_of_a_large_model_on_a_cpu_is_doubted(small, monkeypatch):
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
  config = small.config.copy_and_resolve_references()
  config.task = 'pretraining'
  large = sized(small, 768, config=config)
  (doubt,) = start_log._doubts(large, 'cpu')
  assert 'pre-trained on a CPU' in doubt
  assert not start_log._doubts(large, 'tpu')
  tiny = sized(small, 128, config=config)
  assert not start_log._doubts(tiny, 'cpu')


def test_a_cpu_beside_an_accelerator_is_doubted(small, tmp_path, monkeypatch):
  monkeypatch.delenv('JAX_PLATFORMS')
  for name in start_log._TPU_VARIABLES:
    monkeypatch.delenv(name, raising=False)
  (tmp_path / 'vfio').mkdir()
  (tmp_path / 'vfio' / 'vfio').touch()  # There on any machine.
  assert start_log._accelerator(tmp_path) == ''
  (tmp_path / 'vfio' / '0').touch()
  assert start_log._accelerator(tmp_path) == str(tmp_path / 'vfio' / '0')
  (tmp_path / 'accel0').touch()
  assert start_log._accelerator(tmp_path) == str(tmp_path / 'accel0')
  monkeypatch.setenv('TPU_NAME', 'local')
  (doubt,) = start_log._doubts(small, 'cpu')
  assert 'seems to have an accelerator' in doubt
  assert not start_log._doubts(small, 'tpu')
  monkeypatch.setenv('JAX_PLATFORMS', 'cpu')  # Wanted so.
  assert not start_log._doubts(small, 'cpu')
