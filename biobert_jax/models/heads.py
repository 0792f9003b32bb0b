"""Task heads on top of the encoder."""

from flax import linen as nn
from jaxtyping import Array, Float, Int, Key

from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import BertEncoder
from biobert_jax.models.layers import dense, dropout, split_keys


class TokenClassifier(nn.Module):
  """BERT with one linear layer on every piece, as in BioBERT's NER.

  Attributes:
    config: the encoder's.
    num_labels: C.
  """

  config: BertConfig
  num_labels: int

  @nn.compact
  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    sequence_ids: Int[Array, 'B L'],
    dropout_keys: Key[Array, 'B'] | None = None,
  ) -> Float[Array, 'B L C']:
    """Label scores (logits) of every piece, in float32.

    Arguments are those of `BertEncoder`.
    """
    of_encoder, of_head = split_keys(dropout_keys, 2)
    hidden = BertEncoder(self.config, name='bert')(
      input_ids, segment_ids, position_ids, sequence_ids, of_encoder
    )
    hidden = dropout(hidden, self.config.hidden_dropout_prob, of_head)
    logits = dense(self.config, self.num_labels, 'classifier')(hidden)
    return logits.astype('float32')
