"""Dropout: its rate, its bits, its keys."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.models import dropout

# Compiled whole: run op by op, each op would be compiled by itself.
drop = jax.jit(
  lambda x, rate, keys: dropout.dropout(x, rate, dropout.dropout_rngs(keys)),
  static_argnums=1,
)


def keys_of(*numbers):
  return jax.vmap(jax.random.key)(jnp.asarray(numbers, jnp.uint32))


@pytest.mark.parametrize(('rate', 'width'), [(0.1, 512), (0.5, 511)])
def test_dropout_meets_its_rate_and_keeps_the_mean(rate, width):
  x = jnp.ones((4, 256, width))
  y = np.asarray(drop(x, rate, keys_of(0, 1, 2, 3)))
  kept = y != 0
  deviation = math.sqrt(rate * (1 - rate) / y.size)
  deviation += 0.5 / 2**8 / math.sqrt(4)  # Rows' bounds differ by one.
  assert abs(kept.mean() - (1 - rate)) < 4 * deviation
  assert abs(y.mean() - 1) < 4 * deviation / (1 - rate)
  np.testing.assert_allclose(y[kept], 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize('impl', ['threefry2x32', 'rbg'])
@pytest.mark.parametrize('rate', [0.1, 0.001, 0.999])
def test_bounds_of_rows_meet_the_rate_between_two_bytes(rate, impl):
  keys = jax.random.split(jax.random.key(0, impl=impl), 3000)
  kept = np.asarray(drop(jnp.ones((3000, 40)), rate, keys)) != 0
  # By eight bits alone, 0.1016, 0 and 0.9961 at the nearest.
  deviation = math.sqrt(rate * (1 - rate) / kept.size) + 0.5 / 2**8 / 3000**0.5
  assert abs(kept.mean() - (1 - rate)) < 3 * deviation


def test_the_quarters_of_a_word_of_bits_are_independent():
  kept = np.asarray(drop(jnp.ones((1, 512, 512)), 0.5, keys_of(0)))[0] != 0
  parts = np.split(kept, 4, axis=1)
  for i, one in enumerate(parts):
    for other in parts[:i]:
      agree = (one == other).mean()
      assert abs(agree - 0.5) < 4 * 0.5 / math.sqrt(512 * 128)


def test_bits_may_be_drawn_for_the_transpose():
  x = jnp.ones((2, 3, 8, 4))
  rngs = dropout.dropout_rngs(keys_of(5, 2))
  y = dropout.dropout(x.swapaxes(-1, -2), 0.3, rngs, transposed=True)
  np.testing.assert_array_equal(
    y, dropout.dropout(x, 0.3, rngs).swapaxes(-1, -2)
  )
  assert 0 < np.mean(y == 0) < 1


def test_no_keys_or_no_rate_is_the_identity():
  x = jnp.ones((2, 3))
  assert dropout.dropout(x, 0.1, None) is x
  assert dropout.dropout(x, 0.0, dropout.dropout_rngs(keys_of(0, 1))) is x
  assert dropout.split_keys(None, 3) == [None, None, None]
  assert dropout.dropout_rngs(None) is None
  assert dropout.layer_dropout_rngs(None, 3) is None


def test_bits_belong_to_the_key_wherever_the_row_stands():
  x = jnp.ones((1, 8, 16))
  alone = {n: drop(x, 0.4, keys_of(n))[0] for n in (5, 6, 7)}
  for order in ((5, 6, 7), (7, 5, 6), (6, 5, 5)):
    rows = drop(jnp.ones((3, 8, 16)), 0.4, keys_of(*order))
    for row, n in zip(rows, order, strict=True):
      np.testing.assert_array_equal(row, alone[n])
  assert not np.array_equal(alone[5], alone[6])


def test_dropout_keeps_bfloat16():
  x = jax.ShapeDtypeStruct((2, 4, 6), jnp.bfloat16)
  y = jax.eval_shape(lambda x: drop(x, 0.1, keys_of(0, 1)), x)
  assert y.dtype == jnp.bfloat16


def test_split_keys_are_distinct_and_per_row():
  first, second = dropout.split_keys(keys_of(0, 1), 2)
  data = np.asarray(jax.random.key_data(jnp.stack([first, second])))
  assert len({tuple(key) for key in data.reshape(4, -1)}) == 4
  alone, _ = dropout.split_keys(keys_of(1), 2)
  assert jax.random.key_data(alone[0]).tolist() == data[0, 1].tolist()


@pytest.mark.parametrize('impl', ['threefry2x32', 'rbg'])
def test_layers_draw_by_keys_that_are_split_from_one_to_the_next(impl):
  keys = jax.random.split(jax.random.key(3, impl=impl), 2)
  layers = dropout.layer_dropout_rngs(keys, 4)
  assert layers.output.uniforms.shape == (4, 2)
  for i, layer_keys in enumerate(dropout.split_keys(keys, 4)):
    attention_keys, output_keys = dropout.split_keys(layer_keys, 2)
    split = *dropout.split_keys(attention_keys, 2), output_keys
    expected_rngs = map(dropout.dropout_rngs, split)
    for rngs, expected in zip(layers, expected_rngs, strict=True):
      np.testing.assert_array_equal(
        *map(jax.random.key_data, (rngs.keys[i], expected.keys))
      )
      if impl == 'threefry2x32':  # The hardware's bits belong to no key.
        np.testing.assert_array_equal(rngs.uniforms[i], expected.uniforms)


def test_more_layers_cost_no_more_operations_on_keys():
  keys = keys_of(0, 1)
  few, many = (
    str(jax.make_jaxpr(lambda k, n=n: dropout.layer_dropout_rngs(k, n))(keys))
    for n in (2, 24)
  )
  assert few.count('random_split') == many.count('random_split') == 4
