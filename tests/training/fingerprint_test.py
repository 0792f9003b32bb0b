import jax
import jax.numpy as jnp
import numpy as np

from biobert_jax.training import sharding
from biobert_jax.training.fingerprint import fingerprints


def tree():
  rng = np.random.default_rng(0)
  return {
    'bert': {'kernel': rng.standard_normal((16, 24)).astype(np.float32)},
    'bias': rng.standard_normal(8).astype(np.float32),
  }


def test_every_mesh_finds_the_same():
  on_host = fingerprints(tree())
  assert on_host.keys() == {'bert/kernel', 'bias'}
  assert all(len(digits) == 16 for digits in on_host.values())
  mesh = sharding.make_mesh('dp', 1)
  for spec in (('data',), (None, 'data')):
    laid = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*spec))
    kernel = jax.device_put(tree()['bert']['kernel'], laid)
    found = fingerprints({'bert': {'kernel': kernel}})
    assert found['bert/kernel'] == on_host['bert/kernel']


def test_any_flipped_bit_is_found():
  before = fingerprints(tree())['bias']
  for place in range(8):
    for bit in (0, 12, 31):
      other = tree()['bias']
      other.view(np.uint32)[place] ^= np.uint32(1) << np.uint32(bit)
      assert fingerprints({'bias': other})['bias'] != before


def test_places_count():
  array = tree()['bias']
  assert fingerprints({'x': array}) != fingerprints({'x': array[::-1].copy()})
  square = tree()['bert']['kernel'][:16, :16]
  assert fingerprints({'x': square}) != fingerprints({'x': square.T.copy()})


def test_bfloat16_counts_by_value():
  array = jnp.asarray(tree()['bias'], jnp.bfloat16)
  wide = np.asarray(array, np.float32)
  assert fingerprints({'x': array}) == fingerprints({'x': wide})
