"""BERT's optimizer (google-research/bert optimization.py) in optax."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from biobert_jax.parallel.sharding import param_path
from biobert_jax.training.plan import Plan

OPTIMIZERS = ('adamw', 'lamb')
# Keys of `optim` that `make` takes.
_OPTIONS = ('b1', 'b2', 'eps', 'weight_decay', 'clip_norm', 'bias_correction')
_NO_DECAY = re.compile(r'(bias|LayerNorm/scale)$')


def schedule(
  learning_rate: float,
  num_steps: int,
  warmup_steps: int,
  reference_jump: bool = False,
) -> optax.Schedule:
  """Linear warmup from 0, linear decay to 0 at `num_steps`.

  With `reference_jump`, as in optimization.py:32-54, the decay runs from step 0
  and warmup merely replaces its beginning, so that the learning rate falls by
  warmup/num_steps when warmup ends.
  """
  decay_from = 0 if reference_jump else warmup_steps

  def learning_rate_at(step: jax.Array) -> jax.Array:
    step = jnp.asarray(step, jnp.float32)
    rise = step / jnp.maximum(1, warmup_steps)
    fall = (num_steps - step) / jnp.maximum(1, num_steps - decay_from)
    scale = jnp.where(step < warmup_steps, rise, jnp.maximum(0.0, fall))
    return learning_rate * scale

  return learning_rate_at


def decay_mask(params: Any) -> Any:
  """True for parameters that decay: all except biases and layer norms."""
  return jax.tree_util.tree_map_with_path(
    lambda path, _: not _NO_DECAY.search(param_path(path)), params
  )


def scale_by_bert_adam(
  b1: float, b2: float, eps: float, bias_correction: bool
) -> optax.GradientTransformation:
  """Adam's direction; without bias correction as in optimization.py:131."""
  if bias_correction:
    return optax.scale_by_adam(b1=b1, b2=b2, eps=eps)

  def init(params: Any) -> optax.ScaleByAdamState:
    mu, nu = optax.tree.zeros_like(params), optax.tree.zeros_like(params)
    return optax.ScaleByAdamState(jnp.zeros([], jnp.int32), mu, nu)

  def update(
    updates: Any, state: optax.ScaleByAdamState, params: Any = None
  ) -> tuple[Any, optax.ScaleByAdamState]:
    del params
    mu = optax.tree.update_moment(updates, state.mu, b1, 1)
    nu = optax.tree.update_moment(updates, state.nu, b2, 2)
    direction = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), mu, nu)
    return direction, optax.ScaleByAdamState(state.count + 1, mu, nu)

  return optax.GradientTransformation(init, update)


def scale_by_layer_norms() -> optax.GradientTransformation:
  """LAMB's trust ratio: scales an update to the norm of its tensor.

  Biases and layer norms are left out, as in the authors' code. Layers that are
  stacked for a scan have one ratio each, as unrolled layers have.
  """

  def scaled(path: Any, update: jax.Array, param: jax.Array) -> jax.Array:
    name = param_path(path)
    if _NO_DECAY.search(name):
      return update
    axes = tuple(range('/layers/layer/' in name, param.ndim))
    param_norm, update_norm = (
      jnp.sqrt(jnp.sum(jnp.square(x), axes, keepdims=True))
      for x in (param, update)
    )
    ratio = param_norm / jnp.where(update_norm > 0, update_norm, 1.0)
    known = (param_norm > 0) & (update_norm > 0)
    return update * jnp.where(known, ratio, 1.0)

  return optax.stateless(
    lambda updates, params: jax.tree_util.tree_map_with_path(
      scaled, updates, params
    )
  )


def make(
  name: str,
  learning_rate: optax.Schedule,
  *,
  b1: float,
  b2: float,
  eps: float,
  weight_decay: float,
  clip_norm: float,
  bias_correction: bool,
) -> optax.GradientTransformation:
  """Clips by global norm, then Adam and decoupled weight decay.

  Args:
    name: 'adamw', BERT's own; or 'lamb' (You et al. 2020), which scales updates
      of tensors that decay to the tensor's norm, for batches of thousands.
    learning_rate: at a step; it scales Adam's direction and the decay.
    b1: decay of the first moment.
    b2: decay of the second moment.
    eps: added outside the square root.
    weight_decay: fraction of a parameter, times the learning rate, a step.
    clip_norm: the largest global norm of the gradient.
    bias_correction: False as in the reference, whose first updates are
      larger by (1 - b1) / sqrt(1 - b2), about 3.2 times.
  """
  trust = scale_by_layer_norms() if name == 'lamb' else optax.identity()
  return optax.chain(
    optax.clip_by_global_norm(clip_norm),
    scale_by_bert_adam(b1, b2, eps, bias_correction),
    optax.add_decayed_weights(weight_decay, decay_mask),
    trust,
    optax.scale_by_learning_rate(learning_rate),
  )


def of_config(
  config: ConfigDict, plan: Plan
) -> tuple[optax.Schedule, optax.GradientTransformation]:
  """The learning rate and the optimizer that a config describes."""
  optim = config.optim
  steps = (plan.num_steps, plan.warmup_steps)
  rate = schedule(optim.learning_rate, *steps, optim.reference_jump)
  options = {name: optim[name] for name in _OPTIONS}
  return rate, make(optim.name, rate, **options)
