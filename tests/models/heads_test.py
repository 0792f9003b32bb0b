"""Each head against NumPy on the encoder's vectors, and its parameters."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import BertEncoder, Inputs
from biobert_jax.models.heads import CLASSIFIERS, HEADS, module_of
from biobert_jax.models.param_tree import to_flat
from tests.fixtures.programs import count_draws

CONFIG = BertConfig(
  vocab_size=30,
  hidden_size=16,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=24,
  max_position_embeddings=8,
  # Large weights: a mistake in any of them shows.
  initializer_range=0.3,
  hidden_dropout_prob=0.5,
  attention_probs_dropout_prob=0.0,
)
IDS = jnp.ones((3, 8), jnp.int32)
LABELS = 5

# Rows of two sequences, and one of padding behind one.
PIECES = jnp.asarray(
  [
    [2, 9, 4, 7, 3, 2, 8, 3],
    [2, 5, 3, 2, 6, 6, 9, 3],
    [2, 11, 3, 0, 0, 0, 0, 0],
  ],
  jnp.int32,
)
SEQUENCES = jnp.asarray(
  [[1] * 5 + [2] * 3, [1] * 3 + [2] * 5, [1] * 3 + [0] * 5], jnp.int32
)
POSITIONS = jnp.asarray(
  [[*range(5), *range(3)], [*range(3), *range(5)], [*range(3), *range(5)]],
  jnp.int32,
)
FEATURES = Inputs(PIECES, PIECES % 2, POSITIONS, SEQUENCES)
CLS = jnp.asarray([[0, 5], [0, 3], [0, 0]], jnp.int32)
SECOND = CLS + jnp.asarray([[2, 1], [1, 3], [4, 4]], jnp.int32)
MASKED = jnp.asarray([[1, 6, 0], [1, 5, 6], [1, 0, 0]], jnp.int32)
PRETRAINING = FEATURES._replace(cls_positions=CLS, masked_positions=MASKED)
# What each head reads, and no more.
INPUTS = {
  'encoder': FEATURES._replace(cls_positions=CLS),
  'pretraining': PRETRAINING,
  'masked_lm': FEATURES._replace(masked_positions=MASKED),
  'token': FEATURES,
  'sequence': FEATURES._replace(cls_positions=CLS),
  'span': FEATURES,
  'yes_no': FEATURES._replace(cls_positions=CLS),
  'entity_pair': FEATURES._replace(
    first_positions=CLS, second_positions=SECOND
  ),
}


def layer_paths(prefix, first):
  """Paths and shapes of a layer; `first`: its axis of stacking, or none."""
  d, f = (16,), (24,)
  shapes = {}
  for module, rows, columns in (
    ('attention/self/query', d, d),
    ('attention/self/key', d, d),
    ('attention/self/value', d, d),
    ('attention/output/dense', d, d),
    ('intermediate/dense', d, f),
    ('output/dense', f, d),
  ):
    shapes[f'{prefix}/{module}/kernel'] = first + rows + columns
    shapes[f'{prefix}/{module}/bias'] = first + columns
  for module in ('attention/output/LayerNorm', 'output/LayerNorm'):
    shapes[f'{prefix}/{module}/scale'] = first + d
    shapes[f'{prefix}/{module}/bias'] = first + d
  return shapes


EMBEDDINGS = {
  'bert/embeddings/word_embeddings': (30, 16),
  'bert/embeddings/position_embeddings': (8, 16),
  'bert/embeddings/token_type_embeddings': (2, 16),
  'bert/embeddings/LayerNorm/scale': (16,),
  'bert/embeddings/LayerNorm/bias': (16,),
}
POOLER = {
  'bert/pooler/dense/kernel': (16, 16),
  'bert/pooler/dense/bias': (16,),
}
PREDICTIONS = {
  'cls/predictions/transform/dense/kernel': (16, 16),
  'cls/predictions/transform/dense/bias': (16,),
  'cls/predictions/transform/LayerNorm/scale': (16,),
  'cls/predictions/transform/LayerNorm/bias': (16,),
  'cls/predictions/bias': (30,),
}
NEXT_SENTENCE = {
  'cls/seq_relationship/kernel': (16, 2),
  'cls/seq_relationship/bias': (2,),
}
CLASSIFIER = {'classifier/kernel': (16, 5), 'classifier/bias': (5,)}
# All that a head adds to embeddings and layers.
HEAD_KEYS = {
  'encoder': POOLER,
  'pretraining': POOLER | PREDICTIONS | NEXT_SENTENCE,
  'masked_lm': PREDICTIONS,
  'token': CLASSIFIER,
  'sequence': POOLER | CLASSIFIER,
  'span': {'qa_outputs/kernel': (16, 2), 'qa_outputs/bias': (2,)},
  'yes_no': {'yes_no/kernel': (16, 1), 'yes_no/bias': (1,)},
  'entity_pair': {
    'entity_classifier/kernel': (32, 5),
    'entity_classifier/bias': (5,),
  },
}


def abstract(head, config=CONFIG):
  """A head's module and the shapes of its variables."""
  module = module_of(head, config, LABELS)
  return module, jax.eval_shape(module.init, jax.random.key(0), INPUTS[head])


def drawn(head, config=CONFIG):
  """A head's module and random variables."""
  module, variables = abstract(head, config)
  draw = np.random.default_rng(1).normal
  return module, jax.tree.map(
    lambda x: draw(0, 0.3, x.shape).astype(np.float32), variables
  )


def paths_of(tree):
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  return {'/'.join(k.key for k in path): leaf for path, leaf in leaves}


@pytest.mark.parametrize('scan', [False, True])
@pytest.mark.parametrize('head', HEADS)
def test_paths_and_shapes(head, scan):
  config = CONFIG.replace(num_hidden_layers=2, scan_layers=scan)
  _, variables = abstract(head, config)
  actual = {k: v.shape for k, v in paths_of(variables['params']).items()}
  if scan:
    layers = layer_paths('bert/encoder/layers/layer', (2,))
  else:
    layers = layer_paths('bert/encoder/layer_0', ())
    layers |= layer_paths('bert/encoder/layer_1', ())
  assert actual == EMBEDDINGS | layers | HEAD_KEYS[head]


def test_the_encoder_alone_has_no_pooler_unasked():
  module = module_of('encoder', CONFIG)
  init = jax.eval_shape(module.init, jax.random.key(0), FEATURES)
  assert set(init['params']['bert']) == {'embeddings', 'encoder'}


# Numbers.


@functools.cache
def encoder(config):
  return jax.jit(BertEncoder(config).apply)


@pytest.fixture(scope='module')
def logits_of():
  """Runs a head on noisy parameters.

  Gives its outputs, the encoder's, and the parameters in float64.
  """

  def run(head, config=CONFIG):
    module, variables = drawn(head, config)
    outputs = jax.jit(module.apply)(variables, INPUTS[head])
    # All heads draw the same encoder.
    bert = dict(variables['params']['bert'])
    bert.pop('pooler', None)
    hidden = encoder(config)({'params': bert}, FEATURES)
    params = {
      path: np.asarray(x, np.float64)
      for path, x in to_flat(variables['params']).items()
    }
    return outputs, np.asarray(hidden.last, np.float64), params

  return run


def dense(params, name, x):
  return x @ params[f'{name}/kernel'] + params[f'{name}/bias']


def at(hidden, positions):
  return np.stack([h[p] for h, p in zip(hidden, positions, strict=True)])


def pooled(params, hidden):
  return np.tanh(dense(params, 'bert/pooler/dense', at(hidden, CLS)))


def check(actual, expected):
  assert actual.dtype == jnp.float32
  assert actual.shape == expected.shape
  np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_encoder(logits_of):
  output, hidden, params = logits_of('encoder')
  np.testing.assert_allclose(output.last, hidden, atol=1e-6)
  check(output.pooled, pooled(params, hidden))


def test_token(logits_of):
  logits, hidden, params = logits_of('token')
  check(logits, dense(params, 'classifier', hidden))


def test_sequence(logits_of):
  logits, hidden, params = logits_of('sequence')
  check(logits, dense(params, 'classifier', pooled(params, hidden)))


def test_span(logits_of):
  logits, hidden, params = logits_of('span')
  check(logits, dense(params, 'qa_outputs', hidden))


def test_yes_no(logits_of):
  logits, hidden, params = logits_of('yes_no')
  check(logits, dense(params, 'yes_no', at(hidden, CLS))[..., 0])


def test_entity_pair(logits_of):
  logits, hidden, params = logits_of('entity_pair')
  both = np.concatenate([at(hidden, CLS), at(hidden, SECOND)], axis=-1)
  check(logits, dense(params, 'entity_classifier', both))


ERF = np.vectorize(math.erf)
ACTIVATIONS = {
  'gelu': lambda x: x * (1 + ERF(x / math.sqrt(2))) / 2,
  'gelu_tanh': lambda x: (
    x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
  ),
  'relu': lambda x: np.maximum(x, 0),
}


def predictions(params, hidden, hidden_act):
  x = dense(params, 'cls/predictions/transform/dense', at(hidden, MASKED))
  x = ACTIVATIONS[hidden_act](x)
  x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1) + 1e-12)[..., None]
  x *= params['cls/predictions/transform/LayerNorm/scale']
  x += params['cls/predictions/transform/LayerNorm/bias']
  table = params['bert/embeddings/word_embeddings']
  return x @ table.T + params['cls/predictions/bias']


@pytest.mark.parametrize('hidden_act', sorted(ACTIVATIONS))
def test_masked_lm(logits_of, hidden_act):
  config = CONFIG.replace(hidden_act=hidden_act)
  logits, hidden, params = logits_of('masked_lm', config)
  check(logits.masked_lm, predictions(params, hidden, hidden_act))
  assert logits.next_sentence is None


def test_pretraining(logits_of):
  logits, hidden, params = logits_of('pretraining')
  check(logits.masked_lm, predictions(params, hidden, 'gelu'))
  expected = dense(params, 'cls/seq_relationship', pooled(params, hidden))
  check(logits.next_sentence, expected)


@pytest.mark.parametrize('head', HEADS[1:])
def test_logits_are_float32_where_the_encoder_is_not(head):
  module, variables = abstract(head, CONFIG.replace(dtype='bfloat16'))
  logits = jax.eval_shape(module.apply, variables, INPUTS[head])
  assert {x.dtype for x in jax.tree.leaves(logits)} == {jnp.dtype('float32')}


def test_pieces_are_decoded_in_bfloat16_and_summed_in_float32():
  module, variables = abstract('masked_lm', CONFIG.replace(dtype='bfloat16'))
  program = jax.make_jaxpr(module.apply)(variables, PRETRAINING)
  (product,) = (
    equation
    for equation in program.eqns
    if equation.primitive.name == 'dot_general'
    and 30 in equation.outvars[0].aval.shape
  )
  assert {x.aval.dtype for x in product.invars} == {jnp.dtype('bfloat16')}
  assert product.outvars[0].aval.dtype == jnp.float32


# The table that the masked language model shares with the embeddings.


def test_gradients_of_both_uses_of_the_table_are_joined():
  module, variables = drawn('masked_lm')

  def loss(variables):
    # One column: as an output, the table is used in row 20 alone, which is
    # no input.
    logits = module.apply(variables, PRETRAINING).masked_lm
    return jnp.sum(jnp.sin(logits[..., 20]))

  gradient = jax.jit(jax.grad(loss))(variables)
  rows = gradient['params']['bert']['embeddings']['word_embeddings']
  used = np.flatnonzero(np.any(np.asarray(rows), axis=-1))
  # Also as inputs, save padding, which no predicted piece sees.
  assert set(used) == {20, *np.unique(PIECES[SEQUENCES > 0]).tolist()}


def test_only_masked_positions_are_decoded():
  module, variables = abstract('pretraining')
  program = str(jax.make_jaxpr(module.apply)(variables, PRETRAINING))
  assert 'f32[3,3,30]' in program
  assert 'f32[3,8,30]' not in program


def test_without_next_sentence_there_is_no_pooler():
  _, variables = abstract('masked_lm')
  assert 'pooler' not in variables['params']['bert']


# Dropout.


def test_dropout_belongs_to_rows_and_is_off_without_keys():
  module, variables = drawn('token')
  apply = jax.jit(module.apply)
  keys = jax.random.split(jax.random.key(1), 3)
  positions = jnp.broadcast_to(jnp.arange(8), (3, 8))
  inputs = Inputs(IDS, IDS * 0, positions, IDS)
  plain = apply(variables, inputs)
  np.testing.assert_array_equal(plain[0], plain[1])
  dropped = apply(variables, inputs, keys)
  assert not np.allclose(dropped[0], dropped[1])
  turned = apply(variables, inputs, keys[::-1])
  np.testing.assert_allclose(turned[::-1], dropped, atol=1e-6)


@pytest.mark.parametrize('head', HEADS)
def test_dropout_precedes_the_classifiers_alone(head):
  module, variables = abstract(head)
  keys = jax.random.split(jax.random.key(1), 3)
  program = jax.make_jaxpr(module.apply)(variables, INPUTS[head], keys)
  # Embeddings, two sublayers, the head.
  count = 4 if head in CLASSIFIERS else 3
  assert count_draws(program) == count


# Names.


@pytest.mark.parametrize(
  ('head', 'missing'),
  [
    ('sequence', 'cls_positions'),
    ('yes_no', 'cls_positions'),
    ('entity_pair', 'second_positions'),
    ('masked_lm', 'masked_positions'),
  ],
)
def test_a_batch_without_the_positions_of_a_head(head, missing):
  module, variables = abstract(head)
  inputs = INPUTS[head]._replace(**{missing: None})
  with pytest.raises(ValueError, match='lacks the positions'):
    jax.eval_shape(module.apply, variables, inputs)


def test_inputs_are_taken_out_of_a_batch_by_name():
  batch = PRETRAINING._asdict() | {'labels': CLS}
  del batch['first_positions']
  assert Inputs.from_batch(batch) is not PRETRAINING
  for one, other in zip(Inputs.from_batch(batch), PRETRAINING, strict=True):
    assert one is other


@pytest.mark.parametrize('head', ['ner', '', 'Token'])
def test_unknown_heads_are_refused(head):
  names = 'encoder, pretraining, masked_lm, token, sequence, span, yes_no'
  names += ', entity_pair'
  with pytest.raises(InputError, match=f"head is '{head}'; choose .* {names}$"):
    module_of(head, CONFIG, 3)


@pytest.mark.parametrize('head', CLASSIFIERS)
def test_classifiers_need_labels(head):
  with pytest.raises(InputError, match=f"'{head}' has 0 labels; give num_lab"):
    module_of(head, CONFIG)
