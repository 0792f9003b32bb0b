"""One step, laid out in every way, against the plain gradient of the mean.

All with dropout on: a row's bits come from its index in the global batch, so
they do not depend on the layout either.
"""

import dataclasses
import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from biobert_jax.errors import InputError
from biobert_jax.parallel import sharding
from biobert_jax.tasks import evaluator
from biobert_jax.training import optimizer, train_step
from tests.fixtures import small_run
from tests.fixtures.small_task import TASK, make_batch

OPTIMIZER = optimizer.make(
  'adamw',
  optimizer.schedule(1e-2, 20, 2),
  b1=0.9,
  b2=0.999,
  eps=1e-6,
  weight_decay=0.01,
  clip_norm=1.0,
  bias_correction=True,
)
KEY = jax.random.key(7)
NUM_PARAMS = sum(
  x.size for x in jax.tree.leaves(jax.eval_shape(TASK.init, jax.random.key(0)))
)


class Run:
  """A compiled step on a mesh, and states to start it from."""

  def __init__(
    self,
    strategy='dp',
    model=1,
    accumulate=1,
    devices=4,
    task=TASK,
    options=None,
  ):
    self.mesh = sharding.make_mesh(strategy, model, jax.devices()[:devices])
    abstract = train_step.abstract_state(TASK.init, OPTIMIZER)
    specs = sharding.make_layout(abstract.params, strategy, self.mesh)
    of_state = train_step.state_specs(abstract, OPTIMIZER, specs)
    self.shardings = sharding.shardings(of_state, self.mesh)
    batch = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, make_batch(0)))
    options = options or train_step.StepOptions(accumulate)
    lowered = train_step.lower_train_step(
      train_step.make_train_step(task, OPTIMIZER, self.mesh, specs, options),
      self.mesh,
      self.shardings,
      (abstract, batch, jax.eval_shape(lambda: KEY)),
    )
    self.compiled = lowered.compile()

  @functools.cached_property
  def first(self):
    key = jax.random.key(3)
    return train_step.create_state(TASK.init, OPTIMIZER, key, self.shardings)

  def start(self):
    """A copy, since a step takes the memory of the state it is given."""
    return jax.tree.map(jnp.copy, self.first)

  def step(self, now, batch):
    placed = sharding.shard_host_batch(batch, self.mesh)
    return self.compiled(now, placed, KEY)

  @functools.cached_property
  def losses(self):
    now, losses = self.start(), []
    for seed in range(4):
      now, metrics = self.step(now, make_batch(seed))
      losses.append(float(metrics['loss']))
    return np.array(losses)


@pytest.fixture(scope='module')
def run():
  return functools.cache(Run)


# The layouts that are compared: (strategy, model axis, microbatches).
DP, DP4 = ('dp', 1, 1), ('dp', 1, 4)
FSDP2, TP = ('fsdp', 1, 2), ('tp', 2, 1)
ZERO1 = ('zero1', 1, 2)


def plain_step(now, batch, key):
  """One device, no accumulation, no shard_map: the definition."""
  step_key = jax.random.fold_in(key, now.step)
  keys = jax.vmap(lambda row: jax.random.fold_in(step_key, row))(
    batch['row_ids']
  )

  def loss(params):
    logits = TASK.apply(params, batch, keys)
    each = optax.softmax_cross_entropy_with_integer_labels(
      logits, jnp.maximum(batch['labels'], 0)
    )
    return jnp.mean(each, where=batch['labels'] >= 0)

  value, grads = jax.value_and_grad(loss)(now.params)
  updates, moments = OPTIMIZER.update(grads, now.opt_state, now.params)
  norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(grads)))
  params = optax.apply_updates(now.params, updates)
  return (
    value,
    norm,
    train_step.TrainState(now.step + 1, params, moments, now.skipped),
  )


def close(one, other, rtol, atol):
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=rtol, atol=atol),
    jax.device_get(one),
    jax.device_get(other),
  )


def test_a_step_is_the_gradient_of_the_global_mean(run):
  # Step 1, because the rate of step 0 is 0.
  now, batch = run(*FSDP2).start(), make_batch(11)
  now = now._replace(step=now.step + 1, opt_state=advanced(now.opt_state))
  host = jax.device_get(now)
  loss, norm, expected = jax.jit(plain_step)(host, batch, KEY)
  after, metrics = run(*FSDP2).step(now, batch)
  np.testing.assert_allclose(metrics['loss'], loss, rtol=1e-6)
  np.testing.assert_allclose(metrics['grad_norm'], norm, rtol=1e-5)
  assert int(after.step) == 2
  close(adam(after), adam(expected), rtol=1e-4, atol=1e-8)
  # Keys' biases have no gradient but rounding, which Adam scales up.
  close(after.params, expected.params, rtol=1e-4, atol=1e-5)
  moved = jax.tree.map(lambda a, b: np.max(np.abs(a - b)), host, expected)
  assert min(jax.tree.leaves(moved.params['classifier'])) > 1e-3


def adam(now):
  """The gradients' moments."""
  (moments,) = (s for s in now.opt_state if hasattr(s, 'mu'))
  return moments.mu, moments.nu


def advanced(opt_state):
  """The same state with its counters one further."""
  return jax.tree.map(lambda x: x + 1 if x.dtype == jnp.int32 else x, opt_state)


@pytest.mark.parametrize('layout', [DP4, FSDP2, TP, ZERO1])
def test_every_layout_trains_the_same(run, layout):
  expected = run(*DP).losses
  assert len(set(expected)) == 4
  np.testing.assert_allclose(run(*layout).losses, expected, rtol=1e-6)


@pytest.mark.parametrize('layout', [FSDP2, DP4])
def test_accumulated_gradients_are_the_same(run, layout):
  moments = []
  for each in (DP, layout):
    after, _ = run(*each).step(run(*each).start(), make_batch(1))
    moments.append(adam(after))
  assert max(np.max(np.abs(x)) for x in jax.tree.leaves(moments[0])) > 1e-3
  close(*moments, rtol=1e-5, atol=1e-7)


def collectives(run, kind):
  """Elements of the results of each collective in the step's program."""
  text = run.compiled.as_text()
  inner, outer = text.split('\nENTRY ')
  pattern = rf' = (.*?) {kind}(?:-start)?\('
  # Nothing in a loop: one exchange a step, not one a microbatch.
  assert not re.search(pattern, inner)
  return [
    sum(
      int(np.prod([int(n) for n in shape.split(',') if n]))
      for shape in re.findall(r'f32\[([\d,]*)\]', result)
    )
    for result in re.findall(pattern, outer)
  ]


@pytest.mark.parametrize('layout', [DP, DP4])
def test_one_reduction_of_gradients_a_step(run, layout):
  large = [n for n in collectives(run(*layout), 'all-reduce') if n > 8]
  # With the loss and the accuracy.
  assert large == [NUM_PARAMS + 2]


# Whole on every device whatever the strategy cuts: biases of query, key, value
# (16 each), of the wide product (32) and of the classifier (3).
WHOLE = 83


def test_fsdp_gathers_once_and_scatters_once(run):
  whole, step = WHOLE, run(*FSDP2)
  assert sum(collectives(step, 'all-gather')) == NUM_PARAMS - whole
  assert sum(collectives(step, 'reduce-scatter')) == (NUM_PARAMS - whole) // 4
  assert whole < sum(collectives(step, 'all-reduce')) < whole + 64


def test_zero1_scatters_gradients_once_and_gathers_parameters_once(run):
  step = run(*ZERO1)
  cut = NUM_PARAMS - WHOLE
  assert sum(collectives(step, 'reduce-scatter')) == cut // 4
  assert sum(collectives(step, 'all-gather')) == cut
  assert WHOLE < sum(collectives(step, 'all-reduce')) < WHOLE + 64


def test_moments_lie_where_their_parameters_lie(run):
  now = run(*FSDP2).start()
  for tree in adam(now):
    jax.tree.map(
      lambda moment, p: (
        pytest.fail('moved') if moment.sharding != p.sharding else None
      ),
      tree,
      now.params,
    )
  kernel = now.params['bert']['embeddings']['word_embeddings']
  assert kernel.addressable_shards[0].data.shape == (32, 4)


def test_layouts_start_from_the_same_numbers(run):
  starts = [run(*each).start() for each in (DP, FSDP2, TP)]
  for other in starts[1:]:
    close(starts[0].params, other.params, rtol=0, atol=0)


def test_the_old_state_is_given_away(run):
  now = run(*DP).start()
  after, _ = run(*DP).step(now, make_batch(0))
  assert all(x.is_deleted() for x in jax.tree.leaves((now.params, now.step)))
  assert not any(x.is_deleted() for x in jax.tree.leaves(after))


def test_other_shapes_are_refused(run):
  with pytest.raises(TypeError, match=r'int32\[32,8\]'):
    run(*DP).step(run(*DP).start(), make_batch(0, length=16))
  with pytest.raises(TypeError, match=r'int32\[32,8\]'):
    run(*DP).step(run(*DP).start(), make_batch(0, rows=16))


def test_a_batch_without_labels_teaches_nothing(run):
  batch = {k: np.zeros_like(v) for k, v in make_batch(0).items()}
  batch |= {
    'labels': np.full((32, 8), -1, np.int32),
    'row_ids': np.arange(32, dtype=np.int32),
  }
  after, metrics = run(*DP).step(run(*DP).start(), batch)
  assert {k: float(v) for k, v in metrics.items()} == {
    'loss': 0.0,
    'accuracy': 0.0,
    'grad_norm': 0.0,
    'skipped_steps': 0.0,
    'skipped_in_a_row': 0.0,
  }
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(after))
  # The rate of step 0 is 0: not even decay moves them.
  close(after.params, run(*DP).start().params, rtol=0, atol=0)


# As the first token of a batch, one makes its loss not a number, the other its
# gradient larger than the bound.
POISON, LOUD = 31, 30


def faulty_sums(logits, batch):
  sums = TASK.sums(logits, batch)
  first = batch['input_ids'][0, 0]
  factor = jnp.where(first == LOUD, 1e6, 1.0)
  factor = jnp.where(first == POISON, jnp.nan, factor)
  return sums | {'loss': sums['loss'] * factor}


def test_bad_steps_change_nothing_and_are_counted():
  """Nor does a step whose gradient is larger than `skip_norm`."""
  task = dataclasses.replace(TASK, sums=faulty_sums)
  options = train_step.StepOptions(skip_norm=1e3)
  run = Run(devices=2, task=task, options=options)
  now, norms, counted = run.start(), [], []
  for seed, first in enumerate((5, 5, POISON, POISON, 5, LOUD, 5)):
    batch = make_batch(seed)
    batch['input_ids'][0, 0] = first
    before = jax.device_get(now)
    now, metrics = run.step(now, batch)
    after = jax.device_get(now)
    counted.append((int(now.skipped[0]), int(now.skipped[1])))
    norms.append(float(metrics['grad_norm']))
    same = jax.tree.map(
      np.array_equal,
      (after.params, after.opt_state),
      (before.params, before.opt_state),
    )
    assert all(jax.tree.leaves(same)) == (first != 5)
    assert np.isfinite(metrics['loss']) == (first != POISON)
    assert metrics['skipped_steps'] == now.skipped[0]
  assert counted == [
    *((0, 0), (0, 0), (1, 1), (2, 2), (2, 0), (3, 1), (3, 0)),
  ]
  assert 1e-3 < norms[0] < 1e3 < norms[5] < np.inf
  assert int(now.step) == 7


def test_data_keys_are_those_of_every_generator():
  rows = jnp.arange(5)
  keys = [
    evaluator.prepare_keys(
      jax.random.fold_in(jax.random.key(3, impl=impl), 9), rows
    )
    for impl in ('threefry2x32', 'rbg')
  ]
  np.testing.assert_array_equal(*map(jax.random.key_data, keys))
  dropout = evaluator.row_keys(jax.random.fold_in(jax.random.key(3), 9), rows)
  assert not np.any(
    jax.random.key_data(dropout) == jax.random.key_data(keys[0])
  )


def test_the_key_and_the_step_decide_the_bits(run):
  step = run(*DP)

  def loss(number, key):
    now = step.start()
    now = now._replace(step=now.step + number)
    placed = sharding.shard_host_batch(make_batch(0), step.mesh)
    return float(step.compiled(now, placed, key)[1]['loss'])

  first = loss(0, KEY)
  assert loss(0, KEY) == first
  assert loss(1, KEY) != first
  assert loss(0, jax.random.key(8)) != first


def test_eval_step_gives_whole_predictions(run):
  mesh = run(*FSDP2).mesh
  params, param_specs = run(*FSDP2).start().params, run(*FSDP2).shardings.params
  features = {
    name: array
    for name, array in make_batch(0).items()
    if name.endswith('_ids') and name != 'row_ids'
  }

  def eval_step(params, batch):
    return TASK.predict(TASK.apply(params, batch), batch)

  compiled = evaluator.lower_eval_step(
    eval_step,
    mesh,
    param_specs,
    jax.eval_shape(lambda: (params, jax.tree.map(jnp.asarray, features))),
  ).compile()
  actual = compiled(params, sharding.shard_host_batch(features, mesh))
  assert actual['label'].sharding.is_fully_replicated
  whole = jax.device_get(params)
  logits = jax.jit(TASK.apply)(whole, jax.tree.map(jnp.asarray, features))
  np.testing.assert_array_equal(actual['label'], np.argmax(logits, -1))
  np.testing.assert_allclose(
    actual['probability'], np.max(jax.nn.softmax(logits), -1), atol=1e-6
  )


def test_options_are_those_of_the_config():
  config = small_run.config(accumulate=2, optim__skip_norm=0.0)
  options = train_step.step_options(config, 'cpu')
  assert (options.accumulate, options.reduce_dtype) == (2, 'float32')
  assert options.skip_norm == math.inf


@pytest.mark.parametrize(
  ('changes', 'platform', 'what'),
  [
    ({'compute__reduce_dtype': 'bfloat16'}, 'cpu', 'XLA cannot sum on a CPU'),
    ({'compute__attention': 'splash_attention'}, 'gpu', 'a kernel for TPUs'),
  ],
)
def test_what_a_platform_cannot_do(changes, platform, what):
  with pytest.raises(InputError, match=what):
    train_step.step_options(small_run.config(**changes), platform)
