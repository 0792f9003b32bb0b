"""BERT with each of its task heads.

Every head has two steps: the encoder, and `score`, which turns the encoder's
output into logits (float32); `__call__` does both. `dropout_keys` holds a key
for each packed sequence while training. Parameters are named after the
attributes that `setup` sets.
"""

from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.dropout import (
  DropoutKeys,
  dropout,
  dropout_rngs,
  split_keys,
)
from biobert_jax.models.encoder import (
  BertEncoder,
  BertOutput,
  Inputs,
  at_positions,
)
from biobert_jax.models.layers import LayerNorm, activation, dense

HEADS = (
  'encoder',
  'pretraining',
  'masked_lm',
  'token',
  'sequence',
  'span',
  'yes_no',
  'entity_pair',
)
# Heads whose classes have names.
CLASSIFIERS = ('token', 'sequence', 'entity_pair')


class BertModel(nn.Module):
  """BERT without a head: the encoder's output.

  Attributes:
    config: of the encoder.
  """

  config: BertConfig

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)

  def __call__(
    self, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> BertOutput:
    """Vectors of all tokens; pooled ones where there are `cls_positions`."""
    return self.bert(
      inputs, dropout_keys, pool=inputs.cls_positions is not None
    )


class TokenClassifier(nn.Module):
  """BERT with one linear layer on every token, as in BioBERT's NER.

  Attributes:
    config: of the encoder.
    num_labels: C.
  """

  config: BertConfig
  num_labels: int

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.classifier = dense(self.config, self.num_labels)

  def __call__(
    self, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B L C']:
    """Logits of the labels of every token."""
    encoder_keys, head_keys = split_keys(dropout_keys, 2)
    return self.score(self.bert(inputs, encoder_keys), head_keys)

  def score(
    self, bert: BertOutput, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B L C']:
    """Logits from the vectors of the last layer."""
    rate = self.config.hidden_dropout_prob
    hidden = dropout(bert.last, rate, dropout_rngs(dropout_keys))
    return self.classifier(hidden).astype(jnp.float32)


class SequenceClassifier(nn.Module):
  """BERT with one linear layer on each pooled sequence (run_classifier.py:574).

  Attributes:
    config: of the encoder.
    num_labels: C.
  """

  config: BertConfig
  num_labels: int

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.classifier = dense(self.config, self.num_labels)

  def __call__(
    self, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B P C']:
    """Logits of the classes of every sequence."""
    encoder_keys, head_keys = split_keys(dropout_keys, 2)
    return self.score(self.bert(inputs, encoder_keys, pool=True), head_keys)

  def score(
    self, bert: BertOutput, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B P C']:
    """Logits from the pooled vectors."""
    assert bert.pooled is not None  # `__call__` and hf_signature.py pool.
    rate = self.config.hidden_dropout_prob
    pooled = dropout(bert.pooled, rate, dropout_rngs(dropout_keys))
    return self.classifier(pooled).astype(jnp.float32)


class SpanClassifier(nn.Module):
  """BERT that points at where an answer starts and ends (run_squad.py:550).

  Attributes:
    config: of the encoder.
  """

  config: BertConfig

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.qa_outputs = dense(self.config, 2)

  def __call__(
    self, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B L 2']:
    """Logits that an answer starts, and that it ends, at every token."""
    return self.score(self.bert(inputs, dropout_keys))

  def score(self, bert: BertOutput) -> Float[Array, 'B L 2']:
    """Logits from the vectors of the last layer, without dropout."""
    return self.qa_outputs(bert.last).astype(jnp.float32)


class YesNoClassifier(nn.Module):
  """BERT that answers yes or no, as in BioBERT's BioASQ code.

  One logit, for a sigmoid, from the last layer's [CLS] instead of the pooler.

  Attributes:
    config: of the encoder.
  """

  config: BertConfig

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.yes_no = dense(self.config, 1)

  def __call__(
    self, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B P']:
    """The logit of every sequence; above 0 means yes."""
    return self.score(self.bert(inputs, dropout_keys), inputs)

  def score(self, bert: BertOutput, inputs: Inputs) -> Float[Array, 'B P']:
    """Logits from the vectors of the last layer, without dropout."""
    logits = self.yes_no(at_positions(bert.last, inputs.cls_positions))
    return logits[..., 0].astype(jnp.float32)


class EntityPairClassifier(nn.Module):
  """BERT with one linear layer on where the two entities of a sequence start.

  It reads the vectors of the last layer at the two start markers, concatenated
  (Baldini Soares et al. 2019, arXiv:1906.03158, figure 3 (f)); no pooler.

  Attributes:
    config: of the encoder.
    num_labels: C.
  """

  config: BertConfig
  num_labels: int

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.entity_classifier = dense(self.config, self.num_labels)

  def __call__(
    self, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B P C']:
    """Logits of the classes of every sequence."""
    encoder_keys, head_keys = split_keys(dropout_keys, 2)
    return self.score(self.bert(inputs, encoder_keys), inputs, head_keys)

  def score(
    self, bert: BertOutput, inputs: Inputs, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B P C']:
    """Logits from the vectors of the last layer where the entities start."""
    starts = inputs.first_positions, inputs.second_positions
    both = jnp.concatenate(
      [at_positions(bert.last, positions) for positions in starts], axis=-1
    )  # [B, P, 2D]
    rate = self.config.hidden_dropout_prob
    both = dropout(both, rate, dropout_rngs(dropout_keys))
    return self.entity_classifier(both).astype(jnp.float32)


class PretrainingLogits(NamedTuple):
  """Logits of pre-training, in float32.

  Attributes:
    masked_lm: [B, M, V], of the token at each masked position.
    next_sentence: [B, P, 2], that B follows A (0) or is random (1); None
      without that head.
  """

  masked_lm: Float[Array, 'B M V']
  next_sentence: Float[Array, 'B P 2'] | None


class PreTrainer(nn.Module):
  """BERT's two pre-training heads (run_pretraining.py:240, :285).

  The masked language model decodes with the word embeddings themselves.

  Attributes:
    config: of the encoder.
    next_sentence: whether to predict, too, that sentence B follows sentence A;
      otherwise there is no pooler.
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
    return self.score(bert, at_positions(bert.last, inputs.masked_positions))

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
    # Products in config.dtype are summed in float32: the softmax over the whole
    # vocabulary must not be given rounded logits.
    logits = jnp.einsum(
      'bmd,vd->bmv',
      x,
      word_embeddings.astype(config.dtype),
      preferred_element_type=jnp.float32,
    )
    param_dtype = jnp.dtype(config.param_dtype)
    zeros = nn.initializers.zeros
    bias = self.param('bias', zeros, (config.vocab_size,), param_dtype)
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
  """Builds the module of a head.

  Args:
    head: one of `HEADS`; 'pretraining' is masked tokens and next sentence.
    config: architecture of the encoder.
    num_labels: C of `CLASSIFIERS`; the others do not read it.

  Returns:
    BERT with that head.

  Raises:
    InputError: an unknown name, or no number of labels where one is needed.
  """
  if head in CLASSIFIERS and num_labels < 1:
    raise InputError(f'head {head!r} has {num_labels} labels; give num_labels')
  modules = {
    'token': TokenClassifier(config, num_labels),
    'sequence': SequenceClassifier(config, num_labels),
    'entity_pair': EntityPairClassifier(config, num_labels),
    'encoder': BertModel(config),
    'pretraining': PreTrainer(config),
    'masked_lm': PreTrainer(config, next_sentence=False),
    'span': SpanClassifier(config),
    'yes_no': YesNoClassifier(config),
  }
  if head not in modules:
    raise InputError(f'head is {head!r}; choose from {", ".join(HEADS)}')
  return modules[head]
