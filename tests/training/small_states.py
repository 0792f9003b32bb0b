"""States small enough to save many times, whose every number is random."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from biobert_jax.training import sharding, state

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
  """Shardings of a state over so many devices."""
  model = 2 if strategy == 'tp' else 1
  mesh = sharding.make_mesh(strategy, model, jax.devices()[:devices])
  specs = sharding.layout_of(ABSTRACT.params, strategy, mesh)
  of_state = state.state_specs(ABSTRACT, OPTIMIZER, specs)
  return sharding.shardings(of_state, mesh)


def drawn(seed, step, shardings):
  """A state laid out as `shardings` say."""
  normal = np.random.default_rng(seed).normal
  values = jax.tree.map(
    lambda x: np.asarray(normal(size=x.shape), x.dtype), ABSTRACT
  )
  return jax.device_put(values._replace(step=np.int32(step)), shardings)


def same_bits(one, other):
  """Asserts that two trees are equal to the last bit."""

  def compare(a, b):
    assert a.dtype == b.dtype
    assert np.asarray(a).tobytes() == np.asarray(b).tobytes()

  jax.tree.map(compare, one, other)
