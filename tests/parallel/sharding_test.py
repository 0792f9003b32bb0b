"""The mesh and the one table, on eight virtual devices."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import Inputs
from biobert_jax.models.heads import HEADS, module_of
from biobert_jax.parallel import sharding
from biobert_jax.training import train_step


def params_of(head='sequence', **changes):
  """Shapes of a head's parameters; 'sequence' has a pooler."""
  sizes = {
    'vocab_size': 31,
    'hidden_size': 32,
    'num_hidden_layers': 2,
    'num_attention_heads': 4,
    'intermediate_size': 64,
    'max_position_embeddings': 8,
  }
  config = BertConfig(**(sizes | changes))
  ids = jnp.zeros((1, 2), jnp.int32)
  inputs = Inputs(*[ids] * len(Inputs._fields))
  init = module_of(head, config, 3).init
  return jax.eval_shape(init, jax.random.key(0), inputs)['params']


def flat(tree):
  leaves = jax.tree_util.tree_leaves_with_path(
    tree, is_leaf=lambda x: isinstance(x, P)
  )
  return {sharding.param_path(path): leaf for path, leaf in leaves}


# Several slices.


class Chip:
  """A device of one of several slices."""

  platform, device_kind = 'cpu', 'cpu'

  def __init__(self, index, slice_index):
    self.id, self.slice_index = index, slice_index
    self.process_index = index // 4

  def __repr__(self):
    return f'{self.slice_index}.{self.id}'


@pytest.mark.parametrize('model', [1, 2])
def test_slices_share_rows_and_nothing_finer(model):
  # In an order in which slices alternate.
  devices = [Chip(i, i // 8) for i in (*range(0, 16, 2), *range(1, 16, 2))]
  strategy = 'tp' if model > 1 else 'dp'
  mesh = sharding.make_mesh(strategy, model, devices)
  assert dict(mesh.shape) == {'data': 16 // model, 'model': model}
  of_slice = [[chip.slice_index for chip in row] for row in mesh.devices]
  half = 8 // model
  assert of_slice == [[0] * model] * half + [[1] * model] * half
  assert mesh.axis_types == (AxisType.Auto,) * 2


# The table.


@pytest.mark.parametrize('scan', [False, True])
def test_one_row_matches_each_parameter_and_has_its_rank(scan):
  paths = {}
  for head in HEADS:
    paths |= flat(params_of(head, scan_layers=scan))
  for path, leaf in paths.items():
    assert len(sharding.logical_axes(path)) == leaf.ndim, path
  unused = [
    pattern
    for pattern, _ in sharding.TABLE
    if not any(re.fullmatch(pattern, path) for path in paths)
  ]
  assert not unused


@pytest.mark.parametrize(
  'path',
  [
    'bert/embeddings/word_embedding',
    'bert/encoder/layer_0/attention/self/query/kernels',
    'bert/encoder/layer_x/output/dense/kernel',
    'span/classifier/kernel',
    'cls/predictions/kernel',
    'cls/predictions/transform/kernel',
    'seq_relationship/kernel',
    'cls/qa_outputs/bias',
    'classifier/scale',
  ],
)
def test_a_parameter_without_a_row_is_refused(path):
  with pytest.raises(ValueError, match=f'0 rows .* match {path}'):
    sharding.logical_axes(path)


def test_a_parameter_of_two_rows_is_refused(monkeypatch):
  table = (*sharding.TABLE, (r'class.*/bias', ('labels',)))
  monkeypatch.setattr(sharding, 'TABLE', table)
  with pytest.raises(ValueError, match='2 rows .* match classifier/bias'):
    sharding.param_specs(params_of(), 'dp', sharding.make_mesh('dp', 1))


def test_another_rank_is_refused():
  params = {'classifier': {'bias': jnp.zeros((2, 3))}}
  with pytest.raises(ValueError, match=r'classifier/bias has shape \(2, 3\)'):
    sharding.param_specs(params, 'dp', sharding.make_mesh('dp', 1))


@pytest.mark.parametrize(
  ('strategy', 'model', 'changes', 'what'),
  [
    ('fsdp', 1, {'hidden_size': 36}, r'embed = 36 .* data axis \(8 devices'),
    ('tp', 4, {'intermediate_size': 66}, r'mlp = 66 .* model axis \(4 dev'),
  ],
)
def test_what_an_axis_does_not_divide_is_refused(
  strategy, model, changes, what
):
  mesh = sharding.make_mesh(strategy, model)
  with pytest.raises(InputError, match=f'/.*: {what}'):
    sharding.param_specs(params_of(**changes), strategy, mesh)


QUERY = 'bert/encoder/layer_1/attention/self/query/kernel'
CONTEXT = 'bert/encoder/layer_0/attention/output/dense/kernel'
WIDE = 'bert/encoder/layer_0/intermediate/dense/kernel'
WORDS = 'bert/embeddings/word_embeddings'
SPECS = {
  ('dp', 1): {
    QUERY: P(None, None),
    CONTEXT: P(None, None),
    WIDE: P(None, None),
    WORDS: P(None, None),
    'classifier/bias': P(None),
  },
  ('fsdp', 1): {
    QUERY: P('data', None),
    CONTEXT: P(None, 'data'),
    WIDE: P('data', None),
    WORDS: P(None, 'data'),
    'classifier/bias': P(None),
  },
  ('tp', 2): {
    QUERY: P(None, 'model'),
    CONTEXT: P('model', None),
    WIDE: P(None, 'model'),
    WORDS: P(None, None),
    'classifier/bias': P(None),
  },
}


HEAD_SPECS = {
  # All that is cut outside embeddings and layers.
  'dp': {},
  'fsdp': {
    'bert/pooler/dense/kernel': P('data', None),
    'cls/predictions/transform/dense/kernel': P('data', None),
    'cls/predictions/transform/LayerNorm/scale': P('data'),
    'cls/predictions/transform/LayerNorm/bias': P('data'),
    'cls/seq_relationship/kernel': P('data', None),
    'qa_outputs/kernel': P('data', None),
    'yes_no/kernel': P('data', None),
    'entity_classifier/kernel': P('data', None),
    'classifier/kernel': P('data', None),
  },
  'tp': {},
  'zero1': {},
}


@pytest.mark.parametrize('strategy', sorted(HEAD_SPECS))
def test_specs_of_heads(strategy):
  mesh = sharding.make_mesh(strategy, 2 if strategy == 'tp' else 1)
  cut = {}
  for head in HEADS:
    specs = flat(sharding.param_specs(params_of(head), strategy, mesh))
    cut |= {path: spec for path, spec in specs.items() if any(spec)}
  inside = ('bert/embeddings', 'bert/encoder')
  found = {k: v for k, v in cut.items() if not k.startswith(inside)}
  assert found == HEAD_SPECS[strategy]


def test_zero1_cuts_moments_where_fsdp_cuts_parameters():
  mesh, params = sharding.make_mesh('zero1', 1), params_of()
  layout = sharding.make_layout(params, 'zero1', mesh)
  assert layout.params == sharding.param_specs(params, 'dp', mesh)
  assert layout.moments == sharding.param_specs(params, 'fsdp', mesh)
  for strategy in ('dp', 'fsdp', 'tp'):
    alike = sharding.make_layout(params, strategy, mesh)
    assert alike.moments == alike.params


@pytest.mark.parametrize(('strategy', 'model'), list(SPECS))
def test_specs_of_strategies(strategy, model):
  mesh = sharding.make_mesh(strategy, model)
  specs = flat(sharding.param_specs(params_of(), strategy, mesh))
  expected = SPECS[strategy, model]
  assert {path: specs[path] for path in expected} == expected


def test_scanned_layers_are_never_cut_across_layers():
  mesh = sharding.make_mesh('fsdp', 1)
  specs = sharding.param_specs(params_of(scan_layers=True), 'fsdp', mesh)
  path = 'bert/encoder/layers/layer/attention/self/query/kernel'
  assert flat(specs)[path] == P(None, 'data', None)


# The mesh.


@pytest.mark.parametrize(
  ('strategy', 'model', 'count', 'shape'),
  [('dp', 1, 8, (8, 1)), ('tp', 2, 8, (4, 2)), ('fsdp', 1, 4, (4, 1))],
)
def test_meshes(strategy, model, count, shape):
  mesh = sharding.make_mesh(strategy, model, jax.devices()[:count])
  assert mesh.axis_names == ('data', 'model')
  assert mesh.devices.shape == shape
  assert mesh.axis_types == (AxisType.Auto, AxisType.Auto)
  # Only an axis that cuts something is left to the compiler.
  assert ('model' in sharding.manual_axes(mesh)) == (model == 1)
  assert 'data' in sharding.manual_axes(mesh)


@pytest.mark.parametrize(
  ('strategy', 'model', 'what'),
  [
    ('zero', 1, "mesh.strategy is 'zero'; choose from .*dp.*fsdp.*tp"),
    ('tp', 3, 'mesh.model is 3; it must divide the 8 devices'),
    ('tp', 0, 'mesh.model is 0'),
    ('tp', 16, 'mesh.model is 16'),
    ('dp', 2, 'mesh.model is 2; only strategy "tp" uses it'),
  ],
)
def test_meshes_that_do_not_fit(strategy, model, what):
  with pytest.raises(InputError, match=what):
    sharding.make_mesh(strategy, model)


def test_heads_are_not_cut():
  mesh = sharding.make_mesh('tp', 4)
  sharding.check_heads(12, mesh)
  with pytest.raises(InputError, match=r'6 attention heads allow \[1, 2, 3, 6'):
    sharding.check_heads(6, mesh)


@pytest.mark.parametrize(
  ('batch_size', 'accumulate', 'nearest'),
  [
    (12, 1, 'multiple of 8: nearest 8 or 16'),
    (5, 1, 'multiple of 8: nearest 8'),
    (0, 1, 'multiple of 8: nearest 8'),
    (24, 2, 'x 2 microbatches need a multiple of 16: nearest 16 or 32'),
  ],
)
def test_batches_that_cannot_be_shared(batch_size, accumulate, nearest):
  mesh = sharding.make_mesh('dp', 1)
  with pytest.raises(InputError, match=f'batch_size is {batch_size}; 8 .*'):
    sharding.check_batch(batch_size, accumulate, mesh)
  with pytest.raises(InputError, match=f'{nearest}$'):
    sharding.check_batch(batch_size, accumulate, mesh)
  sharding.check_batch(32, accumulate, mesh)


def test_the_model_axis_does_not_share_rows():
  sharding.check_batch(4, 1, sharding.make_mesh('tp', 2))


# What lies where.


def zeros(strategy, model, params):
  """A state of zeros, laid out."""
  mesh = sharding.make_mesh(strategy, model)
  optimizer = optax.adamw(1e-3)
  abstract = jax.eval_shape(
    lambda p: train_step.TrainState(
      jnp.int32(0), p, optimizer.init(p), jnp.zeros(2, jnp.int32)
    ),
    params,
  )
  layout = sharding.make_layout(params, strategy, mesh)
  of_state = train_step.state_specs(abstract, optimizer, layout)
  build = jax.jit(
    lambda: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), abstract),
    out_shardings=sharding.shardings(of_state, mesh),
  )
  return build()


def test_fsdp_leaves_an_eighth_on_each_device():
  sizes = {
    'vocab_size': 500,
    'hidden_size': 384,
    'num_attention_heads': 12,
    'intermediate_size': 1536,
  }
  now = zeros('fsdp', 1, params_of(**sizes))
  whole = sum(x.nbytes for x in jax.tree.leaves(now))
  assert whole > 12 * 2 * 1.7e6
  held = sharding.bytes_per_device(now)
  assert whole / 8 <= held <= whole * (1 / 8 + 0.02)


def test_zero1_leaves_an_eighth_of_the_moments_on_each_device():
  now = zeros('zero1', 1, params_of(hidden_size=384, vocab_size=500))
  params = sum(x.nbytes for x in jax.tree.leaves(now.params))
  moments = sum(x.nbytes for x in jax.tree.leaves(now.opt_state))
  assert moments > 1.99 * params
  assert sharding.bytes_per_device(now.params) == params
  held = sharding.bytes_per_device(now.opt_state)
  assert moments / 8 <= held <= moments * (1 / 8 + 0.02)


def test_tp_halves_the_layers_and_dp_nothing():
  params = params_of()
  whole = sum(x.size * 4 for x in jax.tree.leaves(params))
  assert sharding.bytes_per_device(zeros('dp', 1, params).params) == whole
  cut = sum(
    leaf.size * 4
    for path, leaf in flat(params).items()
    if re.search(r'(query|key|value|intermediate/dense)/|output/dense/k', path)
  )
  held = sharding.bytes_per_device(zeros('tp', 2, params).params)
  assert held == whole - cut // 2


def test_rows_go_to_data():
  mesh = sharding.make_mesh('tp', 2)
  batch = {'ids': np.arange(32, dtype=np.int32).reshape(8, 4)}
  placed = sharding.shard_host_batch(batch, mesh)['ids']
  assert placed.sharding == sharding.batch_sharding(mesh)
  np.testing.assert_array_equal(placed, batch['ids'])
  for row in range(4):
    for device in mesh.devices[row]:
      (shard,) = (s for s in placed.addressable_shards if s.device == device)
      rows = batch['ids'][2 * row : 2 * row + 2]
      np.testing.assert_array_equal(shard.data, rows)


def test_a_whole_batch_keeps_its_rows_on_any_order_of_devices():
  """On a pod, JAX orders a mesh's devices by wiring, not by host."""
  shuffled = list(reversed(jax.devices()))
  mesh = sharding.make_mesh('dp', 1, shuffled)
  rows = np.arange(16).reshape(8, 2)
  placed = sharding.shard_global_batch({'ids': rows}, mesh)['ids']
  np.testing.assert_array_equal(np.asarray(placed), rows)
  assert placed.sharding == sharding.batch_sharding(mesh)
