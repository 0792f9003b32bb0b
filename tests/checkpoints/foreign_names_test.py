"""Names of other programs become ours; a common prefix goes."""

from collections.abc import Callable

import numpy as np
import pytest

from biobert_jax.checkpoints import name_map
from biobert_jax.checkpoints.formats.file_magic import LazyTensor
from biobert_jax.checkpoints.name_map import FOREIGN, HUGGINGFACE, TENSORFLOW
from biobert_jax.errors import InputError
from tests.fixtures.bert_parameters import TINY, parameters

LAYERS, HEADS = TINY.num_hidden_layers, TINY.num_attention_heads
TABLES = {
  f'bert/embeddings/{name}_embeddings': i
  for i, name in enumerate(('word', 'position', 'token_type'))
}


def flax(path: str) -> str:
  path = path.replace('encoder/layer_', 'encoder/layer/')
  return f'{path}/embedding' if path in TABLES else path


def keras(path: str) -> str:
  if path in TABLES:
    path += '/embeddings' if TABLES[path] else '/weight'
  path = path.replace('encoder/layer_', 'encoder/layer_._')
  path = path.replace('LayerNorm/scale', 'LayerNorm/gamma')
  path = path.replace('LayerNorm/bias', 'LayerNorm/beta')
  path = path.replace('cls/predictions', 'mlm___cls/predictions')
  path = path.replace('cls/seq_relationship', 'nsp___cls/seq_relationship')
  return f'{path.split("/")[0]}/tf_bert_for_pre_training/{path}:0'


def leaf_of(path: str) -> str:
  leaf = path.rpartition('/')[2]
  if 'LayerNorm' in path:
    return {'scale': 'gamma', 'bias': 'beta'}[leaf]
  return leaf


# Ours -> the attribute of official/nlp's TransformerEncoderBlock.
OBJECTS = {
  'attention/self/query': '_attention_layer/_query_dense',
  'attention/self/key': '_attention_layer/_key_dense',
  'attention/self/value': '_attention_layer/_value_dense',
  'attention/output/dense': '_attention_layer/_output_dense',
  'attention/output/LayerNorm': '_attention_layer_norm',
  'intermediate/dense': '_intermediate_dense',
  'output/dense': '_output_dense',
  'output/LayerNorm': '_output_layer_norm',
}
# -> its variable.
VARIABLES = {
  'attention/self/query': 'self_attention/query',
  'attention/self/key': 'self_attention/key',
  'attention/self/value': 'self_attention/value',
  'attention/output/dense': 'self_attention/attention_output',
  'attention/output/LayerNorm': 'self_attention_layer_norm',
  'intermediate/dense': 'intermediate',
  'output/dense': 'output',
  'output/LayerNorm': 'output_layer_norm',
}


def in_layer(path: str, parts: dict[str, str]) -> tuple[int, str] | None:
  """Number of the layer and the rest, renamed; None outside of layers."""
  if not path.startswith('bert/encoder/layer_'):
    return None
  number, _, rest = path.removeprefix('bert/encoder/layer_').partition('/')
  return int(number), f'{parts[rest.rpartition("/")[0]]}/{leaf_of(path)}'


def counted(path: str) -> str:
  """A functional Keras model's layers, as released with TF 2.0 to 2.3."""
  encoder, heads = 'model/layer_with_weights-0', 'model/layer_with_weights-'
  number = 'layer_with_weights-{}'
  if path in TABLES:
    return f'{encoder}/{number.format(TABLES[path])}/embeddings'
  if found := in_layer(path, OBJECTS):
    rest = found[1].replace('_attention_layer/_output', '_attention_output')
    return f'{encoder}/{number.format(found[0] + 4)}/{rest}'
  modules = {
    'bert/embeddings/LayerNorm': f'{encoder}/{number.format(3)}',
    'bert/pooler/dense': f'{encoder}/{number.format(LAYERS + 4)}',
    'cls/predictions/transform/dense': f'{heads}1/{number.format(0)}',
    'cls/predictions/transform/LayerNorm': f'{heads}1/{number.format(1)}',
    'cls/predictions': f'{heads}1/{number.format(2)}',
    'cls/seq_relationship': f'{heads}2/{number.format(0)}',
  }
  return f'{modules[path.rpartition("/")[0]]}/{leaf_of(path)}'


def attributes(path: str) -> str:
  """BertEncoderV2 and its heads, since 2021."""
  places = {
    'bert/embeddings/word_embeddings': 'masked_lm/embedding_table',
    'bert/embeddings/position_embeddings': (
      'encoder/_position_embedding_layer/embeddings'
    ),
    'bert/embeddings/token_type_embeddings': (
      'encoder/_type_embedding_layer/embeddings'
    ),
    'cls/predictions/bias': 'masked_lm/output_bias.Sbias',
  }
  if path in places:
    return places[path]
  if found := in_layer(path, OBJECTS):
    return f'encoder/_transformer_layers/{found[0]}/{found[1]}'
  modules = {
    'bert/embeddings/LayerNorm': 'encoder/_embedding_norm_layer',
    'bert/pooler/dense': 'next_sentence..pooler_dense',
    'cls/predictions/transform/dense': 'masked_lm/dense',
    'cls/predictions/transform/LayerNorm': 'masked_lm/layer_norm',
    'cls/seq_relationship': 'model/classification_heads/0/out_proj',
  }
  return f'{modules[path.rpartition("/")[0]]}/{leaf_of(path)}'


def variables(path: str) -> str:
  """The names of BERT_V2_NAME_REPLACEMENTS."""
  places = {
    'bert/embeddings/word_embeddings': 'word_embeddings/embeddings',
    'bert/embeddings/position_embeddings': 'position_embedding/embeddings',
    'bert/embeddings/token_type_embeddings': 'type_embeddings/embeddings',
    'cls/predictions/bias': 'cls/predictions/output_bias/bias',
  }
  if path in places:
    return places[path]
  if found := in_layer(path, VARIABLES):
    return f'transformer/layer_{found[0]}/{found[1]}'
  modules = {
    'bert/embeddings/LayerNorm': 'embeddings/layer_norm',
    'bert/pooler/dense': 'pooler_transform',
    'cls/predictions/transform/dense': 'bert/cls/predictions/transform/dense',
    'cls/predictions/transform/LayerNorm': (
      'bert/cls/predictions/transform/LayerNorm'
    ),
    'cls/seq_relationship': 'predictions/transform/logits',
  }
  return f'{modules[path.rpartition("/")[0]]}/{leaf_of(path)}'


def by_heads(path: str, array: np.ndarray) -> np.ndarray:
  """An axis for the heads, as official/nlp has it."""
  if '/attention/self/' in path:
    return array.reshape(*array.shape[:-1], HEADS, -1)
  if path.endswith('/attention/output/dense/kernel'):
    return array.reshape(HEADS, -1, array.shape[-1])
  return array


def stored(array: np.ndarray, *also: str) -> LazyTensor:
  return LazyTensor(array.shape, array.dtype.name, lambda: array, also)


def pretrained() -> dict[str, np.ndarray]:
  return {
    path: array
    for path, array in parameters().items()
    if path.startswith(('bert/', 'cls/'))
  }


@pytest.mark.parametrize(
  'name',
  [flax, keras, counted, attributes, variables],
  ids=lambda f: f.__name__,
)
def test_names_of_other_programs_are_read(name: Callable[[str], str]) -> None:
  of_nlp = name not in (flax, keras)
  tensors = {
    name(path): stored(by_heads(path, array) if of_nlp else array)
    for path, array in pretrained().items()
  }
  assert len(tensors) == len(pretrained())
  contents = name_map.read(tensors, FOREIGN, TINY, 'here')
  assert contents.params.keys() == pretrained().keys()
  for path, array in pretrained().items():
    np.testing.assert_array_equal(contents.params[path], array, path)


def test_objects_without_a_known_place_go_by_their_variable() -> None:
  tensors = {
    f'model/layers/{i}': stored(by_heads(path, array), variables(path))
    for i, (path, array) in enumerate(pretrained().items())
  }
  contents = name_map.read(tensors, FOREIGN, TINY, 'here')
  assert contents.params.keys() == pretrained().keys()


def test_what_objects_hold_besides_is_counted_or_named() -> None:
  tensors = {counted(p): stored(a) for p, a in pretrained().items()}
  slot = counted('bert/pooler/dense/bias') + '/.OPTIMIZER_SLOT/optimizer/m'
  for name in ('save_counter', 'optimizer/iter', 'optimizer/loss_scale', slot):
    tensors[name] = stored(np.zeros((), np.int64))
  tensors['_CHECKPOINTABLE_OBJECT_GRAPH'] = stored(np.asarray(b''))
  contents = name_map.read(tensors, FOREIGN, TINY, 'here')
  assert not contents.slots
  assert dict(contents.skipped) == {
    'counters (save_counter)': 1,
    'optimizer slots (iter)': 1,
    'optimizer slots (loss_scale)': 1,
    'optimizer slots (m)': 1,
  }
  tensors['model/layer_with_weights-7/kernel'] = stored(np.zeros(3, np.float32))
  with pytest.raises(InputError, match='unmapped model/layer_with_weights-7'):
    name_map.read(tensors, FOREIGN, TINY, 'here')


def test_the_pooler_that_was_trained_is_taken() -> None:
  tensors = {
    attributes(path): stored(by_heads(path, array))
    for path, array in pretrained().items()
  }
  for leaf in ('kernel', 'bias'):
    other = np.ones_like(parameters()[f'bert/pooler/dense/{leaf}'])
    tensors[f'encoder/_pooler_layer/{leaf}'] = stored(other)
  contents = name_map.read(tensors, FOREIGN, TINY, 'here')
  why = 'a pooler that the head does not use'
  assert contents.skipped[why] == 2
  path = 'bert/pooler/dense/bias'
  np.testing.assert_array_equal(contents.params[path], parameters()[path])


# The names that official/nlp gives heads: of the key, and of the attributes.
HEADS_OF_NLP = {
  'a classifier': (
    'classifier',
    'model/layer_with_weights-1/out_proj',
    'sentence_prediction/logits',
    'model/classifier/out_proj',
  ),
  'a classifier of 2020': (
    'classifier',
    'model/layer_with_weights-1/layer_with_weights-0',
    'predictions/transform/logits',
    'model/classifier/layer_with_weights-0',
  ),
  'a classifier of tokens': (
    'classifier',
    'model/layer_with_weights-1',
    'predictions/transform/logits',
    'model/classifier',
  ),
  'its classes alone tell': (
    'classifier',
    'model/layer_with_weights-1',
    'predictions/transform/logits',
    '',
  ),
  'spans': (
    'qa_outputs',
    'model/layer_with_weights-1/layer_with_weights-0',
    'predictions/transform/logits',
    'model/span_labeling/layer_with_weights-0',
  ),
  'spans of 2019': ('qa_outputs', 'squad/final_dense', '', ''),
}


@pytest.mark.parametrize('kind', HEADS_OF_NLP)
def test_heads_of_objects_are_read(kind: str) -> None:
  ours, *names = HEADS_OF_NLP[kind]
  params = {p: a for p, a in parameters().items() if p.startswith('bert/')}
  tensors = {counted(p): stored(by_heads(p, a)) for p, a in params.items()}
  head = {p: a for p, a in parameters().items() if p.startswith(f'{ours}/')}
  for path, array in head.items():
    key, *also = (f'{name}/{leaf_of(path)}' for name in names)
    tensors[key] = stored(array, *also)
  contents = name_map.read(tensors, FOREIGN, TINY, 'here')
  assert contents.groups == ('encoder', 'pooler', ours)
  for path, array in (params | head).items():
    np.testing.assert_array_equal(contents.params[path], array, path)


def test_two_columns_of_no_name_are_not_guessed() -> None:
  tensors = {
    counted(p): stored(by_heads(p, a))
    for p, a in parameters().items()
    if p.startswith('bert/')
  }
  kernel = parameters()['qa_outputs/kernel']
  name = 'predictions/transform/logits/kernel'
  tensors['model/layer_with_weights-1/kernel'] = stored(kernel, name)
  with pytest.raises(InputError, match='unmapped model/layer_with_weights-1/k'):
    name_map.read(tensors, FOREIGN, TINY, 'here')


def test_a_head_of_classes_with_a_pooler_of_its_own() -> None:
  tensors, own = {}, {}
  for path, array in parameters().items():
    if path.startswith('bert/'):
      tensors[counted(path)] = stored(by_heads(path, array))
    if path.startswith('bert/pooler'):
      own[path] = np.full_like(array, 0.25)
      leaf = leaf_of(path)
      also = f'model/classifier/dense/{leaf}'
      name = f'sentence_prediction.pooler_dense/{leaf}'
      tensors[name] = stored(own[path], also)
    if path.startswith('classifier/'):
      tensors[f'model/classifier/out_proj/{leaf_of(path)}'] = stored(array)
  contents = name_map.read(tensors, FOREIGN, TINY, 'here')
  assert contents.groups == ('encoder', 'pooler', 'classifier')
  assert contents.skipped['a pooler that the head does not use'] == 2
  for path, array in own.items():
    np.testing.assert_array_equal(contents.params[path], array)


def column_tensors(column: str, *groups: str) -> dict[str, LazyTensor]:
  params = {p: a for p, a in parameters().items() if p.startswith(groups)}
  arrays = name_map.write(params, column, LAYERS)
  return {name: stored(array) for name, array in arrays.items()}


@pytest.mark.parametrize(
  ('column', 'prefix'),
  [
    *(
      (HUGGINGFACE, p) for p in ('module.', 'model.', 'bert.', '0.auto_model.')
    ),
    *((TENSORFLOW, p) for p in ('model/', 'tower_0/x/')),
  ],
)
def test_a_prefix_goes_where_that_maps_everything(
  column: str, prefix: str
) -> None:
  tensors = column_tensors(column, 'bert/', 'classifier')
  if column == TENSORFLOW:
    name = 'bert/pooler/dense/bias/adam_m'
    tensors[name] = stored(np.zeros(4, np.float32))
  given = {f'{prefix}{name}': tensor for name, tensor in tensors.items()}
  contents = name_map.read(given, column, TINY, 'here')
  assert contents.groups == ('encoder', 'pooler', 'classifier')
  assert contents.prefix == prefix
  assert f'without the prefix {prefix!r}' in str(contents)
  assert len(contents.slots) == (column == TENSORFLOW)
  other = f'{prefix}other'
  given[other] = stored(np.zeros(3, np.float32))
  with pytest.raises(InputError, match=rf': unmapped {other} \[3\]$'):
    name_map.read(given, column, TINY, 'here')
  skipped = name_map.read(given, column, TINY, 'here', other).skipped
  assert skipped['left out as asked'] == 1


@pytest.mark.parametrize(
  ('prefix', 'other'),
  [
    ('roberta.', 'RoBERTa'),
    ('module.electra.', 'ELECTRA'),
    ('model.language_model.', 'Megatron-LM'),
  ],
)
def test_another_model_is_called_by_its_name(prefix: str, other: str) -> None:
  tensors = column_tensors(HUGGINGFACE, 'bert/')
  given = {
    prefix + name.removeprefix('bert.'): tensor
    for name, tensor in tensors.items()
  }
  with pytest.raises(InputError, match=f'tensors of {other}, which is another'):
    name_map.read(given, HUGGINGFACE, TINY, 'here')


def test_only_some_names_may_have_the_prefix() -> None:
  """A classifier of one's own around a `bert` of transformers."""
  tensors = column_tensors(HUGGINGFACE, 'bert/', 'classifier')
  given = {
    f'bert.{n}' if n.startswith('bert.') else n: t for n, t in tensors.items()
  }
  contents = name_map.read(given, HUGGINGFACE, TINY, 'here')
  assert contents.prefix == 'bert.'
  assert contents.groups == ('encoder', 'pooler', 'classifier')
  # Two models in one file are not one.
  both = given | tensors
  with pytest.raises(InputError, match='unmapped'):
    name_map.read(both, HUGGINGFACE, TINY, 'here')


def test_names_and_padding_of_nvidia_are_read() -> None:
  tensors = {}
  for name, tensor in column_tensors(HUGGINGFACE, 'bert/', 'cls/').items():
    for part in ('intermediate', 'pooler', 'transform'):
      name = name.replace(f'{part}.dense.', f'{part}.dense_act.')
    array = tensor.read()
    if array.shape[0] == TINY.vocab_size:  # 7, padded to 8.
      array = np.pad(array, [(0, 1)] + [(0, 0)] * (array.ndim - 1))
    tensors[name] = stored(array)
  tensors['cls.predictions.decoder.weight'] = tensors[
    'bert.embeddings.word_embeddings.weight'
  ]
  assert 'bert.pooler.dense_act.weight' in tensors
  contents = name_map.read(tensors, HUGGINGFACE, TINY, 'here')
  for path, array in pretrained().items():
    np.testing.assert_array_equal(contents.params[path], array, path)
  assert sum('rows of padding' in why for why in contents.skipped) == 2
