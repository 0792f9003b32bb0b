"""The optimizer against optimization.py, written again in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from biobert_jax.training import optimizer
from biobert_jax.training.plan import Plan
from tests.fixtures import small_run

SETTINGS = {
  'b1': 0.9,
  'b2': 0.999,
  'eps': 1e-6,
  'weight_decay': 0.01,
  'clip_norm': 1.0,
}
DRAW = np.random.default_rng(0)
PARAMS = {
  'dense': {
    'kernel': DRAW.normal(size=(3, 4)),
    'bias': DRAW.normal(size=4),
  },
  'LayerNorm': {'scale': DRAW.normal(size=4), 'bias': DRAW.normal(size=4)},
}
PARAMS = jax.tree.map(np.float32, PARAMS)
# Of norms below 1 and above it.
GRADIENTS = [
  jax.tree.map(lambda p, s=s: np.float32(s * DRAW.normal(size=p.shape)), PARAMS)
  for s in (0.01, 1.0, 30.0, 0.1, 0.5)
]


def rate(step):
  return 0.01 * (step + 1)


def run(transformation):
  @jax.jit
  def step(params, state, gradients):
    updates, state = transformation.update(gradients, state, params)
    return optax.apply_updates(params, updates), state

  params, state = PARAMS, transformation.init(PARAMS)
  for gradients in GRADIENTS:
    params, state = step(params, state, gradients)
  return params


def reference():
  """AdamWeightDecayOptimizer.apply_gradients after clip_by_global_norm."""
  params = jax.tree.map(np.float64, PARAMS)
  m = jax.tree.map(np.zeros_like, params)
  v = jax.tree.map(np.zeros_like, params)
  for step, gradients in enumerate(GRADIENTS):
    norm = np.sqrt(sum((g**2).sum() for g in jax.tree.leaves(gradients)))
    for module, names in params.items():
      for name, param in names.items():
        grad = gradients[module][name] * min(1.0, 1.0 / norm)
        m[module][name] = 0.9 * m[module][name] + 0.1 * grad
        v[module][name] = 0.999 * v[module][name] + 0.001 * grad**2
        update = m[module][name] / (np.sqrt(v[module][name]) + 1e-6)
        if name != 'bias' and module != 'LayerNorm':
          update = update + 0.01 * param
        names[name] = param - rate(step) * update
  return params


def close(actual, expected):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
    actual,
    expected,
  )


def test_without_bias_correction_it_is_the_reference():
  ours = optimizer.make('adamw', rate, **SETTINGS, bias_correction=False)
  close(run(ours), reference())


def test_with_bias_correction_it_is_adamw():
  ours = optimizer.make('adamw', rate, **SETTINGS, bias_correction=True)
  known = optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.adamw(
      rate,
      b1=0.9,
      b2=0.999,
      eps=1e-6,
      weight_decay=0.01,
      mask={
        'dense': {'kernel': True, 'bias': False},
        'LayerNorm': {'scale': False, 'bias': False},
      },
    ),
  )
  close(run(ours), run(known))
  assert (
    np.max(np.abs(run(ours)['dense']['bias'] - reference()['dense']['bias']))
    > 0.01
  )


def test_lamb_is_optax_s_but_for_what_does_not_decay():
  ours = run(optimizer.make('lamb', rate, **SETTINGS, bias_correction=True))
  known = run(
    optax.chain(
      optax.clip_by_global_norm(1.0),
      optax.lamb(
        rate,
        b1=0.9,
        b2=0.999,
        eps=1e-6,
        weight_decay=0.01,
        mask=optimizer.decay_mask,
      ),
    )
  )
  adam = run(optimizer.make('adamw', rate, **SETTINGS, bias_correction=True))
  close(ours['dense']['kernel'], known['dense']['kernel'])
  close(ours['dense']['bias'], adam['dense']['bias'])
  close(ours['LayerNorm'], adam['LayerNorm'])
  assert not np.allclose(ours['dense']['kernel'], adam['dense']['kernel'])


def test_lamb_gives_stacked_layers_a_ratio_each():
  draw = np.random.default_rng(0).normal
  values = draw(size=(3, 4, 5)) * np.array([1, 10, 100]).reshape(3, 1, 1)
  updates = draw(size=(3, 4, 5))
  scale = optimizer.scale_by_layer_norms()

  def scaled(updates, params):
    return scale.update(updates, scale.init(params), params)[0]

  def tree(x):
    return {'encoder': {'layers': {'layer': {'kernel': jnp.asarray(x)}}}}

  stacked = scaled(tree(updates), tree(values))
  for i in range(3):
    alone = scaled({'kernel': updates[i]}, {'kernel': values[i]})
    np.testing.assert_allclose(
      stacked['encoder']['layers']['layer']['kernel'][i],
      alone['kernel'],
      rtol=1e-5,
    )
    np.testing.assert_allclose(
      np.linalg.norm(alone['kernel']), np.linalg.norm(values[i]), rtol=1e-5
    )


def test_what_decays():
  tree = {
    'bert': {
      'embeddings': {
        'word_embeddings': 0,
        'LayerNorm': {'scale': 0, 'bias': 0},
      },
      'encoder': {'layer_0': {'output': {'dense': {'kernel': 0, 'bias': 0}}}},
    },
    'classifier': {'kernel': 0, 'bias': 0},
  }
  assert optimizer.decay_mask(tree) == {
    'bert': {
      'embeddings': {
        'word_embeddings': True,
        'LayerNorm': {'scale': False, 'bias': False},
      },
      'encoder': {
        'layer_0': {'output': {'dense': {'kernel': True, 'bias': False}}}
      },
    },
    'classifier': {'kernel': True, 'bias': False},
  }


def test_schedule():
  rates = optimizer.schedule(1.0, 10, 4)
  assert [round(float(rates(s)), 6) for s in range(12)] == [
    *(0, 0.25, 0.5, 0.75),
    *(1, 0.833333, 0.666667, 0.5, 0.333333, 0.166667, 0, 0),
  ]


def test_the_references_jump():
  # optimization.py: the decay from step 0, its beginning replaced.
  rates = optimizer.schedule(1.0, 10, 4, reference_jump=True)
  assert [round(float(rates(s)), 6) for s in range(12)] == [
    *(0, 0.25, 0.5, 0.75),
    *(0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0),
  ]


@pytest.mark.parametrize('jump', [False, True])
def test_no_warmup_begins_at_the_peak(jump):
  rates = optimizer.schedule(3e-5, 4, 0, jump)
  expected = [3e-5, 2.25e-5, 1.5e-5, 0.75e-5, 0]
  np.testing.assert_allclose([rates(s) for s in range(5)], expected, atol=1e-11)


def test_a_run_of_warmup_only_is_finite():
  rates = optimizer.schedule(1.0, 3, 3)
  assert np.isfinite([rates(jnp.int32(s)) for s in range(5)]).all()


def test_the_learning_rate_rises_and_falls():
  config = small_run.config(
    optim__learning_rate=1e-3,
    optim__warmup_fraction=0.5,
    optim__reference_jump=False,
  )
  schedule, _ = optimizer.of_config(config, Plan.of(config, 31))
  rates = [float(schedule(step)) for step in range(12)]
  assert rates[6] == max(rates) == pytest.approx(1e-3)
  assert rates[:7] == sorted(rates[:7])
  assert rates[6:] == sorted(rates[6:], reverse=True)
