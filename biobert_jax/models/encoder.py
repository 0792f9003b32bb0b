"""BERT: embeddings, the stack of layers, the pooler."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int, Key

from biobert_jax.models.config import BertConfig
from biobert_jax.models.layers import (
  DropoutKeys,
  Embeddings,
  Layer,
  dense,
  split_keys,
)

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


class _ScannedLayer(nn.Module):
  """A layer in the (carry, per-layer) form of `nn.scan`."""

  config: BertConfig

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, 'B L D'],
    mask: Bool[Array, 'B 1 L L'],
    dropout_keys: DropoutKeys,
  ) -> tuple[Float[Array, 'B L D'], None]:
    layer = _remat_layer(self.config)(self.config, name='layer')
    return layer(hidden, mask, dropout_keys), None


class Encoder(nn.Module):
  """N layers, unrolled (`layer_0`, ...) or scanned (`layers`, stacked)."""

  config: BertConfig

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, 'B L D'],
    mask: Bool[Array, 'B 1 L L'],
    dropout_keys: DropoutKeys,
  ) -> Float[Array, 'B L D']:
    config = self.config
    count = config.num_hidden_layers
    keys = split_keys(dropout_keys, count)
    if not config.scan_layers:
      layer = _remat_layer(config)
      for i in range(count):
        hidden = layer(config, name=f'layer_{i}')(hidden, mask, keys[i])
      return hidden
    scanned = nn.scan(
      _ScannedLayer,
      variable_axes={'params': 0},
      split_rngs={'params': True},
      in_axes=(nn.broadcast, 0),
      length=count,
    )
    given = [key for key in keys if key is not None]
    stacked = jnp.stack(given) if given else None
    hidden, _ = scanned(config, name='layers')(hidden, mask, stacked)
    return hidden


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
  ) -> Float[Array, 'B L D']:
    """Encodes a batch of packed rows.

    Args:
      input_ids: vocabulary ids.
      segment_ids: token types (BERT's "sentence A/B"), 0 or 1.
      position_ids: positions, from 0 in each packed sequence.
      sequence_ids: 0 for padding, 1, 2, ... for the sequences of a row.
      dropout_keys: a key for each row while training; None: no dropout.

    Returns:
      The last layer's vectors, in `config.dtype`.
    """
    of_embeddings, of_layers = split_keys(dropout_keys, 2)
    hidden = Embeddings(self.config, name='embeddings')(
      input_ids, segment_ids, position_ids, of_embeddings
    )
    mask = attention_mask(sequence_ids)
    return Encoder(self.config, name='encoder')(hidden, mask, of_layers)


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
    first = jnp.take_along_axis(hidden, cls_positions[..., None], axis=1)
    return jnp.tanh(dense(self.config, self.config.hidden_size, 'dense')(first))


def stack_layers(params: dict[str, Any]) -> dict[str, Any]:
  """Parameters of unrolled layers -> those of scanned layers.

  Args:
    params: an `Encoder`'s parameters, `layer_0` ... `layer_{N-1}`.

  Returns:
    The same numbers under `layers/layer`, stacked along a new first axis.
  """
  layers = [params[f'layer_{i}'] for i in range(len(params))]
  return {'layers': {'layer': jax.tree.map(lambda *xs: jnp.stack(xs), *layers)}}


def unstack_layers(params: dict[str, Any]) -> dict[str, Any]:
  """The inverse of `stack_layers`."""
  stacked = params['layers']['layer']
  count = jax.tree.leaves(stacked)[0].shape[0]
  return {
    f'layer_{i}': jax.tree.map(lambda x, i=i: x[i], stacked)
    for i in range(count)
  }
