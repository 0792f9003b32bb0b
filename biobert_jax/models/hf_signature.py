"""BERT and its heads in the signature of transformers, without packing."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.models.encoder import Inputs
from biobert_jax.models.heads import module_of

Outputs = dict[str, Array]


def unpacked(
  head: str, config: BertConfig, num_labels: int = 0, pooler: bool = True
) -> Callable[[Mapping[str, Any], Array, Array, Array], Outputs]:
  """A model without dropout, as a pure function of whole sequences.

  `pooler` is whether 'encoder' returns 'pooler_output'. 'entity_pair' is
  refused: it needs the positions of the entities.

  Returns:
    (parameters, input_ids [B, L], attention_mask [B, L], 1 = real token,
    token_type_ids [B, L]) -> 'last_hidden_state' [B, L, D] and the head's
    outputs, by their names in transformers, which they equal at real tokens.
    Sequences longer than `max_position_embeddings` become NaN.
  """
  if head == 'entity_pair':
    raise InputError(
      'a classifier of entity starts needs the positions of the entities, '
      'which the signature of transformers does not have'
    )
  module = module_of(head, config, num_labels)
  pools = head in ('sequence', 'pretraining') or (head == 'encoder' and pooler)

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
    hidden = {'last_hidden_state': bert.last}
    if head == 'encoder':
      pooled = bert.pooled
      return hidden | ({'pooler_output': pooled[:, 0]} if pools else {})
    if head in ('masked_lm', 'pretraining'):
      # Tokens are predicted at every position.
      masked_lm, next_sentence = bound.score(bert, bert.last)
      if head == 'masked_lm':
        return hidden | {'logits': masked_lm}
      pairs = {'seq_relationship_logits': next_sentence[:, 0]}
      return hidden | {'prediction_logits': masked_lm} | pairs
    logits = bound.score(bert, inputs)
    if head == 'span':
      start, end = logits[..., 0], logits[..., 1]
      return hidden | {'start_logits': start, 'end_logits': end}
    return hidden | {'logits': logits if head == 'token' else logits[:, 0]}

  return run
