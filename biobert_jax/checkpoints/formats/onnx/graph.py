"""BERT as an ONNX graph, node by node: no JAX, no tracer.

Padding attends to real tokens, as in Hugging Face's BERT, so vectors *at*
padding differ from those of `models/`; those of real tokens do not.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig

if TYPE_CHECKING:
  from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

INPUTS = ('input_ids', 'attention_mask', 'token_type_ids')
WORD_TABLE = 'bert/embeddings/word_embeddings'
_OPSET = 20  # The first with Gelu; LayerNormalization came with 17.
_IR_VERSION = 9  # The oldest that knows opset 20: more runtimes read it.


class _Graph:
  """Nodes in the order they are made, and the weights that they use."""

  def __init__(self, flat: Mapping[str, np.ndarray], config: BertConfig):
    self.flat = flat
    self.config = config
    self.nodes: list[NodeProto] = []
    self.constants: list[TensorProto] = []
    self.weights: dict[str, np.ndarray] = {}
    self.outputs: list[ValueInfoProto] = []

  def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
    """Adds an operator with one output; returns the output's name."""
    from onnx import helper

    name = attributes.setdefault('name', f'{kind}_{len(self.nodes)}')
    self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
    return name

  def weight(self, path: str) -> str:
    """The parameter at `path`, as an operand; stored once, used at will."""
    if path not in self.flat:
      raise InputError(f'ONNX: the parameters lack {path}')
    self.weights[path] = self.flat[path]
    return path

  def constant(self, values: Any, dtype: Any = np.int64) -> str:
    """A small array, as an operand."""
    from onnx import numpy_helper

    name = f'constant_{len(self.constants)}'
    array = np.asarray(values, dtype)
    self.constants.append(numpy_helper.from_array(array, name))
    return name

  def dense(self, x: str, path: str) -> str:
    """x @ kernel + bias."""
    product = self.node('MatMul', x, self.weight(f'{path}/kernel'))
    return self.node('Add', product, self.weight(f'{path}/bias'))

  def layer_norm(self, x: str, path: str) -> str:
    """Layer norm over the last axis."""
    inputs = x, self.weight(f'{path}/scale'), self.weight(f'{path}/bias')
    epsilon = self.config.layer_norm_eps
    return self.node('LayerNormalization', *inputs, axis=-1, epsilon=epsilon)

  def activation(self, x: str) -> str:
    """The non-linearity that the config names."""
    if self.config.hidden_act == 'relu':
      return self.node('Relu', x)
    tanh = self.config.hidden_act == 'gelu_tanh'
    return self.node('Gelu', x, approximate='tanh' if tanh else 'none')

  def output(self, x: str, name: str, shape: list[str | int]) -> None:
    """Makes `x` an output of the model, under `name`."""
    from onnx import TensorProto, helper

    self.node('Identity', x, name=name)
    info = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    self.outputs.append(info)


def _embeddings(graph: _Graph) -> str:
  """[batch, sequence] ids -> [batch, sequence, D]."""

  def lookup(name: str, ids: str) -> str:
    table = graph.weight(f'bert/embeddings/{name}_embeddings')
    return graph.node('Gather', table, ids, name=f'{name}_embeddings')

  words = lookup('word', 'input_ids')
  types = lookup('token_type', 'token_type_ids')
  # Not Gather(table, Range(length)): onnxruntime 1.32 turns that into a Slice
  # that it then refuses.
  positions = graph.node(
    'Slice',
    graph.weight('bert/embeddings/position_embeddings'),
    graph.constant([0]),
    graph.node('Shape', 'input_ids', start=1, end=2),
    graph.constant([0]),
  )
  total = graph.node('Add', graph.node('Add', words, types), positions)
  return graph.layer_norm(total, 'bert/embeddings/LayerNorm')


def _mask(graph: _Graph) -> str:
  """[batch, 1, 1, sequence]: 0 for real tokens, the lowest float elsewhere."""
  from onnx import TensorProto

  real = graph.node('Cast', 'attention_mask', to=TensorProto.BOOL)
  zero = graph.constant(0, np.float32)
  lowest = graph.constant(np.finfo(np.float32).min, np.float32)
  added = graph.node('Where', real, zero, lowest)
  return graph.node('Unsqueeze', added, graph.constant([1, 2]))


def _layer(graph: _Graph, hidden: str, mask: str, path: str) -> str:
  """One layer: attention, then feed-forward, each added to its input."""
  config = graph.config
  split = graph.constant([0, 0, config.num_attention_heads, config.head_dim])
  join = graph.constant([0, 0, config.hidden_size])
  scale = graph.constant(config.head_dim**-0.5, np.float32)

  def project(name: str, axes: list[int]) -> str:
    x = graph.dense(hidden, f'{path}/attention/self/{name}')
    return graph.node('Transpose', graph.node('Reshape', x, split), perm=axes)

  query = project('query', [0, 2, 1, 3])  # [batch, H, L, K]
  key = project('key', [0, 2, 3, 1])  # [batch, H, K, L]
  value = project('value', [0, 2, 1, 3])
  scores = graph.node('Mul', graph.node('MatMul', query, key), scale)
  weights = graph.node('Softmax', graph.node('Add', scores, mask), axis=-1)
  context = graph.node('MatMul', weights, value)
  context = graph.node('Transpose', context, perm=[0, 2, 1, 3])
  context = graph.node('Reshape', context, join)
  x = graph.dense(context, f'{path}/attention/output/dense')
  x = graph.node('Add', hidden, x)
  hidden = graph.layer_norm(x, f'{path}/attention/output/LayerNorm')
  x = graph.activation(graph.dense(hidden, f'{path}/intermediate/dense'))
  x = graph.node('Add', hidden, graph.dense(x, f'{path}/output/dense'))
  return graph.layer_norm(x, f'{path}/output/LayerNorm')


def _word_scores(graph: _Graph, hidden: str, name: str) -> None:
  """The masked language model; its decoder is the word table itself."""
  sizes = graph.config
  path = 'cls/predictions'
  x = graph.activation(graph.dense(hidden, f'{path}/transform/dense'))
  x = graph.layer_norm(x, f'{path}/transform/LayerNorm')
  # Gemm multiplies by a transposed table without a second copy of it, but
  # takes matrices only.
  rows = graph.node('Reshape', x, graph.constant([-1, sizes.hidden_size]))
  table, bias = graph.weight(WORD_TABLE), graph.weight(f'{path}/bias')
  scores = graph.node('Gemm', rows, table, bias, transB=1)
  given = graph.node('Shape', 'input_ids')
  vocabulary = graph.constant([sizes.vocab_size])
  shape = graph.node('Concat', given, vocabulary, axis=0)
  scores = graph.node('Reshape', scores, shape)
  graph.output(scores, name, ['batch', 'sequence', sizes.vocab_size])


def _head(graph: _Graph, hidden: str, head: str) -> None:
  """Adds the outputs of a head."""

  def pooled() -> str:
    return graph.node('Tanh', graph.dense(first, 'bert/pooler/dense'))

  first = graph.node('Gather', hidden, graph.constant(0), axis=1)
  shape: list[str | int] = ['batch']
  classes = len(graph.flat.get('classifier/bias', ()))
  if head == 'encoder':
    if 'bert/pooler/dense/kernel' in graph.flat:
      shape.append(graph.config.hidden_size)
      graph.output(pooled(), 'pooler_output', shape)
  elif head == 'token':
    x = graph.dense(hidden, 'classifier')
    graph.output(x, 'logits', [*shape, 'sequence', classes])
  elif head == 'sequence':
    x = graph.dense(pooled(), 'classifier')
    graph.output(x, 'logits', [*shape, classes])
  elif head == 'span':
    x = graph.dense(hidden, 'qa_outputs')
    for i, name in enumerate(('start_logits', 'end_logits')):
      scores = graph.node('Gather', x, graph.constant(i), axis=2)
      graph.output(scores, name, [*shape, 'sequence'])
  elif head == 'yes_no':
    x = graph.dense(first, 'yes_no')
    x = graph.node('Squeeze', x, graph.constant([1]))
    graph.output(x, 'logits', shape)
  elif head == 'masked_lm':
    _word_scores(graph, hidden, 'logits')
  elif head == 'pretraining':
    _word_scores(graph, hidden, 'prediction_logits')
    x = graph.dense(pooled(), 'cls/seq_relationship')
    graph.output(x, 'seq_relationship_logits', [*shape, 2])
  else:
    raise InputError(f'ONNX: no head is named {head!r}')


def _model(graph: _Graph, head: str) -> 'ModelProto':
  """The model of a finished graph, its weights left out."""
  import onnx
  from onnx import helper

  integers, shape = onnx.TensorProto.INT64, ['batch', 'sequence']
  inputs = [
    helper.make_tensor_value_info(name, integers, shape) for name in INPUTS
  ]
  content = (graph.nodes, 'bert', inputs, graph.outputs, graph.constants)
  model = helper.make_model(
    helper.make_graph(*content),
    opset_imports=[helper.make_opsetid('', _OPSET)],
    ir_version=_IR_VERSION,
    producer_name='biobert_jax',
  )
  properties = {
    'head': head,
    'max_position_embeddings': str(graph.config.max_position_embeddings),
    # Else the quantiser asks for a preparation that this graph, whose shapes
    # and operators are plain, has no use for.
    'onnx.quant.pre_process': 'onnxruntime.quant',
  }
  helper.set_model_props(model, properties)
  return model


def build(
  flat: Mapping[str, np.ndarray], config: BertConfig, head: str
) -> 'tuple[ModelProto, dict[str, np.ndarray]]':
  """The model of a head (not 'entity_pair') and the weights that it lacks.

  These are arrays of `flat`, whose layers are unrolled, by the nodes' names.
  """
  graph = _Graph(flat, config)
  hidden, mask = _embeddings(graph), _mask(graph)
  for i in range(config.num_hidden_layers):
    hidden = _layer(graph, hidden, mask, f'bert/encoder/layer_{i}')
  shape: list[str | int] = ['batch', 'sequence', config.hidden_size]
  graph.output(hidden, 'last_hidden_state', shape)
  _head(graph, hidden, head)
  return _model(graph, head), graph.weights
