"""The encoder against modeling.py in NumPy, and against itself laid out anew.

One row of packed sequences equals as many rows of one; scanned layers equal
unrolled ones; no policy of rematerialisation changes a number.
"""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import BertEncoder, Inputs
from biobert_jax.models.layers import Embeddings
from biobert_jax.models.param_tree import to_flat, to_tree
from tests.fixtures.programs import count_draws

BASE = BertConfig(
  vocab_size=30,
  hidden_size=16,
  num_hidden_layers=2,
  num_attention_heads=2,
  intermediate_size=24,
  max_position_embeddings=16,
  # Large weights: a mistake in any of them shows.
  initializer_range=0.3,
)
LAYER = (
  'attention/self/query',
  'attention/self/key',
  'attention/self/value',
  'attention/output/dense',
  'attention/output/LayerNorm',
  'intermediate/dense',
  'output/dense',
  'output/LayerNorm',
)
GOLDEN_PATHS = sorted(
  [
    'embeddings/word_embeddings',
    'embeddings/token_type_embeddings',
    'embeddings/position_embeddings',
    'embeddings/LayerNorm/scale',
    'embeddings/LayerNorm/bias',
    *(
      f'encoder/layer_0/{module}/{name}'
      for module in LAYER
      for name in ('scale' if 'LayerNorm' in module else 'kernel', 'bias')
    ),
  ]
)


def pack(rows, length=16):
  """Packs sequences of ids row by row."""
  arrays = np.zeros((4, len(rows), length), np.int32)
  for row, sequences in enumerate(rows):
    first = 0
    for n, ids in enumerate(sequences, 1):
      place = slice(first, first + len(ids))
      arrays[0, row, place] = ids
      arrays[1, row, place] = np.arange(len(ids)) >= len(ids) // 2
      arrays[2, row, place] = np.arange(len(ids))
      arrays[3, row, place] = n
      first = place.stop
  return Inputs(*map(jnp.asarray, arrays))


SEQUENCES = [[3, 7, 9, 1, 4], [5, 6, 2, 8], [29, 1, 12, 13, 14, 15, 7]]
PACKED = pack([SEQUENCES, [[11, 3]]])


def paths_of(tree):
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {'/'.join(k.key for k in path): leaf for path, leaf in leaves}


@pytest.fixture(scope='module')
def variables():
  shapes = jax.eval_shape(BertEncoder(BASE).init, jax.random.key(0), PACKED)
  draw = np.random.default_rng(1).normal
  return jax.tree.map(lambda x: draw(0, 0.3, x.shape).astype('f4'), shapes)


@pytest.fixture(scope='module')
def encode(variables):
  apply = jax.jit(BertEncoder(BASE).apply)
  return lambda arrays: np.asarray(apply(variables, Inputs(*arrays)).last)


def numpy_bert(params, ids, segments):
  """modeling.py of one whole sequence, in float64."""
  p = {k: np.asarray(v, np.float64) for k, v in paths_of(params).items()}

  def norm(x, name):
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(-1, keepdims=True) + 1e-12)
    return centred / deviation * p[f'{name}/scale'] + p[f'{name}/bias']

  def dense(x, name):
    return x @ p[f'{name}/kernel'] + p[f'{name}/bias']

  x = p['embeddings/word_embeddings'][ids]
  x = x + p['embeddings/token_type_embeddings'][segments]
  x = x + p['embeddings/position_embeddings'][: len(ids)]
  x = norm(x, 'embeddings/LayerNorm')
  erf = np.vectorize(math.erf)
  for layer in ('encoder/layer_0/', 'encoder/layer_1/'):
    query, key, value = (
      dense(x, f'{layer}attention/self/{name}').reshape(len(ids), 2, 8)
      for name in ('query', 'key', 'value')
    )
    scores = np.einsum('lhk,shk->hls', query, key) / math.sqrt(8)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    context = np.einsum('hls,shk->lhk', weights, value).reshape(len(ids), 16)
    context = dense(context, f'{layer}attention/output/dense')
    x = norm(x + context, f'{layer}attention/output/LayerNorm')
    wide = dense(x, f'{layer}intermediate/dense')
    wide = wide * (1 + erf(wide / math.sqrt(2))) / 2
    x = norm(
      x + dense(wide, f'{layer}output/dense'), f'{layer}output/LayerNorm'
    )
  return x


def test_equals_modeling_py(variables, encode):
  actual = encode(PACKED)
  first = 0
  for ids in SEQUENCES:
    segments = (np.arange(len(ids)) >= len(ids) // 2).astype(int)
    expected = numpy_bert(variables['params'], np.array(ids), segments)
    part = actual[0, first : first + len(ids)]
    np.testing.assert_allclose(part, expected, atol=2e-6)
    first += len(ids)


def test_packed_sequences_do_not_see_each_other(encode):
  packed = encode(PACKED)[0]
  alone = encode(pack([[ids] for ids in SEQUENCES]))
  parts = [row[: len(ids)] for row, ids in zip(alone, SEQUENCES, strict=True)]
  np.testing.assert_allclose(packed, np.concatenate(parts), atol=1e-6)


def test_padding_is_never_seen(encode):
  short = pack([[SEQUENCES[0]], [SEQUENCES[1]]])
  before = encode(short)
  assert np.isfinite(before).all()
  real = np.asarray(short[3]) > 0
  noise = [
    jnp.where(short[3] > 0, x, bound)
    for x, bound in zip(short[:3], (29, 1, 15), strict=True)
  ]
  after = encode((*noise, short[3]))
  np.testing.assert_array_equal(before[real], after[real])
  assert not np.array_equal(before[~real], after[~real])


def test_golden_paths_of_one_layer():
  encoder = BertEncoder(BASE.replace(num_hidden_layers=1))
  params = jax.eval_shape(encoder.init, jax.random.key(0), PACKED)['params']
  assert sorted(paths_of(params)) == GOLDEN_PATHS


# Scanned layers.


def scanned(variables):
  return {'params': to_tree(to_flat(variables['params']), scan_layers=True)}


def test_scan_makes_the_parameters_that_stacking_makes(variables):
  config = BASE.replace(scan_layers=True)
  born = jax.eval_shape(BertEncoder(config).init, jax.random.key(0), PACKED)
  shapes = {k: v.shape for k, v in paths_of(born).items()}
  stacked = paths_of(scanned(variables))
  assert shapes == {k: v.shape for k, v in stacked.items()}


def test_scanned_layers_start_from_different_numbers():
  config = BASE.replace(scan_layers=True)
  born = jax.jit(BertEncoder(config).init)(jax.random.key(0), PACKED)
  kernel = paths_of(born)[
    'params/encoder/layers/layer/intermediate/dense/kernel'
  ]
  assert not np.array_equal(kernel[0], kernel[1])


def test_every_dropout_draws_bits_of_its_own():
  """Embeddings, and twice hidden plus once attention in each layer."""
  keys = jax.random.split(jax.random.key(5), 2)
  encoder = BertEncoder(BASE)
  shapes = jax.eval_shape(encoder.init, jax.random.key(0), PACKED)
  program = jax.make_jaxpr(encoder.apply)(shapes, PACKED, keys)
  assert count_draws(program) == 1 + 3 * 2


# What else the encoder returns.


KERNEL = np.random.default_rng(0).normal(size=(16, 16)).astype('f4')


@pytest.fixture(scope='module')
def asked(variables):
  """Everything the encoder can return, by loop and by scan."""
  positions = jnp.asarray([[0, 5, 9], [0, 0, 0]], jnp.int32)

  @functools.cache
  def run(scan, drop=False):
    keys = jax.random.split(jax.random.key(5), 2) if drop else None
    encoder = BertEncoder(BASE.replace(scan_layers=scan))
    params = (scanned(variables) if scan else variables)['params']
    pooler = {'dense': {'kernel': KERNEL, 'bias': jnp.full(16, 0.5)}}
    return jax.jit(encoder.apply, static_argnames=('pool', 'all_layers'))(
      {'params': params | {'pooler': pooler}},
      PACKED._replace(cls_positions=positions),
      keys,
      pool=True,
      all_layers=True,
    )

  return run


def test_all_layers_are_those_of_shallower_encoders(variables, encode, asked):
  shallow = BertEncoder(BASE.replace(num_hidden_layers=1))
  first = jax.jit(shallow.apply)(variables, PACKED).last
  embedded = jax.jit(Embeddings(BASE).apply)(
    {'params': variables['params']['embeddings']}, *PACKED[:3], None
  )
  for out in (asked(False), asked(True)):
    assert out.layers.shape == (3, 2, 16, 16)
    np.testing.assert_array_equal(out.layers[-1], out.last)
    for layer, wanted in zip(
      out.layers, (embedded, first, encode(PACKED)), strict=True
    ):
      np.testing.assert_allclose(layer, wanted, atol=2e-6)


@pytest.mark.parametrize('scan', [False, True])
def test_the_encoder_pools_its_last_layer(asked, scan):
  out = asked(scan)
  for row, place, position in ((0, 0, 0), (0, 1, 5), (0, 2, 9), (1, 2, 0)):
    expected = np.tanh(np.asarray(out.last[row, position]) @ KERNEL + 0.5)
    np.testing.assert_allclose(out.pooled[row, place], expected, atol=1e-5)


def test_scan_equals_loop_and_draws_the_same_bits(variables, encode, asked):
  """And to ask for more changes none of them."""
  keys = jax.random.split(jax.random.key(5), 2)
  loop = jax.jit(BertEncoder(BASE).apply)(variables, PACKED, keys).last
  assert np.abs(loop - encode(PACKED)).max() > 0.1
  np.testing.assert_allclose(loop, asked(True, drop=True).last, atol=2e-6)


def test_nothing_is_returned_or_stacked_unasked(variables):
  def program(**options):
    encoder = BertEncoder(BASE.replace(scan_layers=True))
    apply = functools.partial(encoder.apply, **options)
    traced = jax.make_jaxpr(apply)(scanned(variables), PACKED)
    (scan,) = (e for e in traced.eqns if e.primitive.name == 'scan')
    # A scan returns what it carries, and then what it stacks.
    return len(traced.out_avals), len(scan.outvars) - scan.params['num_carry']

  assert program() == (1, 0)
  assert program(all_layers=True) == (2, 1)


# Rematerialisation.

POLICIES = ('none', 'names', 'dots', 'full')


def gradient_of(variables, **changes):
  """A compilable gradient step: dropout on, all numbers of the output used."""
  config = BASE.replace(**changes)
  keys = jax.random.split(jax.random.key(5), 2)
  target = np.random.default_rng(2).normal(size=(2, 16, 16))

  def loss(variables):
    hidden = BertEncoder(config).apply(variables, PACKED, keys).last
    return jnp.mean(jnp.square(hidden - jnp.asarray(target, jnp.float32)))

  return jax.jit(jax.value_and_grad(loss)).lower(variables)


@pytest.fixture(scope='module')
def gradient(variables):
  """(how it starts, its step as lowered) of layers and a policy."""
  params = variables['params'] | {
    'encoder': {'layer_0': variables['params']['encoder']['layer_0']}
  }

  @functools.cache
  def lower(scan, policy):
    start = scanned(variables) if scan else {'params': params}
    changes = {
      'scan_layers': scan,
      'num_hidden_layers': 2 if scan else 1,
      # Hidden dropout remains: the second computation must draw the same bits.
      'attention_probs_dropout_prob': 0.0,
    }
    return start, gradient_of(start, remat=policy, **changes)

  return lower


@pytest.mark.parametrize(
  ('scan', 'policies'), [(False, POLICIES), (True, ('none', 'full'))]
)
def test_remat_changes_no_number(gradient, scan, policies):
  results = []
  for policy in policies:
    start, step = gradient(scan, policy)
    results.append(step.compile()(start))
  loss, grads = results[0]
  for value, others in results[1:]:
    np.testing.assert_allclose(value, loss, rtol=1e-6)
    for path, g in paths_of(others).items():
      np.testing.assert_allclose(
        g, paths_of(grads)[path], rtol=1e-5, atol=1e-7, err_msg=path
      )


@pytest.mark.parametrize('scan', [False, True])
def test_remat_computes_again(gradient, scan):
  """One layer, whether it is scanned or not."""
  products, barriers = [], []
  for policy in POLICIES:
    step = gradient(scan, policy)[1].as_text()
    products.append(step.count('stablehlo.dot_general'))
    barriers.append(step.count('stablehlo.optimization_barrier'))
  none, names, dots, full = products
  # Scores; also the context; also the four projections and the wide product.
  assert names - none == 1
  assert dots - none == 2
  assert full - none >= 7
  # XLA would merge the second computation of an unrolled layer with the first
  # and save no memory; the two iterations of a scan are apart anyhow.
  assert barriers[0] == 0
  assert all(barriers[1:]) or scan


# Other ways to compute.


def test_dot_product_attention_equals_einsum(variables, encode):
  config = BASE.replace(attention='dot_product_attention')
  actual = jax.jit(BertEncoder(config).apply)(variables, PACKED)
  np.testing.assert_allclose(actual.last, encode(PACKED), atol=2e-6)


@pytest.mark.parametrize('attention', ['einsum', 'dot_product_attention'])
def test_bfloat16_where_it_is_safe(attention):
  config = BASE.replace(dtype='bfloat16', attention=attention)
  encoder = BertEncoder(config)
  shapes = jax.eval_shape(encoder.init, jax.random.key(0), PACKED)
  assert {x.dtype.name for x in jax.tree.leaves(shapes)} == {'float32'}
  program = jax.make_jaxpr(encoder.apply)(shapes, PACKED)
  assert program.out_avals[0].dtype == jnp.bfloat16

  def dtypes(pattern):
    return set(re.findall(pattern, str(program)))

  # Softmax (exp) and layer norms (rsqrt, mean squares) in float32.
  assert dtypes(r':(\w+)\[[\d,]*\] = exp ') == {'f32'}
  assert dtypes(r':(\w+)\[[\d,]*\] = rsqrt') == {'f32'}
  assert dtypes(r':(\w+)\[[\d,]*\] = square') == {'f32'}
  # No dense layer takes float32 operands; scores may leave in float32.
  dense = r':(\w+)\[2,16,(?:16|24)\] = dot_general'
  assert dtypes(dense) == {'bf16'}


def test_bfloat16_is_near_float32(variables, encode):
  encoder = BertEncoder(BASE.replace(dtype='bfloat16'))
  actual = jax.jit(encoder.apply)(variables, PACKED).last.astype(np.float32)
  assert np.max(np.abs(actual - encode(PACKED))) < 0.1
