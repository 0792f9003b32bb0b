"""The layers one by one, each against NumPy in float64."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.models import dropout, layers
from biobert_jax.models.config import BertConfig

# Compiled whole: run op by op, each op would be compiled by itself.
attend = jax.jit(layers.einsum_attention, static_argnums=4)


def small(**changes):
  sizes = {
    'vocab_size': 40,
    'hidden_size': 16,
    'num_hidden_layers': 1,
    'num_attention_heads': 2,
    'intermediate_size': 24,
    'max_position_embeddings': 12,
  }
  return BertConfig(**(sizes | changes))


def rngs_for(*numbers):
  keys = jax.vmap(jax.random.key)(jnp.asarray(numbers, jnp.uint32))
  return dropout.dropout_rngs(keys)


def normal(*shape, seed=0):
  return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# Activation, layer norm, embeddings.


def test_gelu_is_by_erf_unless_tanh_is_named():
  x = np.linspace(-4, 4, 81, dtype=np.float32)
  erf = np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x])
  cubic = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
  tanh = x * (1 + np.tanh(cubic)) / 2
  assert np.max(np.abs(erf - tanh)) > 4e-4
  for name, expected in (
    ('gelu', erf),
    ('gelu_tanh', tanh),
    ('relu', np.maximum(x, 0)),
  ):
    actual = layers.activation(jnp.asarray(x), name)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_the_slope_of_gelu():
  x = np.linspace(-6, 6, 121, dtype=np.float32)
  cumulated = np.array([(1 + math.erf(v / math.sqrt(2))) / 2 for v in x])
  slope = cumulated + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
  actual = jax.grad(lambda x: layers.gelu(x).sum())(jnp.asarray(x))
  np.testing.assert_allclose(actual, slope, atol=1e-6)


def test_gelu_of_bfloat16_is_computed_in_float32():
  x = jnp.linspace(-3, 3, 97, dtype=jnp.bfloat16)
  wide = x.astype(jnp.float32)
  for of in (layers.gelu, jax.grad(lambda x: layers.gelu(x).sum())):
    assert of(x).dtype == jnp.bfloat16
    np.testing.assert_array_equal(of(x), of(wide).astype(jnp.bfloat16))


def numpy_layer_norm(x, eps):
  x = np.asarray(x, np.float64)
  centred = x - x.mean(-1, keepdims=True)
  variance = np.square(centred).mean(-1, keepdims=True)
  return centred / np.sqrt(variance + eps)


def test_layer_norm():
  x = 3 + normal(2, 5, 16)
  config = small(layer_norm_eps=1e-3)
  params = {'scale': normal(16, seed=1), 'bias': normal(16, seed=2)}
  actual = layers.LayerNorm(config).apply({'params': params}, jnp.asarray(x))
  expected = numpy_layer_norm(x, 1e-3) * params['scale'] + params['bias']
  np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_layer_norm_of_bfloat16_is_computed_in_float32():
  # In bfloat16 the mean of such numbers alone would be off by 0.25.
  x = jnp.asarray(60 + normal(2, 5, 64), jnp.bfloat16)
  norm = layers.LayerNorm(small(dtype='bfloat16'))
  params = {'scale': jnp.ones(64), 'bias': jnp.zeros(64)}
  actual = norm.apply({'params': params}, x)
  assert actual.dtype == jnp.bfloat16
  expected = numpy_layer_norm(x.astype(np.float32), 1e-12)
  np.testing.assert_allclose(
    actual.astype(np.float32), expected, rtol=2**-8, atol=1e-5
  )


def test_embeddings_are_the_sum_of_three_rows_normalised():
  config = small()
  ids = jnp.array([[3, 9, 0], [39, 3, 1]])
  segments = jnp.array([[0, 0, 1], [1, 1, 0]])
  positions = jnp.array([[0, 1, 11], [0, 1, 2]])
  module = layers.Embeddings(config)
  arguments = ids, segments, positions, None
  variables = jax.jit(module.init)(jax.random.key(0), *arguments)
  tables = jax.tree.map(np.asarray, variables['params'])
  total = tables['word_embeddings'][ids]
  total = total + tables['token_type_embeddings'][segments]
  total = total + tables['position_embeddings'][positions]
  actual = jax.jit(module.apply)(variables, *arguments)
  np.testing.assert_allclose(
    actual, numpy_layer_norm(total, 1e-12), rtol=1e-4, atol=1e-5
  )


def test_initial_weights_are_cut_at_two_deviations():
  config = small(initializer_range=0.02)
  table = layers.initializer(config)(jax.random.key(0), (400, 400))
  assert np.max(np.abs(table)) <= 0.04
  # A normal cut at two deviations has 0.8796 of its deviation.
  assert abs(np.std(table) / (0.8796 * 0.02) - 1) < 0.01


# Attention.


def attention_inputs(dtype=jnp.float32):
  query, key, value = (
    jnp.asarray(normal(2, 6, 2, 8, seed=n), dtype) for n in range(3)
  )
  sequence = np.array([[1, 1, 2, 2, 2, 0], [1, 1, 1, 1, 1, 1]])
  mask = jnp.asarray(sequence[:, None, :, None] == sequence[:, None, None])
  return query, key, value, mask


def numpy_attention(query, key, value, mask):
  query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
  scores = np.einsum('blhk,bshk->bhls', query, key) / math.sqrt(8)
  weights = np.where(mask, np.exp(scores), 0)
  weights /= weights.sum(-1, keepdims=True)
  return np.einsum('bhls,bshk->blhk', weights, value)


def test_einsum_attention():
  inputs = attention_inputs()
  actual = attend(*inputs, 0.1, None)
  np.testing.assert_allclose(actual, numpy_attention(*inputs), atol=1e-6)


def test_dot_product_attention_is_the_same_function():
  query, key, value, mask = attention_inputs()
  ours = attend(query, key, value, mask, 0.1, None)
  jaxs = jax.nn.dot_product_attention(query, key, value, mask=mask)
  np.testing.assert_allclose(ours, jaxs, atol=1e-6)


def test_softmax_of_bfloat16_scores_is_in_float32():
  inputs = attention_inputs(jnp.bfloat16)
  program = jax.make_jaxpr(attend, static_argnums=4)(
    *inputs, 0.1, rngs_for(0, 1)
  )
  assert [x.dtype for x in program.out_avals] == [jnp.bfloat16]
  program = str(program)
  assert re.findall(r':(\w+)\[[\d,]*\] = exp', program) == ['f32']
  dots = re.findall(r':(\w+)\[[\d,]*\] = dot_general', program)
  assert dots == ['bf16', 'bf16']


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float32])
def test_scores_in_bfloat16_lose_nothing_of_bfloat16_products(dtype):
  inputs = attention_inputs(dtype)
  wide, narrow = (
    layers.einsum_attention(*inputs, 0.1, rngs_for(0, 1), scores_dtype)
    for scores_dtype in ('float32', 'bfloat16')
  )
  assert np.array_equal(wide, narrow) == (dtype == jnp.bfloat16)


def test_dropped_attention_weights_are_scaled_up():
  *_, mask = attention_inputs()
  query = key = jnp.zeros((2, 6, 2, 8))
  # Unit vectors as values: what comes out are the weights themselves.
  value = np.broadcast_to(np.eye(6, 8)[None, :, None], (2, 6, 2, 8))
  value = jnp.asarray(value, jnp.float32)
  dropped = attend(query, key, value, mask, 0.25, rngs_for(0, 1))
  plain = np.asarray(attend(query, key, value, mask, 0.1, None))
  ratio = np.asarray(dropped)[plain > 0] / plain[plain > 0]
  np.testing.assert_allclose(np.unique(ratio), [0, 4 / 3], rtol=1e-4)
