"""The kernel, interpreted on a CPU, against plain attention."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from biobert_jax.errors import InputError
from biobert_jax.models import layers
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import BertEncoder, Inputs, attention_mask
from biobert_jax.models.splash_attention import block_of, splash_attention
from biobert_jax.parallel import sharding


def normal(*shape, seed=0):
  return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def sequences(length):
  """A row of three sequences, one padded, and one of padding alone."""
  ids = np.zeros((3, length), np.int32)
  # Borders inside a block and inside a vector.
  for sequence, first in enumerate((0, length // 3 + 1, length - 50), 1):
    ids[0, first:] = sequence
  ids[1, : length // 2 - 3] = 1
  return jnp.asarray(ids)


@functools.partial(jax.jit, static_argnums=0)
def values_and_gradients(attend, inputs, given, ids):
  context, backwards = jax.vjp(lambda *x: attend(*x, ids), *inputs)
  return context, *backwards(given)


def einsum(query, key, value, ids):
  mask = attention_mask(ids)
  return layers.einsum_attention(query, key, value, mask, 0.0, None)


# 640 is cut into five blocks, and has a kernel of its own for each gradient.
@pytest.mark.parametrize('length', [128, 640])
def test_values_and_gradients_are_those_of_einsum(length):
  inputs = [normal(3, length, 2, 8, seed=seed) for seed in range(3)]
  given, ids = normal(3, length, 2, 8, seed=3), sequences(length)
  actual, expected = (
    values_and_gradients(attend, inputs, given, ids)
    for attend in (splash_attention, einsum)
  )
  for found, wanted in zip(actual, expected, strict=True):
    assert jnp.abs(wanted).max() > 0.5
    np.testing.assert_allclose(found, wanted, atol=1e-5)


SMALL = BertConfig(
  vocab_size=30,
  hidden_size=16,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=24,
  max_position_embeddings=128,
  attention_probs_dropout_prob=0.0,
)


def small_batch():
  ids = sequences(128)
  columns = jnp.broadcast_to(jnp.arange(128), ids.shape)
  return Inputs(columns % 30, columns % 2, columns, ids)


def test_an_encoder_of_it_is_the_encoder():
  batch = small_batch()
  splash = BertEncoder(SMALL.replace(attention='splash_attention'))
  shapes = jax.eval_shape(splash.init, jax.random.key(0), batch)
  params = jax.tree.map(lambda x: 0.3 * normal(*x.shape), shapes)
  actual, expected = (
    jax.jit(encoder.apply)(params, batch).last
    for encoder in (splash, BertEncoder(SMALL))
  )
  np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize(
  ('policy', 'kernels'), [('none', 2), ('names', 2), ('full', 3)]
)
def test_remat_by_name_does_not_run_the_kernel_again(policy, kernels):
  config = SMALL.replace(
    attention='splash_attention', scan_layers=True, remat=policy
  )
  encoder, batch = BertEncoder(config), small_batch()

  def loss(params):
    return jnp.square(encoder.apply(params, batch).last).mean()

  params = jax.eval_shape(encoder.init, jax.random.key(0), batch)
  traced = jax.jit(jax.grad(loss)).trace(params)
  text = traced.lower(lowering_platforms=('tpu',)).as_text()
  assert text.count('@tpu_custom_call') == kernels


def test_nothing_grows_with_the_square_of_the_length():
  inputs = [jnp.zeros((1, 1024, 2, 8))] * 3
  ids = jnp.ones((1, 1024), jnp.int32)
  both = {
    attend: str(
      jax.make_jaxpr(values_and_gradients, static_argnums=0)(
        attend, inputs, inputs[0], ids
      )
    )
    for attend in (splash_attention, einsum)
  }
  assert '1024,1024' in both[einsum]
  assert '1024,1024' not in both[splash_attention]


def by_rows(mesh):
  """As a step does: rows are cut by hand, what is left is XLA's."""
  rows = P(sharding.DATA)
  return jax.shard_map(
    splash_attention,
    mesh=mesh,
    in_specs=rows,
    out_specs=rows,
    axis_names=sharding.manual_axes(mesh),
    check_vma=False,
  )


def test_heads_that_the_mesh_cuts():
  mesh = sharding.make_mesh('tp', 2, jax.devices()[:4])
  inputs = [normal(4, 128, 2, 8, seed=seed) for seed in range(3)]
  ids = jnp.concatenate([sequences(128), sequences(128)[:1]])
  attend = by_rows(mesh)
  text = jax.jit(attend).lower(*inputs, ids).as_text()
  assert '2x128x1x8x' in text  # Two rows and one head a device.
  np.testing.assert_allclose(
    jax.jit(attend)(*inputs, ids), jax.jit(einsum)(*inputs, ids), atol=1e-5
  )


@pytest.mark.parametrize(
  ('length', 'block'),
  [(128, 128), (256, 256), (384, 384), (512, 512), (640, 128), (768, 384)]
  + [(1024, 512), (2048, 512)],
)
def test_blocks_divide_the_row(length, block):
  assert block_of(length) == block


@pytest.mark.parametrize(('length', 'nearest'), [(100, 128), (500, 512)])
def test_rows_that_it_cannot_cut_are_refused(length, nearest):
  inputs = [jnp.zeros((1, length, 2, 8))] * 3
  with pytest.raises(InputError, match=f'max_seq_length={nearest}'):
    splash_attention(*inputs, jnp.ones((1, length), jnp.int32))


def test_the_kernel_is_compiled_where_the_program_is_for_a_tpu():
  inputs = [jnp.zeros((1, 128, 2, 8))] * 3
  traced = jax.jit(splash_attention).trace(*inputs, jnp.ones((1, 128), int))
  assert (
    'tpu_custom_call' in traced.lower(lowering_platforms=('tpu',)).as_text()
  )
  assert 'tpu_custom_call' not in traced.lower().as_text()
