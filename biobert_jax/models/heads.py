"""BERT with each of its task heads.

Every head has two steps: the encoder, and `score`, which turns what the
encoder returned into logits (float32); `__call__` is both. The arguments
`input_ids` ... `sequence_ids` and `dropout_keys` are those of `BertEncoder`;
`cls_positions` says where in its row each packed sequence begins. Parameters
are called after the attributes that `setup` sets.
"""

from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.dropout import DropoutKeys, draw, dropout, split_keys
from biobert_jax.models.encoder import BertEncoder, BertOutput, at_positions
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
# With classes that have names.
CLASSIFIERS = ('token', 'sequence', 'entity_pair')


class BertModel(nn.Module):
  """BERT without a head: all that the encoder gives.

  Attributes:
    config: the encoder's.
  """

  config: BertConfig

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)

  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    sequence_ids: Int[Array, 'B L'],
    cls_positions: Int[Array, 'B P'] | None = None,
    dropout_keys: DropoutKeys = None,
  ) -> BertOutput:
    """Vectors of all pieces; pooled ones too where `cls_positions` are."""
    return self.bert(
      input_ids,
      segment_ids,
      position_ids,
      sequence_ids,
      dropout_keys,
      cls_positions,
    )


class TokenClassifier(nn.Module):
  """BERT with one linear layer on every piece, as in BioBERT's NER.

  Attributes:
    config: the encoder's.
    num_labels: C.
  """

  config: BertConfig
  num_labels: int

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.classifier = dense(self.config, self.num_labels)

  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    sequence_ids: Int[Array, 'B L'],
    dropout_keys: DropoutKeys = None,
  ) -> Float[Array, 'B L C']:
    """Label scores (logits) of every piece."""
    of_encoder, of_head = split_keys(dropout_keys, 2)
    bert = self.bert(
      input_ids, segment_ids, position_ids, sequence_ids, of_encoder
    )
    return self.score(bert, of_head)

  def score(
    self, bert: BertOutput, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B L C']:
    """Logits from the last layer's vectors."""
    rate = self.config.hidden_dropout_prob
    hidden = dropout(bert.last, rate, draw(dropout_keys))
    return self.classifier(hidden).astype(jnp.float32)


class SequenceClassifier(nn.Module):
  """BERT with one linear layer on each pooled sequence (run_classifier.py:574).

  Attributes:
    config: the encoder's.
    num_labels: C.
  """

  config: BertConfig
  num_labels: int

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.classifier = dense(self.config, self.num_labels)

  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    sequence_ids: Int[Array, 'B L'],
    cls_positions: Int[Array, 'B P'],
    dropout_keys: DropoutKeys = None,
  ) -> Float[Array, 'B P C']:
    """Class scores (logits) of every packed sequence."""
    of_encoder, of_head = split_keys(dropout_keys, 2)
    bert = self.bert(
      input_ids,
      segment_ids,
      position_ids,
      sequence_ids,
      of_encoder,
      cls_positions,
    )
    return self.score(bert, of_head)

  def score(
    self, bert: BertOutput, dropout_keys: DropoutKeys = None
  ) -> Float[Array, 'B P C']:
    """Logits from the pooled vectors."""
    assert bert.pooled is not None  # Whoever scores sequences pools them.
    rate = self.config.hidden_dropout_prob
    pooled = dropout(bert.pooled, rate, draw(dropout_keys))
    return self.classifier(pooled).astype(jnp.float32)


class SpanClassifier(nn.Module):
  """BERT that points at where an answer starts and ends (run_squad.py:550).

  Attributes:
    config: the encoder's.
  """

  config: BertConfig

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.qa_outputs = dense(self.config, 2)

  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    sequence_ids: Int[Array, 'B L'],
    dropout_keys: DropoutKeys = None,
  ) -> Float[Array, 'B L 2']:
    """Logits of every piece: that an answer starts there, that it ends."""
    bert = self.bert(
      input_ids, segment_ids, position_ids, sequence_ids, dropout_keys
    )
    return self.score(bert)

  def score(self, bert: BertOutput) -> Float[Array, 'B L 2']:
    """Logits from the last layer's vectors, without dropout."""
    return self.qa_outputs(bert.last).astype(jnp.float32)


class YesNoClassifier(nn.Module):
  """BERT that answers yes or no, as in BioBERT's BioASQ code.

  One logit on the last layer's [CLS], not on the pooler's, for a sigmoid.

  Attributes:
    config: the encoder's.
  """

  config: BertConfig

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.yes_no = dense(self.config, 1)

  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    sequence_ids: Int[Array, 'B L'],
    cls_positions: Int[Array, 'B P'],
    dropout_keys: DropoutKeys = None,
  ) -> Float[Array, 'B P']:
    """The logit of every packed sequence; above 0 says yes."""
    bert = self.bert(
      input_ids, segment_ids, position_ids, sequence_ids, dropout_keys
    )
    return self.score(bert, cls_positions)

  def score(
    self, bert: BertOutput, cls_positions: Int[Array, 'B P']
  ) -> Float[Array, 'B P']:
    """Logits from the last layer's vectors, without dropout."""
    logits = self.yes_no(at_positions(bert.last, cls_positions))
    return logits[..., 0].astype(jnp.float32)


class EntityPairClassifier(nn.Module):
  """BERT with one linear layer on where the two entities of a sequence start.

  The last layer's vectors at the two start markers, one after the other
  (Baldini Soares et al. 2019, arXiv:1906.03158, figure 3 (f)); no pooler.

  Attributes:
    config: the encoder's.
    num_labels: C.
  """

  config: BertConfig
  num_labels: int

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.entity_classifier = dense(self.config, self.num_labels)

  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    sequence_ids: Int[Array, 'B L'],
    first_positions: Int[Array, 'B P'],
    second_positions: Int[Array, 'B P'],
    dropout_keys: DropoutKeys = None,
  ) -> Float[Array, 'B P C']:
    """Class scores (logits) of every packed sequence."""
    of_encoder, of_head = split_keys(dropout_keys, 2)
    bert = self.bert(
      input_ids, segment_ids, position_ids, sequence_ids, of_encoder
    )
    return self.score(bert, first_positions, second_positions, of_head)

  def score(
    self,
    bert: BertOutput,
    first_positions: Int[Array, 'B P'],
    second_positions: Int[Array, 'B P'],
    dropout_keys: DropoutKeys = None,
  ) -> Float[Array, 'B P C']:
    """Logits from the last layer's vectors where the entities start."""
    both = jnp.concatenate(
      [
        at_positions(bert.last, positions)
        for positions in (first_positions, second_positions)
      ],
      axis=-1,
    )  # [B, P, 2D]
    rate = self.config.hidden_dropout_prob
    both = dropout(both, rate, draw(dropout_keys))
    return self.entity_classifier(both).astype(jnp.float32)


class PretrainingLogits(NamedTuple):
  """Logits of pre-training, in float32.

  Attributes:
    masked_lm: [B, M, V], of the piece at each masked position.
    next_sentence: [B, P, 2], that B follows A (0) or is random (1); None
      without that head.
  """

  masked_lm: Float[Array, 'B M V']
  next_sentence: Float[Array, 'B P 2'] | None


class PreTrainer(nn.Module):
  """BERT's two pre-training heads (run_pretraining.py:240, :285).

  The head that predicts pieces decodes with the word embeddings themselves.

  Attributes:
    config: the encoder's.
    next_sentence: whether it also tells if sentence B follows sentence A;
      without, there is no pooler.
  """

  config: BertConfig
  next_sentence: bool = True

  def setup(self) -> None:
    self.bert = BertEncoder(self.config)
    self.cls = _PretrainingHeads(self.config)

  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    sequence_ids: Int[Array, 'B L'],
    cls_positions: Int[Array, 'B P'],
    masked_positions: Int[Array, 'B M'],
    dropout_keys: DropoutKeys = None,
  ) -> PretrainingLogits:
    """Logits of masked pieces and of sentence pairs.

    Args:
      input_ids: see the module's docstring, as for all but the next two.
      segment_ids: token types.
      position_ids: positions.
      sequence_ids: packed sequences.
      cls_positions: not read where `next_sentence` is False.
      masked_positions: places in the row to predict, the only ones that are
        decoded; unused slots hold any place of the row, such as 0.
      dropout_keys: for the encoder; the heads have no dropout.

    Returns:
      Both logits.
    """
    bert = self.bert(
      input_ids,
      segment_ids,
      position_ids,
      sequence_ids,
      dropout_keys,
      cls_positions if self.next_sentence else None,
    )
    return self.score(bert, at_positions(bert.last, masked_positions))

  def score(
    self, bert: BertOutput, masked: Float[Array, 'B M D']
  ) -> PretrainingLogits:
    """Logits from pooled vectors and those of the pieces to predict."""
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
  """The masked language model: a transform, the tied table, a bias."""

  config: BertConfig

  @nn.compact
  def __call__(
    self, masked: Float[Array, 'B M D'], word_embeddings: Float[Array, 'V D']
  ) -> Float[Array, 'B M V']:
    config = self.config
    x = _Transform(config, name='transform')(masked)
    # Products of config.dtype, summed in float32: the softmax over the whole
    # vocabulary that follows must not see rounded logits.
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
  """The module of a head's name.

  Args:
    head: one of `HEADS`; 'pretraining' is masked pieces and next sentence.
    config: the encoder's architecture.
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
