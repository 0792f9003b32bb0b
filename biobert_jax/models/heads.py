"""BERT with each of its task heads.

`__call__` is the encoder, then `score`, which turns its output into logits
(float32). `dropout_keys` holds a key for each packed sequence while training.
"""

from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from biobert_jax.errors import InputError
from biobert_jax.models import dropout, encoder
from biobert_jax.models.config import BertConfig
from biobert_jax.models.dropout import DropoutKeys
from biobert_jax.models.encoder import BertEncoder, BertOutput, Inputs
from biobert_jax.models.layers import LayerNorm, activation, dense


class _Linear(NamedTuple):
  """A head of one linear layer."""

  layer: str  # The name of its parameters.
  reads: str  # Which vectors of the encoder.
  outputs: int = 0  # 0: one for each label, and dropout before the layer.


_LINEAR = {
  # Every token, as in BioBERT's NER: [B, L, C].
  'token': _Linear('classifier', 'tokens'),
  # Each pooled sequence (run_classifier.py:574): [B, P, C].
  'sequence': _Linear('classifier', 'pooled'),
  # Where the two entities of a sequence start, concatenated (Baldini Soares et
  # al. 2019, arXiv:1906.03158, figure 3 (f)); no pooler: [B, P, C].
  'entity_pair': _Linear('entity_classifier', 'entities'),
  # That an answer starts, and that it ends, at every token
  # (run_squad.py:550): [B, L, 2].
  'span': _Linear('qa_outputs', 'tokens', 2),
  # Yes or no, for a sigmoid, as in BioBERT's BioASQ code, from the last
  # layer's [CLS] instead of the pooler; above 0 means yes: [B, P].
  'yes_no': _Linear('yes_no', 'cls', 1),
}
HEADS = (
  *('encoder', 'pretraining', 'masked_lm'),
  *('token', 'sequence', 'span', 'yes_no', 'entity_pair'),
)
# Heads whose classes have names.
CLASSIFIERS = ('token', 'sequence', 'entity_pair')


class BertModel(nn.Module):
  """BERT without a head: the encoder's output."""

  config: BertConfig

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)

  def __call__(
    self, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> BertOutput:
    """Vectors of all tokens; pooled ones where there are `cls_positions`."""
    pool = inputs.cls_positions is not None
    return self.bert(inputs, dropout_keys, pool=pool)


class LinearHead(nn.Module):
  """BERT with one linear layer."""

  config: BertConfig
  head: str  # A key of `_LINEAR`.
  num_labels: int = 0  # C of `CLASSIFIERS`.

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    spec = _LINEAR[self.head]
    layer = dense(self.config, spec.outputs or self.num_labels)
    setattr(self, spec.layer, layer)  # The attribute names the parameters.

  def __call__(
    self, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B *R']:
    """Logits of the shape that `_LINEAR` tells."""
    encoder_keys, head_keys = dropout_keys, None
    if self.head in CLASSIFIERS:
      encoder_keys, head_keys = dropout.split_keys(dropout_keys, 2)
    pool = _LINEAR[self.head].reads == 'pooled'
    bert = self.bert(inputs, encoder_keys, pool=pool)
    return self.score(bert, inputs, head_keys)

  def score(
    self, bert: BertOutput, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B *R']:
    """Logits from the encoder's vectors."""
    spec = _LINEAR[self.head]
    if spec.reads == 'tokens':
      read = bert.last
    elif spec.reads == 'pooled':
      assert bert.pooled is not None  # `__call__` and hf_signature.py pool.
      read = bert.pooled
    elif spec.reads == 'cls':
      read = encoder.at_positions(bert.last, inputs.cls_positions)
    else:
      starts = inputs.first_positions, inputs.second_positions
      both = [
        encoder.at_positions(bert.last, positions) for positions in starts
      ]
      read = jnp.concatenate(both, axis=-1)  # [B, P, 2D]
    rate = self.config.hidden_dropout_prob
    read = dropout.dropout(read, rate, dropout.dropout_rngs(dropout_keys))
    logits = getattr(self, spec.layer)(read)
    if self.head == 'yes_no':
      logits = logits[..., 0]
    return logits.astype(jnp.float32)


class PretrainingLogits(NamedTuple):
  """Logits of pre-training, in float32."""

  masked_lm: Float[Array, 'B M V']  # Of the token at each masked position.
  # That B follows A (0) or is random (1).
  next_sentence: Float[Array, 'B P 2'] | None


class PreTrainer(nn.Module):
  """BERT's two pre-training heads (run_pretraining.py:240, :285).

  Without `next_sentence` it has no second one and no pooler.
  """

  config: BertConfig
  next_sentence: bool = True

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.cls = _PretrainingHeads(self.config)

  def __call__(
    self, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> PretrainingLogits:
    """Logits at `masked_positions` alone, and of sentence pairs."""
    bert = self.bert(inputs, dropout_keys, pool=self.next_sentence)
    masked = encoder.at_positions(bert.last, inputs.masked_positions)
    return self.score(bert, masked)

  def score(
    self, bert: BertOutput, masked: Float[Array, 'B M D']
  ) -> PretrainingLogits:
    """Logits from the pooled vectors and those of the tokens to predict."""
    return self.cls(masked, bert.pooled, self.bert.word_embeddings())


class _PretrainingHeads(nn.Module):
  """TF's scope `cls`."""

  config: BertConfig

  @nn.compact
  def __call__(
    self,
    masked: Float[Array, 'B M D'],
    pooled: Float[Array, 'B P D'] | None,
    word_embeddings: Float[Array, 'V D'],
  ) -> PretrainingLogits:
    predict = _Predictions(self.config, name='predictions')
    masked_lm = predict(masked, word_embeddings)
    if pooled is None:
      return PretrainingLogits(masked_lm, None)
    next_sentence = dense(self.config, 2, 'seq_relationship')(pooled)
    return PretrainingLogits(masked_lm, next_sentence.astype(jnp.float32))


class _Predictions(nn.Module):
  """The masked language model: a transform, the tied embeddings, a bias."""

  config: BertConfig

  @nn.compact
  def __call__(
    self, masked: Float[Array, 'B M D'], word_embeddings: Float[Array, 'V D']
  ) -> Float[Array, 'B M V']:
    config = self.config
    x = _Transform(config, name='transform')(masked)
    table = word_embeddings.astype(config.dtype)
    # Products in config.dtype are summed in float32: the softmax over the whole
    # vocabulary must not be given rounded logits.
    wide = jnp.float32
    logits = jnp.einsum('bmd,vd->bmv', x, table, preferred_element_type=wide)
    shape, param_dtype = (config.vocab_size,), jnp.dtype(config.param_dtype)
    bias = self.param('bias', nn.initializers.zeros, shape, param_dtype)
    return logits + bias.astype(jnp.float32)


class _Transform(nn.Module):
  """Dense, activation, layer norm, before decoding."""

  config: BertConfig

  @nn.compact
  def __call__(self, x: Float[Array, 'B M D']) -> Float[Array, 'B M D']:
    config = self.config
    x = dense(config, config.hidden_size, 'dense')(x)
    return LayerNorm(config, name='LayerNorm')(activation(x, config.hidden_act))


def module_of(head: str, config: BertConfig, num_labels: int = 0) -> nn.Module:
  """The module of a head; only `CLASSIFIERS` read `num_labels`, their C."""
  if head in CLASSIFIERS and num_labels < 1:
    raise InputError(f'head {head!r} has {num_labels} labels; give num_labels')
  if head in _LINEAR:
    return LinearHead(config, head, num_labels)
  modules = {
    'encoder': BertModel(config),
    'pretraining': PreTrainer(config),
    'masked_lm': PreTrainer(config, next_sentence=False),
  }
  if head not in modules:
    raise InputError(f'head is {head!r}; choose from {", ".join(HEADS)}')
  return modules[head]
