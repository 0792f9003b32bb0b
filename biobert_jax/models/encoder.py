"""BERT: embeddings, the stack of layers, the pooler."""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int, Key

from biobert_jax.models.config import BertConfig
from biobert_jax.models.dropout import (
  DropoutKeys,
  LayerDraws,
  draw,
  layer_draws,
  split_keys,
)
from biobert_jax.models.layers import Embeddings, Layer, Visible, dense

# Activations that the 'names' policy keeps: the results of matrix products,
# dear to compute; all that lies between them is cheap to compute again.
_KEPT_NAMES = (
  'query',
  'key',
  'value',
  'context',
  'sublayer',
  'intermediate',
)


def attention_mask(sequence_ids: Int[Array, 'B L']) -> Bool[Array, 'B 1 L L']:
  """True where query and key belong to the same sequence of the row.

  Padding (0) sees padding only: no query is left without a key, and no real
  piece sees a padded one.
  """
  same = sequence_ids[:, :, None] == sequence_ids[:, None, :]
  return same[:, None]


def _remat_layer(config: BertConfig) -> type[nn.Module]:
  policies = jax.checkpoint_policies
  keep: dict[str, Callable[..., Any] | None] = {
    'names': policies.save_only_these_names(*_KEPT_NAMES),
    'dots': policies.dots_with_no_batch_dims_saveable,
    'full': None,
  }
  if config.remat == 'none':
    return Layer
  # Unrolled layers need the barrier: without it XLA finds the recomputation
  # equal to the first computation and keeps the activations after all.
  return nn.remat(
    Layer, policy=keep[config.remat], prevent_cse=not config.scan_layers
  )


class BertOutput(NamedTuple):
  """What the encoder makes of a batch, in `config.dtype`.

  Attributes:
    last: [B, L, D], the last layer's vectors.
    pooled: [B, P, D], the pooler's, where `cls_positions` were given.
    layers: [N + 1, B, L, D], the embeddings' vectors and each layer's, where
      `all_layers` was asked for.
  """

  last: Float[Array, 'B L D']
  pooled: Float[Array, 'B P D'] | None
  layers: Float[Array, 'M B L D'] | None


class _ScannedLayer(nn.Module):
  """A layer in the (carry, per-layer) form of `nn.scan`."""

  config: BertConfig
  all_layers: bool

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, 'B L D'],
    visible: Visible,
    draws: LayerDraws | None,
  ) -> tuple[Float[Array, 'B L D'], Float[Array, 'B L D'] | None]:
    layer = _remat_layer(self.config)(self.config, name='layer')
    hidden = layer(hidden, visible, draws)
    return hidden, hidden if self.all_layers else None


class Encoder(nn.Module):
  """N layers, unrolled (`layer_0`, ...) or scanned (`layers`, stacked)."""

  config: BertConfig

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, 'B L D'],
    visible: Visible,
    dropout_keys: DropoutKeys,
    all_layers: bool = False,
  ) -> tuple[Float[Array, 'B L D'], Float[Array, 'N B L D'] | None]:
    """The last layer's vectors and, if `all_layers`, those of every layer."""
    config = self.config
    count = config.num_hidden_layers
    draws = layer_draws(dropout_keys, count)
    if not config.scan_layers:
      layer = _remat_layer(config)
      each = []
      for i in range(count):
        of_layer = jax.tree.map(operator.itemgetter(i), draws)
        hidden = layer(config, name=f'layer_{i}')(hidden, visible, of_layer)
        each.append(hidden)
      return hidden, jnp.stack(each) if all_layers else None
    scanned = nn.scan(
      _ScannedLayer,
      variable_axes={'params': 0},
      split_rngs={'params': True},
      in_axes=(nn.broadcast, 0),
      length=count,
    )
    return scanned(config, all_layers, name='layers')(hidden, visible, draws)


class BertEncoder(nn.Module):
  """Embeddings and layers: pieces to contextual vectors."""

  config: BertConfig

  @nn.compact
  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    sequence_ids: Int[Array, 'B L'],
    dropout_keys: Key[Array, 'B'] | None = None,
    cls_positions: Int[Array, 'B P'] | None = None,
    all_layers: bool = False,
  ) -> BertOutput:
    """Encodes a batch of packed rows.

    Args:
      input_ids: vocabulary ids.
      segment_ids: token types (BERT's "sentence A/B"), 0 or 1.
      position_ids: positions, from 0 in each packed sequence.
      sequence_ids: 0 for padding, 1, 2, ... for the sequences of a row.
      dropout_keys: a key for each row while training; None: no dropout.
      cls_positions: where in its row each packed sequence begins; None: no
        pooler, neither computed nor among the parameters.
      all_layers: whether to return the vectors of every layer.

    Returns:
      The last layer's vectors, and what else was asked for.
    """
    of_embeddings, of_layers = split_keys(dropout_keys, 2)
    embedded = Embeddings(self.config, name='embeddings')(
      input_ids, segment_ids, position_ids, draw(of_embeddings)
    )
    visible = sequence_ids
    if self.config.attention != 'splash_attention':
      visible = attention_mask(sequence_ids)
    last, each = Encoder(self.config, name='encoder')(
      embedded, visible, of_layers, all_layers
    )
    pooled = None
    if cls_positions is not None:
      pooled = Pooler(self.config, name='pooler')(last, cls_positions)
    if each is not None:
      each = jnp.concatenate([embedded[None], each])
    return BertOutput(last, pooled, each)

  def word_embeddings(self) -> Float[Array, 'V D']:
    """The table of word vectors itself, once the encoder has been called.

    BERT's masked language model decodes with it (modeling.py:261): read here,
    it stays one parameter of two uses.
    """
    return self.variables['params']['embeddings']['word_embeddings']


def at_positions(
  hidden: Float[Array, 'B L D'], positions: Int[Array, 'B P']
) -> Float[Array, 'B P D']:
  """The vectors that stand at given places of their row."""
  return jnp.take_along_axis(hidden, positions[..., None], axis=1)


class Pooler(nn.Module):
  """tanh(dense(h[CLS])) for every packed sequence (modeling.py:225)."""

  config: BertConfig

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, 'B L D'],
    cls_positions: Int[Array, 'B P'],
  ) -> Float[Array, 'B P D']:
    """Pools the vectors that stand at `cls_positions`."""
    first = at_positions(hidden, cls_positions)
    return jnp.tanh(dense(self.config, self.config.hidden_size, 'dense')(first))
