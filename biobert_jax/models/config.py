"""The architecture of a BERT, as data.

Shape letters used throughout the package:
  B batch (packed sequences), L length (tokens), S key length, D hidden, H
  heads, K head dim, F intermediate, V vocabulary, T token types, X positions,
  N layers, P sequences in one packed sequence, M masked tokens, C classes.
"""

import dataclasses
import json
import pathlib
from typing import Any

from biobert_jax.errors import (
  FRACTION,
  POSITIVE,
  InputError,
  Range,
  check_ranges,
  one_of,
)

# Hugging Face's and Google's names -> ours. Google's HEAD computes 'gelu' with
# the tanh approximation, BioBERT (modeling.py:277) and Hugging Face with erf.
# Published checkpoints were fine-tuned with erf, so 'gelu' means erf here.
_ACTIVATIONS = {
  'gelu': 'gelu',
  'gelu_new': 'gelu_tanh',
  'gelu_pytorch_tanh': 'gelu_tanh',
  'gelu_tanh': 'gelu_tanh',
  'relu': 'relu',
}
ATTENTIONS = ('einsum', 'dot_product_attention', 'splash_attention')
REMAT_POLICIES = ('none', 'names', 'dots', 'full')
DTYPES = ('float32', 'bfloat16')


@dataclasses.dataclass(frozen=True)
class BertConfig:
  """Sizes of a BERT (names of `bert_config.json`) and how it is computed.

  Attributes:
    vocab_size: rows of the word embedding table.
    hidden_size: D; must be a multiple of `num_attention_heads`.
    num_hidden_layers: N.
    num_attention_heads: H.
    intermediate_size: F, the width of the feed-forward layer.
    hidden_act: 'gelu' (erf), 'gelu_tanh' or 'relu'.
    hidden_dropout_prob: fraction 0-1 dropped after embeddings and sublayers.
    attention_probs_dropout_prob: fraction 0-1 of attention weights dropped.
    max_position_embeddings: the longest sequence, in tokens.
    type_vocab_size: rows of the token type table.
    initializer_range: standard deviation of the truncated normal.
    layer_norm_eps: epsilon of every layer norm.
    dtype: dtype of activations and matrix products.
    param_dtype: dtype of parameters.
    attention: 'einsum'; or, without dropout of attention weights,
      'dot_product_attention' (`jax.nn`'s) or 'splash_attention' (a kernel
      for long sequences on TPUs).
    scan_layers: one compiled layer scanned N times (stacked parameters), or
      N layers unrolled.
    scores_dtype: dtype in which attention scores are stored; the softmax is
      always computed in float32 ('einsum' only).
    remat: what is kept for the backward pass: 'none' keeps everything, 'names'
      the matrix products by name, 'dots' products without batch dimensions,
      'full' the inputs of layers alone.
  """

  vocab_size: int = 28996
  hidden_size: int = 768
  num_hidden_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int = 3072
  hidden_act: str = 'gelu'
  hidden_dropout_prob: float = 0.1
  attention_probs_dropout_prob: float = 0.1
  max_position_embeddings: int = 512
  type_vocab_size: int = 2
  initializer_range: float = 0.02
  layer_norm_eps: float = 1e-12
  dtype: str = 'float32'
  param_dtype: str = 'float32'
  attention: str = 'einsum'
  scan_layers: bool = False
  remat: str = 'none'
  scores_dtype: str = 'float32'

  def __post_init__(self) -> None:
    values = {key: getattr(self, key.split('.')[1]) for key in _RANGES}
    check_ranges(values, _RANGES)
    if self.hidden_size % self.num_attention_heads:
      raise InputError(
        f'model.hidden_size {self.hidden_size} is not a multiple of '
        f'num_attention_heads {self.num_attention_heads}'
      )

  @property
  def head_dim(self) -> int:
    """K, the width of one attention head."""
    return self.hidden_size // self.num_attention_heads

  def replace(self, **changes: Any) -> 'BertConfig':
    """A copy with some fields changed, checked anew."""
    return dataclasses.replace(self, **changes)

  @classmethod
  def from_json(cls, path: str | pathlib.Path) -> 'BertConfig':
    """Reads Google's `bert_config.json` or Hugging Face's `config.json`.

    Args:
      path: the file.

    Returns:
      The architecture; fields about computation keep their defaults.

    Raises:
      InputError: no such file, not JSON, a missing size, or a model that is
        not a BERT with absolute positions.
    """
    path = pathlib.Path(path)
    try:
      loaded = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
      raise InputError(f'{path}: no such file; give a model folder') from error
    except (ValueError, RecursionError) as error:
      raise InputError(f'{path}: not JSON ({error})') from error
    return cls._from_dict(loaded, path)

  @classmethod
  def _from_dict(cls, loaded: Any, path: pathlib.Path) -> 'BertConfig':
    if not isinstance(loaded, dict):
      raise InputError(f'{path}: expected a JSON object')
    if loaded.get('model_type', 'bert') != 'bert':
      raise InputError(
        f'{path}: model_type is {loaded["model_type"]!r}; only "bert" is read'
      )
    if loaded.get('position_embedding_type', 'absolute') != 'absolute':
      raise InputError(f'{path}: only absolute position embeddings are read')
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(cls)[:_ARCHITECTURE_FIELDS]:
      if field.name in loaded:
        fields[field.name] = loaded[field.name]
      elif field.name in _REQUIRED:
        raise InputError(f'{path}: "{field.name}" is missing')
    act = fields.get('hidden_act', 'gelu')
    if not isinstance(act, str) or act not in _ACTIVATIONS:
      raise InputError(
        f'{path}: hidden_act {act!r} is not one of {sorted(_ACTIVATIONS)}'
      )
    fields['hidden_act'] = _ACTIVATIONS[act]
    try:
      return cls(**fields)
    except (InputError, TypeError) as error:
      raise InputError(f'{path}: {error}') from error

  @classmethod
  def tiny(cls, **changes: Any) -> 'BertConfig':
    """2 layers of 128 (BERT-Tiny, Turc et al. 2019): runs on a laptop."""
    sizes: dict[str, Any] = {
      'hidden_size': 128,
      'num_hidden_layers': 2,
      'num_attention_heads': 2,
      'intermediate_size': 512,
    }
    return cls(**(sizes | changes))

  @classmethod
  def base(cls, **changes: Any) -> 'BertConfig':
    """12 layers of 768: BERT-base, BioBERT v1.0 and v1.1."""
    return cls(**changes)

  @classmethod
  def large(cls, **changes: Any) -> 'BertConfig':
    """24 layers of 1024: BERT-large."""
    sizes: dict[str, Any] = {
      'hidden_size': 1024,
      'num_hidden_layers': 24,
      'num_attention_heads': 16,
      'intermediate_size': 4096,
    }
    return cls(**(sizes | changes))


_ARCHITECTURE_FIELDS = 12
_REQUIRED = (
  'vocab_size',
  'hidden_size',
  'num_hidden_layers',
  'num_attention_heads',
  'intermediate_size',
  'max_position_embeddings',
)
_SIZES = (*_REQUIRED, 'type_vocab_size')
_SIZE = Range(
  lambda x: isinstance(x, int) and x >= 1, 'it must be a whole number'
)
_RANGES = {
  **dict.fromkeys([f'model.{name}' for name in _SIZES], _SIZE),
  'model.hidden_act': one_of(('gelu', 'gelu_tanh', 'relu')),
  'compute.attention': one_of(ATTENTIONS),
  'compute.remat': one_of(REMAT_POLICIES),
  'compute.dtype': one_of(DTYPES),
  'compute.param_dtype': one_of(DTYPES),
  'compute.scores_dtype': one_of(DTYPES),
  'model.initializer_range': POSITIVE,
  'model.layer_norm_eps': POSITIVE,
  'model.hidden_dropout_prob': FRACTION,
  'model.attention_probs_dropout_prob': FRACTION,
}
