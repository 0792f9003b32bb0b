"""Tensor names of other programs -> ours.

TF2's official/nlp (its objects, and its variables of 2019 and 2020), Keras and
Flax of transformers keep kernels [in, out], as ours; official/nlp keeps those
of attention by heads. Prefixes (`module.`, `model.`) go where that maps all.
"""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from biobert_jax.checkpoints.formats.file_magic import LazyTensor
from biobert_jax.checkpoints.formats.tensorflow import OBJECT_GRAPH

_SLOT = re.compile(r'.*/\.OPTIMIZER_SLOT/(?:.+/)?([^/]+)|optimizer/(.+)')
_COUNTERS = re.compile(r'(global_step|save_counter)')


def _by_name(ours: Mapping[str, str]) -> dict[str, str]:
  """Every name of a module -> ours, from ours -> the others."""
  return {
    name: module
    for module, names in ours.items()
    for name in (module, *names.split())
  }


# Modules of a layer: ours -> official/nlp's objects and variables.
_LAYER = _by_name(
  {
    'attention/self/query': '_attention_layer/_query_dense '
    'self_attention/query',
    'attention/self/key': '_attention_layer/_key_dense self_attention/key',
    'attention/self/value': '_attention_layer/_value_dense '
    'self_attention/value',
    'attention/output/dense': '_attention_layer/_output_dense '
    '_attention_output_dense self_attention/attention_output '
    'self_attention_output',
    'attention/output/LayerNorm': '_attention_layer_norm '
    'self_attention_layer_norm',
    'intermediate/dense': '_intermediate_dense intermediate',
    'output/dense': '_output_dense output',
    'output/LayerNorm': '_output_layer_norm output_layer_norm',
  }
)
_WORDS, _POSITIONS, _TYPES = _TABLES = (
  'bert/embeddings/word_embeddings',
  'bert/embeddings/position_embeddings',
  'bert/embeddings/token_type_embeddings',
)
_NORM, _POOLER = 'bert/embeddings/LayerNorm', 'bert/pooler/dense'
_TRANSFORM, _PAIRS = 'cls/predictions/transform', 'cls/seq_relationship'
# A layer of classes, of spans or of sentence pairs.
_LOGITS = 'predictions/transform/logits'
# Other modules; what stands before them in a name does not count.
_MODULES = _by_name(
  {
    _WORDS: 'word_embeddings _embedding_layer embedding_table '
    'embeddings/word_embeddings',
    _POSITIONS: '_position_embedding_layer position_embedding '
    'position_embeddings',
    _TYPES: '_type_embedding_layer type_embeddings token_type_embeddings',
    _NORM: '_embedding_norm_layer embeddings/layer_norm embeddings/LayerNorm '
    'embedding_postprocessor/layer_norm',
    _POOLER: '_pooler_layer pooler_transform pooler/dense '
    'next_sentence..pooler_dense next_sentence.pooler_dense',
    f'{_TRANSFORM}/dense': 'masked_lm/dense',
    f'{_TRANSFORM}/LayerNorm': f'{_TRANSFORM}/layer_norm masked_lm/layer_norm',
    'cls/predictions': 'cls/predictions/output_bias masked_lm/output_bias',
    _PAIRS: f'{_LOGITS} classification_heads/0/out_proj',
    'classifier': '',
    'qa_outputs': '',
  }
)
_LEAVES = {
  'kernel': 'kernel',
  'bias': 'bias',
  'gamma': 'scale',
  'scale': 'scale',
  'beta': 'bias',
}
_TABLE_LEAVES = ('embeddings', 'embedding', 'weight')
_OF_LAYER = re.compile(
  r'(?:.*/)?(?:_transformer_layers/|layer_\._|(?:transformer|encoder)/layer_'
  r'|encoder/layer/)(\d+)/(.+)/(\w+)'
)
# Keras counts the layers of a functional model that hold weights.
_COUNTED = re.compile(
  r'(?:model/|encoder/)?(?:layer_with_weights-(\d+)/)?layer_with_weights-(\d+)'
  r'/(?:(.+)/)?(\w+)'
)
# Parts of the names of heads: official/nlp's attributes and layers, and those
# of its programs of 2019.
_SPANS = {'span_labeling', 'squad_logits', 'final_dense', '_span_labeling'}
_CLASSES = {'classifier', 'classification', 'sentence_prediction'}
_INNER = {'pooler_dense', 'dense'}  # A pooler inside of a head of classes.
_OWN_POOLER = re.compile(
  r'\bnext_sentence|\b(?:classifier|sentence_prediction)\b.*dense/'
)
_OF_MASKED = re.compile(
  r'masked_lm|cls/predictions|layer_with_weights-1/layer_with_weights-2/'
)
_COUNTED_EMBEDDINGS = (_WORDS, _POSITIONS, _TYPES, _NORM)
_COUNTED_HEADS = {
  (1, 0): f'{_TRANSFORM}/dense',
  (1, 1): f'{_TRANSFORM}/LayerNorm',
  (1, 2): 'cls/predictions',
  (2, 0): _PAIRS,
}


# First parts of the names of models that share some of BERT's.
_OTHERS = {
  'albert': 'ALBERT',
  'deberta': 'DeBERTa',
  'distilbert': 'DistilBERT',
  'electra': 'ELECTRA',
  'discriminator_predictions': 'ELECTRA',
  'roberta': 'RoBERTa',
  'language_model': 'Megatron-LM',
}


def other_model(names: Iterable[str]) -> str:
  """The model that some names are those of, if it is not BERT; else ''."""
  for name in names:
    for part in re.split('[./]', name)[:3]:
      if part in _OTHERS:
        return _OTHERS[part]
  return ''


def is_foreign(tensors: Mapping[str, LazyTensor]) -> bool:
  """Whether tensors of a TensorFlow checkpoint have TF2's names."""
  words = 'word_embeddings/embeddings'
  return OBJECT_GRAPH in tensors or any(n.endswith(words) for n in tensors)


def in_our_names(
  tensors: Mapping[str, LazyTensor], layers: int, skipped: Counter[str]
) -> dict[str, LazyTensor]:
  """Tensors by our paths, in our shapes; names that nothing tells stay.

  The optimizer's are left out, and counted in `skipped`.
  """
  named: dict[str, LazyTensor] = {}
  names = {name: (name, *tensor.also) for name, tensor in tensors.items()}
  pretraining = any(map(_OF_MASKED.search, itertools.chain(*names.values())))
  paths = {
    name: _path_of(names[name], layers, pretraining, tensor.shape)
    for name, tensor in tensors.items()
  }
  # A head may have a pooler of its own beside one that it does not use.
  poolers = {n for n, path in paths.items() if path.startswith(_POOLER)}
  own = {name for name in poolers if _OWN_POOLER.search(' '.join(names[name]))}
  for name, tensor in tensors.items():
    if name == OBJECT_GRAPH:
      continue
    if match := _SLOT.fullmatch(name):
      skipped[f'optimizer slots ({match[1] or match[2]})'] += 1
      continue
    if _COUNTERS.fullmatch(name):
      skipped[f'counters ({name})'] += 1
      continue
    path = paths[name]
    if own and name in poolers - own:
      skipped['a pooler that the head does not use'] += 1
    elif path and path not in named:
      named[path] = _joined_heads(path, tensor)
    else:
      named[name] = tensor
  return named


def _path_of(
  names: Sequence[str], layers: int, pretraining: bool, shape: Sequence[int]
) -> str:
  """Our path of a tensor with several names; '' where none tells."""
  path = next(filter(None, (_ours(one, layers) for one in names)), '')
  if pretraining or path.startswith('bert/') and not path.startswith(_POOLER):
    return path
  for name in names:
    *modules, leaf = name.split('/')
    if leaf in _LEAVES and not _SPANS.isdisjoint(modules):
      return f'qa_outputs/{leaf}'
    if leaf in _LEAVES and not _CLASSES.isdisjoint(modules):
      inner = modules[-1] in _INNER
      return f'{_POOLER if inner else "classifier"}/{leaf}'
  if any(_LOGITS in name for name in names):  # Two columns may be a span's.
    return f'classifier/{names[0].split("/")[-1]}' if shape[-1] != 2 else ''
  return path


def _joined_heads(path: str, tensor: LazyTensor) -> LazyTensor:
  """A tensor of attention whose heads have an axis of their own, without it."""
  shape, is_output = tensor.shape, '/attention/output/dense/' in path
  if '/attention/self/' in path and len(shape) == 2 + path.endswith('kernel'):
    shape = (*shape[:-2], shape[-2] * shape[-1])
  elif is_output and len(shape) == 3:
    shape = (shape[0] * shape[1], shape[2])
  else:
    return tensor
  return dataclasses.replace(
    tensor, shape=shape, read=lambda: tensor.read().reshape(shape)
  )


def without_prefix(
  tensors: Mapping[str, LazyTensor],
  is_known: Callable[[str], bool],
  separator: str,
) -> tuple[dict[str, LazyTensor], str]:
  """Tensors without the prefix of some names, and that prefix.

  It is '' where names need none, need different ones or would meet others.
  Names that stay unknown without it keep it.
  """
  prefixes = {
    name: '' if is_known(name) else _prefix(name, is_known, separator)
    for name in tensors
  }
  renamed = {
    name.removeprefix(prefixes[name]): tensor
    for name, tensor in tensors.items()
  }
  found = set(filter(None, prefixes.values()))
  if len(found) != 1 or len(renamed) < len(tensors):
    return dict(tensors), ''
  return renamed, found.pop()


def _prefix(name: str, is_known: Callable[[str], bool], separator: str) -> str:
  """The shortest beginning without which a name is known, else ''."""
  for match in re.finditer(re.escape(separator), name):
    if is_known(name[match.end() :]):
      return name[: match.end()]
  return ''


def _ours(name: str, layers: int) -> str:
  """Our path of a stored name; '' where it has none."""
  name = name.removesuffix(':0').replace('.Sbias', '')
  name = name.replace('mlm___cls', 'cls').replace('nsp___cls', 'cls')
  if match := _OF_LAYER.fullmatch(name):
    module = _LAYER.get(match[2], '')
    leaf = _LEAVES.get(match[3], '')
    found = f'bert/encoder/layer_{match[1]}/{module}/{leaf}'
    return found if module and leaf else ''
  if match := _COUNTED.fullmatch(name):
    return _counted(match, layers)
  for whole in _without_start(name):
    module, _, leaf = whole.rpartition('/')
    if whole in _MODULES:  # The bias of `cls.predictions`, or a table itself.
      return _path(_MODULES[whole], '')
    if module in _MODULES:
      return _path(_MODULES[module], leaf)
  return ''


def _without_start(name: str) -> Iterator[str]:
  """The name, and what is left of it behind each `/`."""
  yield name
  for match in re.finditer('/', name):
    yield name[match.end() :]


def _path(module: str, leaf: str) -> str:
  if module in _TABLES:
    return module if leaf in ('', *_TABLE_LEAVES) else ''
  if module == 'cls/predictions' and not leaf:
    return f'{module}/bias'
  return f'{module}/{_LEAVES[leaf]}' if leaf in _LEAVES else ''


def _counted(match: re.Match[str], layers: int) -> str:
  """Our path of a weight of a Keras model's Nth layer."""
  model, number, module, leaf = match[1], int(match[2]), match[3], match[4]
  if model not in (None, '0'):
    found = _COUNTED_HEADS.get((int(model), number), '')
    return _path(found, leaf) if found and not module else ''
  if number < len(_COUNTED_EMBEDDINGS):
    return '' if module else _path(_COUNTED_EMBEDDINGS[number], leaf)
  layer = number - len(_COUNTED_EMBEDDINGS)
  if layer == layers:
    return '' if module else _path(_POOLER, leaf)
  part = _LAYER.get(module or '', '')
  known = part and leaf in _LEAVES and layer < layers
  return f'bert/encoder/layer_{layer}/{part}/{_LEAVES[leaf]}' if known else ''
