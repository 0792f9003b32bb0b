"""Checkpoints come back bit for bit, on whatever mesh the next run has."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from etils import epath

from biobert_jax.errors import InputError
from biobert_jax.training import sharding, state
from biobert_jax.training.checkpoint import Checkpoints

OPTIMIZER = optax.adam(1e-3)


def init(key):
  table, kernel = jax.random.split(key)
  return {
    'bert': {
      'embeddings': {'word_embeddings': jax.random.normal(table, (6, 16))}
    },
    'classifier': {
      'kernel': jax.random.normal(kernel, (16, 3), jnp.bfloat16),
      'bias': jnp.zeros(3),
    },
  }


ABSTRACT = state.abstract_state(init, OPTIMIZER)


def layout(strategy, devices=8):
  model = 2 if strategy == 'tp' else 1
  mesh = sharding.make_mesh(strategy, model, jax.devices()[:devices])
  specs = sharding.param_specs(ABSTRACT.params, strategy, mesh)
  of_state = state.state_specs(ABSTRACT, OPTIMIZER, specs)
  return sharding.shardings(of_state, mesh)


DP, FSDP = layout('dp'), layout('fsdp')


@pytest.fixture(scope='module')
def draw():
  """(seed, step, shardings) -> a state whose every number is random."""
  first = state.create_state(init, OPTIMIZER, jax.random.key(0), DP)

  def drawn(seed, step, shardings=DP):
    normal = np.random.default_rng(seed).normal
    values = jax.tree.map(
      lambda x: np.asarray(normal(size=x.shape), x.dtype), ABSTRACT
    )
    values = values._replace(step=np.int32(step))
    assert jax.tree.structure(values) == jax.tree.structure(first)
    return jax.device_put(values, shardings)

  return drawn


@pytest.fixture
def folder(tmp_path):
  return epath.Path(tmp_path)


@pytest.fixture
def opened(folder):
  """Opens the folder anew, as the next run would; closes all at the end."""
  managers = []

  def open_(keep=2):
    for manager in managers:
      manager.close()
    managers[:] = [Checkpoints(folder, keep)]
    return managers[0]

  yield open_
  for manager in managers:
    manager.close()


def same_bits(one, other):
  def compare(a, b):
    assert a.dtype == b.dtype
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()

  jax.tree.map(compare, one, other)


def test_an_empty_folder(opened):
  checkpoints = opened()
  assert checkpoints.latest_step is None
  assert checkpoints.best_step == -1
  assert checkpoints.best_score() == -math.inf
  with pytest.raises(InputError, match='holds no parameters; train first'):
    checkpoints.restore_best(ABSTRACT.params, DP.params)


@pytest.mark.parametrize(
  ('before', 'after'),
  [('dp', 'dp'), ('dp', 'fsdp'), ('fsdp', 'dp'), ('fsdp', 'one')],
)
def test_a_state_comes_back_on_any_mesh(opened, draw, before, after):
  layouts = {'dp': DP, 'fsdp': FSDP, 'one': layout('dp', devices=1)}
  saved = draw(1, 7, layouts[before])
  opened().save(saved)
  checkpoints = opened()
  assert checkpoints.latest_step == 7
  restored = checkpoints.restore(ABSTRACT, layouts[after])
  same_bits(restored, saved)
  assert int(restored.step) == 7
  places = jax.tree.map(lambda x: x.sharding, restored)
  assert places == layouts[after]


def test_only_the_latest_are_kept(opened, draw, folder):
  checkpoints = opened(keep=2)
  for step in (2, 4, 6):
    checkpoints.save(draw(step, step))
  restored = opened().restore(ABSTRACT, DP)
  same_bits(restored, draw(6, 6))
  kept = {p.name for p in (folder / 'checkpoints').iterdir()}
  assert {'4', '6'} <= kept
  assert '2' not in kept


def test_a_step_is_saved_once(opened, draw):
  checkpoints = opened()
  checkpoints.save(draw(1, 5))
  checkpoints.save(draw(2, 5))
  same_bits(opened().restore(ABSTRACT, DP), draw(1, 5))


def test_an_older_step_is_refused_aloud(opened, draw):
  opened().save(draw(1, 10))
  with pytest.raises(InputError, match=r'step 4 was refused: .*\(10\)'):
    opened().save(draw(2, 4))


def test_the_best_is_kept_apart_from_the_latest(opened, draw, folder):
  checkpoints = opened(keep=1)
  for step, score in ((2, 40.5), (4, 71.25)):
    checkpoints.save(draw(step, step))
    assert score > checkpoints.best_score()
    checkpoints.save_best(step, draw(step, step).params, score)
    # At once, though it may still be being written.
    assert checkpoints.best_score() == score
  for step in (6, 8):
    checkpoints.save(draw(step, step))
  checkpoints = opened(keep=1)
  assert (checkpoints.best_step, checkpoints.latest_step) == (4, 8)
  assert checkpoints.best_score() == 71.25
  best = checkpoints.restore_best(ABSTRACT.params, FSDP.params)
  same_bits(best, draw(4, 4).params)
  assert jax.tree.map(lambda x: x.sharding, best) == FSDP.params
  assert not (folder / 'best' / '2').exists()
