"""Keys of packed sequences, whatever the batch, the mesh and the generator."""

import jax
import jax.numpy as jnp
import numpy as np

from biobert_jax.tasks import forward

ROWS = jnp.arange(4)


def data(keys):
  return np.asarray(jax.random.key_data(keys))


def test_a_key_belongs_to_the_index_in_the_global_batch():
  key = jax.random.key(1)
  whole = data(forward.row_keys(key, ROWS))
  assert len({tuple(row) for row in whole}) == 4
  part = data(forward.row_keys(key, ROWS[2:]))
  np.testing.assert_array_equal(part, whole[2:])


def test_masks_are_the_same_with_every_generator():
  plain = data(forward.prepare_keys(jax.random.key(1), ROWS))
  hardware = jax.random.key(1, impl='rbg')
  np.testing.assert_array_equal(
    data(forward.prepare_keys(hardware, ROWS)), plain
  )


def test_masks_and_dropout_draw_by_different_keys():
  key = jax.random.key(1)
  masks = {tuple(row) for row in data(forward.prepare_keys(key, ROWS))}
  dropout = {tuple(row) for row in data(forward.row_keys(key, ROWS))}
  assert not masks & dropout
