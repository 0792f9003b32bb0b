"""Fingerprints: equal on every mesh, different for any other number."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from biobert_jax.checkpoints.formats.array_checksums import (
  checksums_and_nonfinite,
  fingerprints,
)
from biobert_jax.parallel import sharding


class State(NamedTuple):
  step: jax.Array
  moments: tuple


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


def test_what_was_stored_with_parameters_still_holds():
  """Folders of `best` and exports carry these digits."""
  assert fingerprints(tree())['bert/kernel'] == '02c425fcaeaf5b90'
  sevenths = np.arange(5, dtype=np.float32) / 7
  assert fingerprints({'b': sevenths}) == {'b': '4f5b5597f7ef28e8'}
  narrow = jnp.asarray(np.arange(5) / 7, jnp.bfloat16)
  assert fingerprints({'b': narrow}) == {'b': '3676dc8e88f5b78d'}


@pytest.mark.parametrize(
  ('one', 'other'),
  [
    # As float32 they would be one number.
    (np.int32(2**24), np.int32(2**24 + 1)),
    (np.uint32(2**32 - 1), np.uint32(2**32 - 2)),
    (np.int32(0), np.int32(1)),
    (np.bool_(False), np.bool_(True)),
    # The smallest numbers, which a conversion may flush to zero.
    (np.float32(0), np.float32(1e-45)),
    (np.float32(0), np.float32(-0.0)),
    (jnp.bfloat16(0), jnp.bfloat16(9.2e-41)),
    (jnp.float16(1), jnp.float16(1.001)),
  ],
)
def test_neighbours_differ(one, other):
  assert one.tobytes() != other.tobytes()
  assert fingerprints([one]) != fingerprints([other])


def test_paths_of_a_state():
  params = {'kernel': jnp.ones(3)}
  optimizer = optax.chain(optax.clip(1.0), optax.adam(1e-3))
  state = State(jnp.int32(4), (optimizer.init(params),))
  found = fingerprints(state)
  assert 'step' in found
  assert 'moments/0/1/0/mu/kernel' in found
  assert len(found) == len(jax.tree.leaves(state)) == 4


def test_numbers_that_are_not_finite_are_counted():
  array = np.ones((2, 3), np.float32)
  array[0, 1], array[1, 2] = np.nan, -np.inf
  narrow = jnp.asarray([1, np.inf], jnp.bfloat16)
  _, wrong = checksums_and_nonfinite(
    {'a': {'b': array}, 'c': np.ones(2), 'd': [narrow]}
  )
  assert wrong == {'a/b': 2, 'd/0': 1}


def test_other_kinds_are_refused():
  with pytest.raises(TypeError, match='complex64'):
    fingerprints([np.ones(2, np.complex64)])
