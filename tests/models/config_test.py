"""BertConfig: both spellings of the file, and every way to get it wrong."""

import functools
import json

import jax
import numpy as np
import pytest

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import BertEncoder, Inputs

SIZES = {
  'vocab_size': 28996,
  'hidden_size': 768,
  'num_hidden_layers': 12,
  'num_attention_heads': 12,
  'intermediate_size': 3072,
  'max_position_embeddings': 512,
}
GOOGLE = SIZES | {
  'attention_probs_dropout_prob': 0.1,
  'hidden_act': 'gelu',
  'hidden_dropout_prob': 0.1,
  'initializer_range': 0.02,
  'type_vocab_size': 2,
}
HUGGING_FACE = GOOGLE | {
  'architectures': ['BertForTokenClassification'],
  'id2label': {'0': 'B', '1': 'I', '2': 'O'},
  'layer_norm_eps': 1e-12,
  'model_type': 'bert',
  'pad_token_id': 0,
  'position_embedding_type': 'absolute',
  'transformers_version': '4.57.6',
}


def read(folder, stored):
  path = folder / 'config.json'
  text = stored if isinstance(stored, str) else json.dumps(stored)
  path.write_text(text, encoding='utf-8')
  return BertConfig.from_json(path)


@pytest.mark.parametrize('stored', [GOOGLE, HUGGING_FACE, SIZES])
def test_published_forms_are_bert_base(tmp_path, stored):
  assert read(tmp_path, stored) == BertConfig.base()


def test_sizes_and_epsilon_are_the_files_own(tmp_path):
  stored = HUGGING_FACE | {
    'hidden_size': 384,
    'vocab_size': 30522,
    'num_hidden_layers': 6,
    'intermediate_size': 1536,
    'layer_norm_eps': 1e-5,
    'hidden_dropout_prob': 0.2,
    'type_vocab_size': 3,
  }
  config = read(tmp_path, stored)
  assert config == BertConfig(
    vocab_size=30522,
    hidden_size=384,
    num_hidden_layers=6,
    intermediate_size=1536,
    layer_norm_eps=1e-5,
    hidden_dropout_prob=0.2,
    type_vocab_size=3,
  )
  assert config.head_dim == 32


def test_fields_about_computation_are_not_read(tmp_path):
  stored = GOOGLE | {'dtype': 'bfloat16', 'remat': 'full', 'scan_layers': True}
  assert read(tmp_path, stored) == BertConfig.base()


@pytest.mark.parametrize(
  ('spelling', 'ours'),
  [
    ('gelu', 'gelu'),
    ('gelu_new', 'gelu_tanh'),
    ('gelu_pytorch_tanh', 'gelu_tanh'),
    ('relu', 'relu'),
  ],
)
def test_activations(tmp_path, spelling, ours):
  config = read(tmp_path, GOOGLE | {'hidden_act': spelling})
  assert config.hidden_act == ours


@pytest.mark.parametrize('missing', sorted(SIZES))
def test_a_missing_size_is_named(tmp_path, missing):
  stored = {k: v for k, v in GOOGLE.items() if k != missing}
  with pytest.raises(InputError, match=f'config.json: "{missing}" is missing'):
    read(tmp_path, stored)


@pytest.mark.parametrize(
  ('stored', 'message'),
  [
    ('{"vocab_size": 1,', 'config.json: not JSON'),
    ('[1, 2]', 'config.json: expected a JSON object'),
    (GOOGLE | {'model_type': 'roberta'}, '\'roberta\'; only "bert"'),
    (
      HUGGING_FACE | {'position_embedding_type': 'relative_key'},
      'only absolute position',
    ),
    (GOOGLE | {'hidden_act': 'swish'}, "hidden_act 'swish' is not one of"),
    (GOOGLE | {'hidden_act': ['gelu']}, r"hidden_act \['gelu'\] is not one of"),
    (GOOGLE | {'hidden_size': 770}, '770 is not a multiple of'),
    (GOOGLE | {'vocab_size': 0}, 'vocab_size is 0'),
    (GOOGLE | {'vocab_size': '28996'}, 'vocab_size.* .28996'),
    (GOOGLE | {'hidden_dropout_prob': 1.0}, r'must lie in \[0, 1\)'),
    (GOOGLE | {'hidden_dropout_prob': None}, 'hidden_dropout_prob'),
    (HUGGING_FACE | {'layer_norm_eps': None}, 'layer_norm_eps'),
    (HUGGING_FACE | {'layer_norm_eps': 0.0}, 'layer_norm_eps is 0.0; it must'),
  ],
)
def test_errors_of_a_file(tmp_path, stored, message):
  with pytest.raises(InputError, match=message) as error:
    read(tmp_path, stored)
  assert str(error.value).startswith(str(tmp_path / 'config.json'))


def test_no_such_file(tmp_path):
  with pytest.raises(InputError, match='no such file; give a model folder'):
    BertConfig.from_json(tmp_path / 'bert_config.json')


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('hidden_act', 'gelu_new'),
    ('attention', 'flash'),
    ('remat', 'some'),
    ('dtype', 'float16'),
    ('param_dtype', 'float64'),
    ('attention_probs_dropout_prob', -0.1),
    ('num_attention_heads', 5),
    ('num_hidden_layers', 0),
    ('initializer_range', -0.02),
  ],
)
def test_a_wrong_field_is_named(field, value):
  with pytest.raises(InputError, match=field):
    BertConfig.tiny().replace(**{field: value})


@pytest.mark.parametrize(
  ('config', 'expected'),
  # Sums of modeling.py's shapes, written out for BERT-base cased:
  # (28996 + 512 + 2 + 2) * 768
  # + 12 * (4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768)
  # + 768 * 768 + 768 = 108,310,272. Large likewise; both as published.
  [
    (BertConfig.base(), 108_310_272),
    (BertConfig.large(), 333_579_264),
    (BertConfig.base(scan_layers=True), 108_310_272),
  ],
)
def test_parameter_counts(config, expected):
  ids = np.zeros((1, 2), np.int32)
  inputs = Inputs(*[ids] * 4, cls_positions=ids[:, :1])
  init = functools.partial(BertEncoder(config).init, pool=True)
  params = jax.eval_shape(init, jax.random.key(0), inputs)['params']
  assert sum(x.size for x in jax.tree.leaves(params)) == expected
