"""The architecture of a BERT, as data.

Shape letters used throughout the package:
  B batch (rows), L length (pieces), S key length, D hidden, H heads, K head
  dim, F intermediate, V vocabulary, T token types, X positions, N layers,
  P packed sequences of a row, C classes.
"""

import dataclasses
import json
import pathlib
from typing import Any

from biobert_jax.errors import InputError

# Hugging Face and Google spellings -> ours. Google's HEAD computes 'gelu' by
# the tanh approximation, BioBERT (modeling.py:277) and Hugging Face by erf;
# published checkpoints were fine-tuned with erf, so 'gelu' means erf here.
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
    max_position_embeddings: the longest sequence, in pieces.
    type_vocab_size: rows of the token type table.
    initializer_range: standard deviation of the truncated normal.
    layer_norm_eps: epsilon of every layer norm.
    dtype: of activations and matrix products.
    param_dtype: of parameters.
    attention: 'einsum'; or, without dropout of attention weights,
      'dot_product_attention' (`jax.nn`'s) or 'splash_attention' (a kernel
      for long rows on TPUs).
    scan_layers: one compiled layer scanned N times (stacked parameters), or
      N layers unrolled.
    scores_dtype: of attention scores while they wait for the softmax, which
      is in float32 whatever they are ('einsum' only).
    remat: what the backward pass keeps: 'none' keeps all, 'names' the matrix
      products by name, 'dots' products without batch dimensions, 'full'
      nothing but layer inputs.
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
    _check_sizes(self)
    _check_choice(
      'model.hidden_act', self.hidden_act, ('gelu', 'gelu_tanh', 'relu')
    )
    _check_choice('compute.attention', self.attention, ATTENTIONS)
    _check_choice('compute.remat', self.remat, REMAT_POLICIES)
    _check_choice('compute.dtype', self.dtype, DTYPES)
    _check_choice('compute.param_dtype', self.param_dtype, DTYPES)
    _check_choice('compute.scores_dtype', self.scores_dtype, DTYPES)
    for name in ('initializer_range', 'layer_norm_eps'):
      if not getattr(self, name) > 0:
        raise InputError(
          f'model.{name} is {getattr(self, name)}; it must be positive'
        )
    for name in ('hidden_dropout_prob', 'attention_probs_dropout_prob'):
      if not 0 <= getattr(self, name) < 1:
        raise InputError(
          f'model.{name} is {getattr(self, name)}; it must lie in [0, 1)'
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
      stored = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
      raise InputError(f'{path}: no such file; give a model folder') from error
    except (ValueError, RecursionError) as error:
      raise InputError(f'{path}: not JSON ({error})') from error
    return cls._from_dict(stored, path)

  @classmethod
  def _from_dict(cls, stored: Any, path: pathlib.Path) -> 'BertConfig':
    if not isinstance(stored, dict):
      raise InputError(f'{path}: expected a JSON object')
    if stored.get('model_type', 'bert') != 'bert':
      raise InputError(
        f'{path}: model_type is {stored["model_type"]!r}; only "bert" is read'
      )
    if stored.get('position_embedding_type', 'absolute') != 'absolute':
      raise InputError(f'{path}: only absolute position embeddings are read')
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(cls)[:_ARCHITECTURE_FIELDS]:
      if field.name in stored:
        fields[field.name] = stored[field.name]
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


def _check_sizes(config: BertConfig) -> None:
  for name in _SIZES:
    value = getattr(config, name)
    if not isinstance(value, int) or value < 1:
      raise InputError(f'model.{name} is {value!r}; it must be a whole number')
  if config.hidden_size % config.num_attention_heads:
    raise InputError(
      f'model.hidden_size {config.hidden_size} is not a multiple of '
      f'num_attention_heads {config.num_attention_heads}'
    )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
  if value not in choices:
    raise InputError(f'{name} is {value!r}; choose from {choices}')
