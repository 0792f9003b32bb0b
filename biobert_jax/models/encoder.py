"""BERT: embeddings, the stack of layers, the pooler."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from biobert_jax.models import dropout
from biobert_jax.models.config import BertConfig
from biobert_jax.models.dropout import DropoutKeys
from biobert_jax.models.layers import (
  AttentionMask,
  Embeddings,
  Hidden,
  Layer,
  LayerRngs,
  dense,
)

# Activations that the 'names' policy keeps: the results of matrix products,
# which are expensive; everything between them is cheap to compute again.
_KEPT_NAMES = ['query', 'key', 'value', 'context', 'sublayer', 'intermediate']


class Inputs(NamedTuple):
  """A batch of packed sequences, int32, as every model takes it."""

  input_ids: Int[Array, 'B L']
  segment_ids: Int[Array, 'B L']  # Token types, 0 or 1.
  position_ids: Int[Array, 'B L']  # From 0 in each sequence.
  # 0 for padding, 1, 2, ... for the sequences that are packed together.
  sequence_ids: Int[Array, 'B L']
  # Where each sequence and its two entities begin, and the tokens to predict
  # (unused slots hold any position); None where the head does not read them.
  cls_positions: Int[Array, 'B P'] | None = None
  first_positions: Int[Array, 'B P'] | None = None
  second_positions: Int[Array, 'B P'] | None = None
  masked_positions: Int[Array, 'B M'] | None = None

  @classmethod
  def from_batch(cls, batch: Mapping[str, Array]) -> 'Inputs':
    """Takes the model's inputs out of a batch, by name."""
    return cls(**{name: batch[name] for name in cls._fields if name in batch})


def attention_mask(sequence_ids: Int[Array, 'B L']) -> Bool[Array, 'B 1 L L']:
  """True where both belong to one sequence; padding (0) attends to padding."""
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
  barrier = not config.scan_layers
  return nn.remat(Layer, policy=keep[config.remat], prevent_cse=barrier)


class BertOutput(NamedTuple):
  """The encoder's output for a batch, in `config.dtype`."""

  last: Hidden
  pooled: Float[Array, 'B P D'] | None  # None without `pool`.
  # The embeddings and each of N layers; None without `all_layers`.
  layers: Float[Array, 'M B L D'] | None


class _ScannedLayer(nn.Module):
  """A layer in the (carry, per-layer) form of `nn.scan`."""

  config: BertConfig
  all_layers: bool

  @nn.compact
  def __call__(
    self, hidden: Hidden, mask: AttentionMask, rngs: LayerRngs
  ) -> tuple[Hidden, Hidden | None]:
    layer = _remat_layer(self.config)(self.config, name='layer')
    hidden = layer(hidden, mask, rngs)
    return hidden, hidden if self.all_layers else None


class Encoder(nn.Module):
  """N layers, unrolled (`layer_0`, ...) or scanned (`layers`, stacked)."""

  config: BertConfig

  @nn.compact
  def __call__(
    self,
    hidden: Hidden,
    mask: AttentionMask,
    dropout_keys: DropoutKeys,
    all_layers: bool = False,
  ) -> tuple[Hidden, Float[Array, 'N B L D'] | None]:
    """The last layer's vectors and, if `all_layers`, those of every layer."""
    config = self.config
    count = config.num_hidden_layers
    rngs = dropout.layer_dropout_rngs(dropout_keys, count)
    if not config.scan_layers:
      layer = _remat_layer(config)
      each = []
      for i in range(count):
        layer_rngs = jax.tree.map(operator.itemgetter(i), rngs)
        hidden = layer(config, name=f'layer_{i}')(hidden, mask, layer_rngs)
        each.append(hidden)
      return hidden, jnp.stack(each) if all_layers else None
    scanned = nn.scan(
      _ScannedLayer,
      variable_axes={'params': 0},
      split_rngs={'params': True},
      in_axes=(nn.broadcast, 0),
      length=count,
    )
    return scanned(config, all_layers, name='layers')(hidden, mask, rngs)


class BertEncoder(nn.Module):
  """Embeddings and layers: tokens to contextual vectors."""

  config: BertConfig

  @nn.compact
  def __call__(
    self,
    inputs: Inputs,
    dropout_keys: DropoutKeys = None,
    pool: bool = False,
    all_layers: bool = False,
  ) -> BertOutput:
    """Encodes a batch of packed sequences; without keys there is no dropout.

    `pool` pools the vectors at `inputs.cls_positions`; otherwise there is no
    pooler, neither computed nor among the parameters. `all_layers` returns the
    vectors of every layer.
    """
    embedding_keys, layer_keys = dropout.split_keys(dropout_keys, 2)
    rngs = dropout.dropout_rngs(embedding_keys)
    embedded = Embeddings(self.config, name='embeddings')(*inputs[:3], rngs)
    mask = inputs.sequence_ids
    if self.config.attention != 'splash_attention':
      mask = attention_mask(mask)
    encoder = Encoder(self.config, name='encoder')
    last, each = encoder(embedded, mask, layer_keys, all_layers)
    pooled = None
    if pool:
      pooled = Pooler(self.config, name='pooler')(last, inputs.cls_positions)
    if each is not None:
      each = jnp.concatenate([embedded[None], each])
    return BertOutput(last, pooled, each)

  def word_embeddings(self) -> Float[Array, 'V D']:
    """The table of word vectors, with which BERT's masked LM decodes.

    Read here, it stays one parameter with two uses (modeling.py:261).
    """
    return self.variables['params']['embeddings']['word_embeddings']


def at_positions(
  hidden: Hidden, positions: Int[Array, 'B P'] | None
) -> Float[Array, 'B P D']:
  """The vectors at the given positions."""
  if positions is None:
    raise ValueError('the batch lacks the positions that this head reads')
  return jnp.take_along_axis(hidden, positions[..., None], axis=1)


class Pooler(nn.Module):
  """tanh(dense(h[CLS])) of every sequence (modeling.py:225)."""

  config: BertConfig

  @nn.compact
  def __call__(
    self, hidden: Hidden, cls_positions: Int[Array, 'B P'] | None
  ) -> Float[Array, 'B P D']:
    """Pools the vectors at `cls_positions`."""
    first = at_positions(hidden, cls_positions)
    return jnp.tanh(dense(self.config, self.config.hidden_size, 'dense')(first))
