"""The token classifier: BERT, dropout, one linear layer."""

import jax
import jax.numpy as jnp
import numpy as np

from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import TokenClassifier

CONFIG = BertConfig(
  vocab_size=30,
  hidden_size=16,
  num_hidden_layers=1,
  num_attention_heads=2,
  intermediate_size=24,
  max_position_embeddings=8,
  dtype='bfloat16',
  hidden_dropout_prob=0.5,
  attention_probs_dropout_prob=0.0,
)
IDS = jnp.ones((3, 8), jnp.int32)


def test_shapes_types_and_names():
  module = TokenClassifier(CONFIG, 5)
  shapes = jax.eval_shape(module.init, jax.random.key(0), IDS, IDS, IDS, IDS)
  assert set(shapes['params']) == {'bert', 'classifier'}
  classifier = shapes['params']['classifier']
  assert classifier['kernel'].shape == (16, 5)
  assert classifier['bias'].shape == (5,)
  logits = jax.eval_shape(module.apply, shapes, IDS, IDS, IDS, IDS)
  assert (logits.shape, logits.dtype) == ((3, 8, 5), jnp.float32)


def test_dropout_belongs_to_rows_and_is_off_without_keys():
  module = TokenClassifier(CONFIG.replace(dtype='float32'), 5)
  variables = jax.jit(module.init)(jax.random.key(0), IDS, IDS, IDS, IDS)
  apply = jax.jit(module.apply)
  keys = jax.random.split(jax.random.key(1), 3)
  inputs = IDS, IDS * 0, jnp.broadcast_to(jnp.arange(8), (3, 8)), IDS
  plain = apply(variables, *inputs)
  np.testing.assert_array_equal(plain[0], plain[1])
  dropped = apply(variables, *inputs, keys)
  assert not np.allclose(dropped[0], dropped[1])
  turned = apply(variables, *inputs, keys[::-1])
  np.testing.assert_allclose(turned[::-1], dropped, atol=1e-6)


def test_dropout_precedes_the_classifier():
  module = TokenClassifier(CONFIG, 5)
  shapes = jax.eval_shape(module.init, jax.random.key(0), IDS, IDS, IDS, IDS)
  keys = jax.random.split(jax.random.key(1), 3)
  program = jax.make_jaxpr(module.apply)(shapes, IDS, IDS, IDS, IDS, keys)
  # Embeddings, two sublayers, the head.
  assert str(program).count(' = random_bits[') == 4
