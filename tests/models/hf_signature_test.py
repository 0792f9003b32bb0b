"""Heads in the signature of transformers, against the packed modules."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import BertEncoder, Inputs
from biobert_jax.models.heads import HEADS, module_of
from biobert_jax.models.hf_signature import unpacked
from biobert_jax.models.param_tree import to_flat, to_tree

CONFIG = BertConfig(
  vocab_size=30,
  hidden_size=16,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=24,
  max_position_embeddings=12,
  initializer_range=0.3,
)
LABELS = 3
IDS = jnp.asarray([[2, 7, 8, 9, 3], [2, 6, 3, 0, 0]], jnp.int32)
MASK = jnp.asarray([[1] * 5, [1, 1, 1, 0, 0]], jnp.int32)
TYPES = jnp.asarray([[0, 0, 1, 1, 1], [0, 0, 0, 0, 0]], jnp.int32)
# The same in one packed row, and where its parts begin.
PACKED = tuple(
  jnp.asarray([row], jnp.int32)
  for row in (
    [2, 7, 8, 9, 3, 2, 6, 3],
    [0, 0, 1, 1, 1, 0, 0, 0],
    [0, 1, 2, 3, 4, 0, 1, 2],
    [1, 1, 1, 1, 1, 2, 2, 2],
  )
)
CLS = jnp.asarray([[0, 5]], jnp.int32)
EVERY = jnp.arange(8)[None]
INPUTS = Inputs(*PACKED, cls_positions=CLS, masked_positions=EVERY)
SHAPES = {
  'encoder': {'pooler_output': ('b', 16)},
  'pretraining': {
    'prediction_logits': ('b', 't', 30),
    'seq_relationship_logits': ('b', 2),
  },
  'masked_lm': {'logits': ('b', 't', 30)},
  'token': {'logits': ('b', 't', 3)},
  'sequence': {'logits': ('b', 3)},
  'span': {'start_logits': ('b', 't'), 'end_logits': ('b', 't')},
  'yes_no': {'logits': ('b',)},
}


def test_where_entities_stand_is_not_told():
  assert set(SHAPES) == set(HEADS) - {'entity_pair'}
  with pytest.raises(InputError, match='needs the positions of the entities'):
    unpacked('entity_pair', CONFIG, LABELS)


@functools.cache
def params_of(head):
  module = module_of(head, CONFIG, LABELS)
  shapes = jax.eval_shape(module.init, jax.random.key(0), INPUTS)
  draw = np.random.default_rng(2).normal
  return jax.tree.map(
    lambda x: draw(0, 0.3, x.shape).astype(np.float32), shapes['params']
  )


# One compilation for all heads.
ENCODE = jax.jit(BertEncoder(CONFIG).apply)


def packed_outputs(head):
  """The module's outputs for the packed row, by the names of transformers."""
  params = params_of(head)
  apply = jax.jit(module_of(head, CONFIG, LABELS).apply)
  out = apply({'params': params}, INPUTS)
  if head == 'encoder':
    return {'last_hidden_state': out.last, 'pooler_output': out.pooled}
  hidden = ENCODE({'params': params['bert']}, INPUTS).last
  outputs = {'last_hidden_state': hidden}
  if head == 'pretraining':
    outputs['prediction_logits'] = out.masked_lm
    outputs['seq_relationship_logits'] = out.next_sentence
  elif head == 'masked_lm':
    outputs['logits'] = out.masked_lm
  elif head == 'span':
    outputs['start_logits'], outputs['end_logits'] = out[..., 0], out[..., 1]
  else:
    outputs['logits'] = out
  return outputs


@pytest.mark.parametrize('head', SHAPES)
def test_whole_sequences_equal_packed_ones(head):
  run = jax.jit(unpacked(head, CONFIG, LABELS))
  actual = run(params_of(head), IDS, MASK, TYPES)
  expected = packed_outputs(head)
  assert set(actual) == set(expected)
  for name, array in expected.items():
    per_piece = array.shape[1] == 8
    ours = actual[name][np.asarray(MASK) > 0] if per_piece else actual[name]
    np.testing.assert_allclose(ours, array[0], atol=1e-5, err_msg=name)


def test_without_a_pooler():
  params = {'bert': dict(params_of('encoder')['bert'])}
  del params['bert']['pooler']
  out = jax.jit(unpacked('encoder', CONFIG, pooler=False))(
    params, IDS, MASK, TYPES
  )
  assert set(out) == {'last_hidden_state'}


def test_scanned_layers_give_the_same():
  config = CONFIG.replace(scan_layers=True)
  params = params_of('sequence')
  stacked = to_tree(to_flat(params), scan_layers=True)
  scan = jax.jit(unpacked('sequence', config, 3))(stacked, IDS, MASK, TYPES)
  loop = jax.jit(unpacked('sequence', CONFIG, 3))(params, IDS, MASK, TYPES)
  np.testing.assert_allclose(scan['logits'], loop['logits'], atol=1e-5)


@pytest.mark.parametrize('head', SHAPES)
def test_batch_and_length_may_be_symbols(head):
  features = jax.ShapeDtypeStruct(
    export.symbolic_shape('b, t', constraints=['t <= 12']), jnp.int32
  )
  run = unpacked(head, CONFIG, LABELS)
  shapes = jax.eval_shape(run, params_of(head), *(features,) * 3)
  found = {
    name: tuple(d if isinstance(d, int) else str(d) for d in aval.shape)
    for name, aval in shapes.items()
  }
  assert found == {'last_hidden_state': ('b', 't', 16), **SHAPES[head]}
  if head == 'pretraining':  # It uses most; one is compiled and run.
    exported = export.export(jax.jit(run))(params_of(head), *(features,) * 3)
    wide = [jnp.pad(x, ((0, 1), (0, 2))) for x in (IDS, MASK, TYPES)]
    actual = exported.call(params_of(head), *wide)
    expected = jax.jit(run)(params_of(head), *wide)
    for name, array in expected.items():
      np.testing.assert_allclose(actual[name], array, atol=1e-5, err_msg=name)


def test_an_unknown_head_is_refused_at_once():
  with pytest.raises(InputError, match="head is 'ner'; choose from encoder"):
    unpacked('ner', CONFIG)
