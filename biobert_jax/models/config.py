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

from biobert_jax import errors
from biobert_jax.errors import FRACTION, POSITIVE, InputError, one_of

# Hugging Face's and Google's names -> ours. Google's HEAD computes 'gelu' with
# the tanh approximation, BioBERT (modeling.py:277) and Hugging Face with erf.
# Published checkpoints were fine-tuned with erf, so 'gelu' means erf here.
_ACTIVATIONS = {'gelu': 'gelu', 'relu': 'relu'} | dict.fromkeys(
  ('gelu_new', 'gelu_pytorch_tanh', 'gelu_tanh'), 'gelu_tanh'
)
ATTENTIONS = ('einsum', 'dot_product_attention', 'splash_attention')
REMAT_POLICIES = ('none', 'names', 'dots', 'full')
DTYPES = ('float32', 'bfloat16')


@dataclasses.dataclass(frozen=True)
class BertConfig:
  """Sizes of a BERT (names of `bert_config.json`) and how it is computed."""

  vocab_size: int = 28996
  hidden_size: int = 768  # D; a multiple of `num_attention_heads`.
  num_hidden_layers: int = 12
  num_attention_heads: int = 12
  intermediate_size: int = 3072  # F, the width of the feed-forward layer.
  hidden_act: str = 'gelu'  # 'gelu' (erf), 'gelu_tanh' or 'relu'.
  # Fractions 0-1 dropped: after embeddings and sublayers, of attention weights.
  hidden_dropout_prob: float = 0.1
  attention_probs_dropout_prob: float = 0.1
  max_position_embeddings: int = 512  # The longest sequence, in tokens.
  type_vocab_size: int = 2
  initializer_range: float = 0.02  # Deviation of the truncated normal.
  layer_norm_eps: float = 1e-12
  dtype: str = 'float32'  # Of activations and matrix products.
  param_dtype: str = 'float32'
  # Or, without dropout of attention weights, 'dot_product_attention' (of
  # `jax.nn`) or 'splash_attention' (a kernel for long sequences on TPUs).
  attention: str = 'einsum'
  # One compiled layer scanned N times (stacked parameters), or N unrolled.
  scan_layers: bool = False
  # What is kept for the backward pass: 'none' keeps everything, 'names' the
  # matrix products by name, 'dots' products without batch dimensions, 'full'
  # the inputs of layers alone.
  remat: str = 'none'
  # In which attention scores are stored ('einsum' only); the softmax is always
  # computed in float32.
  scores_dtype: str = 'float32'

  def __post_init__(self) -> None:
    values = {key: getattr(self, key.split('.')[1]) for key in _RANGES}
    errors.check_ranges(values, _RANGES)
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

    Fields about computation keep their defaults.
    """
    path = pathlib.Path(path)
    try:
      loaded = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
      raise InputError(f'{path}: no such file; give a model folder') from error
    except (ValueError, RecursionError) as error:
      raise InputError(f'{path}: not JSON ({error})') from error
    if not isinstance(loaded, dict):
      raise InputError(f'{path}: expected a JSON object')
    kind = loaded.get('model_type', 'bert')
    if kind != 'bert':
      raise InputError(f'{path}: model_type is {kind!r}; only "bert" is read')
    if loaded.get('position_embedding_type', 'absolute') != 'absolute':
      raise InputError(f'{path}: only absolute position embeddings are read')
    fields: dict[str, Any] = {}
    for name in ARCHITECTURE_FIELDS:
      if name in loaded:
        fields[name] = loaded[name]
      elif name in _REQUIRED:
        raise InputError(f'{path}: "{name}" is missing')
    act = fields.get('hidden_act', 'gelu')
    if not isinstance(act, str) or act not in _ACTIVATIONS:
      known = sorted(_ACTIVATIONS)
      raise InputError(f'{path}: hidden_act {act!r} is not one of {known}')
    fields['hidden_act'] = _ACTIVATIONS[act]
    try:
      return cls(**fields)
    except (InputError, TypeError) as error:
      raise InputError(f'{path}: {error}') from error

  @classmethod
  def tiny(cls, **changes: Any) -> 'BertConfig':
    """2 layers of 128 (BERT-Tiny, Turc et al. 2019): runs on a laptop."""
    return cls(**(_sizes(128, 2, 2, 512) | changes))

  @classmethod
  def base(cls, **changes: Any) -> 'BertConfig':
    """12 layers of 768: BERT-base, BioBERT v1.0 and v1.1."""
    return cls(**changes)

  @classmethod
  def large(cls, **changes: Any) -> 'BertConfig':
    """24 layers of 1024: BERT-large."""
    return cls(**(_sizes(1024, 24, 16, 4096) | changes))


def _sizes(*sizes: int) -> dict[str, Any]:
  """Those after the vocabulary's, in the order of `_REQUIRED`."""
  return dict(zip(_REQUIRED[1:5], sizes, strict=True))


# Those that a file holds; the others say how it is computed.
ARCHITECTURE_FIELDS = tuple(
  field.name for field in dataclasses.fields(BertConfig)[:12]
)
_REQUIRED = (
  *('vocab_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads'),
  *('intermediate_size', 'max_position_embeddings'),
)
_SIZES = (*_REQUIRED, 'type_vocab_size')
_SIZE = errors.Range(
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
