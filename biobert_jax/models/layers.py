"""The layers of BERT (google-research/bert modeling.py) as Flax modules.

A packed sequence may hold several sequences; `sequence_ids` [B, L] tell them
apart (0 is padding). Without random state there is no dropout.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from biobert_jax.models.config import BertConfig
from biobert_jax.models.dropout import DropoutRngs, LayerDropoutRngs, dropout
from biobert_jax.models.splash_attention import splash_attention

# Which keys a query attends to: True for these, or, as the splash kernel takes
# it, `sequence_ids`.
AttentionMask = Bool[Array, 'B 1 L L'] | Int[Array, 'B L']
Hidden = Float[Array, 'B L D']
Heads = Float[Array, 'B L H K']
Rngs = DropoutRngs | None
LayerRngs = LayerDropoutRngs | None
_ROOT_HALF = math.sqrt(0.5)


def dense(
  config: BertConfig, features: int, name: str | None = None
) -> nn.Dense:
  """A dense layer, initialised as BERT's; in `setup` the attribute names it."""
  return nn.Dense(
    features,
    dtype=jnp.dtype(config.dtype),
    param_dtype=jnp.dtype(config.param_dtype),
    kernel_init=initializer(config),
    name=name,
  )


def initializer(config: BertConfig) -> nn.initializers.Initializer:
  """Normal, truncated at two standard deviations (modeling.py:376)."""
  return nn.initializers.truncated_normal(config.initializer_range)


class LayerNorm(nn.Module):
  """Layer norm over the last axis, computed in float32 whatever the dtype."""

  config: BertConfig

  @nn.compact
  def __call__(self, x: Float[Array, '*R D']) -> Float[Array, '*R D']:
    vector = (x.shape[-1:], jnp.dtype(self.config.param_dtype))
    scale = self.param('scale', nn.initializers.ones, *vector)
    bias = self.param('bias', nn.initializers.zeros, *vector)
    x32 = x.astype(jnp.float32)
    centred = x32 - jnp.mean(x32, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    y = centred * lax.rsqrt(variance + self.config.layer_norm_eps)
    return (y * scale + bias).astype(self.config.dtype)


@jax.custom_jvp
def gelu(x: Float[Array, '*R F']) -> Float[Array, '*R F']:
  """x times the normal distribution function of x (BioBERT modeling.py:277).

  By erf, in float32. With `jax.nn.gelu`, which uses erfc, the compiler gives
  57.1 ms instead of 55.6 for a step of BioBERT v1.1 on v5e-16.
  """
  wide = x.astype(jnp.float32)
  return (wide * 0.5 * (1 + lax.erf(wide * _ROOT_HALF))).astype(x.dtype)


@gelu.defjvp
def _gelu_jvp(
  primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
  (x,), (dx,) = primals, tangents
  wide = x.astype(jnp.float32)
  # erf of -x: XLA would take erf of x for the one of the forward pass and store
  # it (3.4 GB of a v4-32's step) instead of computing it again.
  cumulated = 0.5 * (1 - lax.erf(wide * -_ROOT_HALF))
  density = jnp.exp(-0.5 * wide * wide) / math.sqrt(2 * math.pi)
  slope = cumulated + wide * density
  return gelu(x), (slope * dx.astype(jnp.float32)).astype(x.dtype)


def activation(x: Float[Array, '*R F'], hidden_act: str) -> Array:
  """The feed-forward non-linearity that the config names."""
  if hidden_act == 'relu':
    return jax.nn.relu(x)
  if hidden_act == 'gelu_tanh':
    return jax.nn.gelu(x, approximate=True)
  return gelu(x)


class Embeddings(nn.Module):
  """Word, token type and position embeddings, summed (modeling.py:430)."""

  config: BertConfig

  @nn.compact
  def __call__(
    self,
    input_ids: Int[Array, 'B L'],
    segment_ids: Int[Array, 'B L'],
    position_ids: Int[Array, 'B L'],
    rngs: Rngs,
  ) -> Hidden:
    config = self.config

    def lookup(name: str, rows: int, ids: Int[Array, 'B L']) -> Array:
      shape = (rows, config.hidden_size)
      param_dtype = jnp.dtype(config.param_dtype)
      table = self.param(name, initializer(config), shape, param_dtype)
      return jnp.take(table, ids, axis=0).astype(config.dtype)

    x = lookup('word_embeddings', config.vocab_size, input_ids)
    x += lookup('token_type_embeddings', config.type_vocab_size, segment_ids)
    longest = config.max_position_embeddings
    x += lookup('position_embeddings', longest, position_ids)
    x = LayerNorm(config, name='LayerNorm')(x)
    return dropout(x, config.hidden_dropout_prob, rngs)


def einsum_attention(
  query: Heads,
  key: Float[Array, 'B S H K'],
  value: Float[Array, 'B S H K'],
  mask: Bool[Array, 'B 1 L S'],
  rate: float,
  rngs: Rngs,
  scores_dtype: str = 'float32',
) -> Heads:
  """Scaled dot-product attention; the softmax in float32.

  The mask is True where a query attends to a key, at least to its own. `rate`
  is the fraction 0-1 of attention weights dropped.
  """
  scale = query.shape[-1] ** -0.5
  scores = jnp.einsum('blhk,bshk->bhls', query * scale, key)
  scores = scores.astype(scores_dtype)
  scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
  scores = scores.astype(jnp.float32)
  weights = jax.nn.softmax(scores, axis=-1).astype(query.dtype)
  # XLA:TPU lays scores out with queries last. Bits drawn in that order need not
  # be copied, which took 7 % of a step's traffic (preflight, v5e-16).
  weights = dropout(weights, rate, rngs, transposed=True)
  return jnp.einsum('bhls,bshk->blhk', weights, value)


class SelfAttention(nn.Module):
  """Multi-head attention without its output projection (modeling.py:558)."""

  config: BertConfig

  @nn.compact
  def __call__(self, hidden: Hidden, mask: AttentionMask, rngs: Rngs) -> Hidden:
    config = self.config
    heads = (config.num_attention_heads, config.head_dim)

    def project(name: str) -> Heads:
      x = checkpoint_name(dense(config, config.hidden_size, name)(hidden), name)
      return x.reshape(*x.shape[:-1], *heads)

    query, key, value = project('query'), project('key'), project('value')
    if self.is_initializing():  # Attention has no parameters of its own.
      return hidden
    if config.attention == 'splash_attention':  # Names its own results.
      context = splash_attention(query, key, value, mask)
      return context.reshape(hidden.shape)
    if config.attention == 'dot_product_attention':
      attend = jax.nn.dot_product_attention
      context = attend(query, key, value, mask=mask)
    else:
      dropped = (config.attention_probs_dropout_prob, rngs, config.scores_dtype)
      context = einsum_attention(query, key, value, mask, *dropped)
    return checkpoint_name(context.reshape(hidden.shape), 'context')


class Residual(nn.Module):
  """Dense, dropout, add, layer norm: the end of both sublayers."""

  config: BertConfig

  @nn.compact
  def __call__(
    self, x: Float[Array, 'B L F'], residual: Hidden, rngs: Rngs
  ) -> Hidden:
    config = self.config
    x = dense(config, config.hidden_size, 'dense')(x)
    x = checkpoint_name(x, 'sublayer')
    x = dropout(x, config.hidden_dropout_prob, rngs)
    return LayerNorm(config, name='LayerNorm')(x + residual)


class Attention(nn.Module):
  """The attention sublayer, with TF's scopes `self` and `output`."""

  config: BertConfig

  @nn.compact
  def __call__(
    self, hidden: Hidden, mask: AttentionMask, rngs: LayerRngs
  ) -> Hidden:
    attend = SelfAttention(self.config, name='self')
    context = attend(hidden, mask, rngs and rngs.weights)
    merge = Residual(self.config, name='output')
    return merge(context, hidden, rngs and rngs.attention)


class Intermediate(nn.Module):
  """The widening half of the feed-forward sublayer."""

  config: BertConfig

  @nn.compact
  def __call__(self, hidden: Hidden) -> Float[Array, 'B L F']:
    x = dense(self.config, self.config.intermediate_size, 'dense')(hidden)
    x = checkpoint_name(x, 'intermediate')
    return activation(x, self.config.hidden_act)


class Layer(nn.Module):
  """One post-norm transformer block (modeling.py:828)."""

  config: BertConfig

  @nn.compact
  def __call__(
    self, hidden: Hidden, mask: AttentionMask, rngs: LayerRngs
  ) -> Hidden:
    attend = Attention(self.config, name='attention')
    hidden = attend(hidden, mask, rngs)
    wide = Intermediate(self.config, name='intermediate')(hidden)
    merge = Residual(self.config, name='output')
    return merge(wide, hidden, rngs and rngs.output)
