"""BERT and its heads in the signature of transformers, without packing."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import BertOutput, Inputs
from biobert_jax.models.heads import module_of

Outputs = dict[str, Array]
_POOLED = ('sequence', 'pretraining')


def unpacked(
  head: str, config: BertConfig, num_labels: int = 0, pooler: bool = True
) -> Callable[[Mapping[str, Any], Array, Array, Array], Outputs]:
  """A model without dropout, as a pure function of whole sequences.

  Args:
    head: one of `heads.HEADS`, except 'entity_pair'.
    config: architecture of the encoder, and whether the layers of the
      parameters are stacked.
    num_labels: C of 'token' and 'sequence'.
    pooler: whether 'encoder' returns 'pooler_output'.

  Returns:
    (parameters, input_ids [B, L], attention_mask [B, L], 1 = real token,
    token_type_ids [B, L]) -> outputs by the names of transformers. Always
    'last_hidden_state' [B, L, D]; by head:
      encoder: 'pooler_output' [B, D];
      token: 'logits' [B, L, C]; sequence: 'logits' [B, C];
      span: 'start_logits' and 'end_logits' [B, L];
      yes_no: 'logits' [B];
      masked_lm: 'logits' [B, L, V];
      pretraining: 'prediction_logits' [B, L, V] and
        'seq_relationship_logits' [B, 2].
    At real tokens they equal those of transformers. Sequences longer than
    `max_position_embeddings` become NaN.

  Raises:
    InputError: an unknown head, no number of labels where one is needed, or
      'entity_pair', which needs the positions of the entities.
  """
  if head == 'entity_pair':
    raise InputError(
      'a classifier of entity starts needs the positions of the entities, '
      'which the signature of transformers does not have'
    )
  module = module_of(head, config, num_labels)
  pools = head in _POOLED or (head == 'encoder' and pooler)

  def run(
    params: Mapping[str, Any],
    input_ids: Int[Array, 'B L'],
    attention_mask: Int[Array, 'B L'],
    token_type_ids: Int[Array, 'B L'],
  ) -> Outputs:
    bound = module.bind({'params': params})
    # Made from the inputs, since B and L may be symbols while exporting.
    position_ids = lax.broadcasted_iota(jnp.int32, input_ids.shape, 1)
    inputs = Inputs(
      *(input_ids, token_type_ids, position_ids, attention_mask),
      cls_positions=jnp.zeros_like(input_ids[:, :1]),
    )
    bert = bound.bert(inputs, pool=pools)
    head_outputs = _outputs(head, bound, bert, inputs)
    return {'last_hidden_state': bert.last, **head_outputs}

  return run


def _outputs(
  head: str, bound: Any, bert: BertOutput, inputs: Inputs
) -> Outputs:
  """A bound module's outputs from the encoder's, by name."""
  if head == 'encoder':
    return {} if bert.pooled is None else {'pooler_output': bert.pooled[:, 0]}
  if head == 'token':
    return {'logits': bound.score(bert)}
  if head == 'sequence':
    return {'logits': bound.score(bert)[:, 0]}
  if head == 'span':
    logits = bound.score(bert)
    return {'start_logits': logits[..., 0], 'end_logits': logits[..., 1]}
  if head == 'yes_no':
    return {'logits': bound.score(bert, inputs)[:, 0]}
  # Tokens are predicted at every position.
  masked_lm, next_sentence = bound.score(bert, bert.last)
  if head == 'masked_lm':
    return {'logits': masked_lm}
  return {
    'prediction_logits': masked_lm,
    'seq_relationship_logits': next_sentence[:, 0],
  }
