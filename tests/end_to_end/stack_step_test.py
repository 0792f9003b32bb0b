"""Eight models in one program are what each would be in its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.parallel import sharding
from biobert_jax.training import optimizer, stack, train_step
from tests.fixtures.small_task import TASK, make_batch

RUNS, ROWS, STEPS = 8, 4, 6
KEYS = jax.vmap(jax.random.key)(jnp.arange(RUNS))
RECIPE = stack.Recipe(
  KEYS,
  np.linspace(1e-3, 1e-2, RUNS, dtype=np.float32),
  np.arange(RUNS, dtype=np.int32) + 4,  # The first end before the last step.
  np.arange(RUNS, dtype=np.int32) % 3,
)


def optimizer_at(recipe):
  rate = optimizer.schedule(*recipe[1:])
  return optimizer.make(
    *('adamw', rate),
    b1=0.9,
    b2=0.999,
    eps=1e-6,
    weight_decay=0.01,
    clip_norm=1.0,
    bias_correction=True,
  )


PLAIN = optimizer_at((None, 1e-3, 10, 1))


def batch(run, step):
  return make_batch(100 * run + step, rows=ROWS)


def layout(mesh):
  one = train_step.abstract_state(TASK.init, PLAIN)
  specs = sharding.layout_of(one.params, 'dp', mesh)
  return one, specs, train_step.state_specs(one, PLAIN, specs)


@pytest.fixture(scope='module')
def alone():
  """Losses [runs, steps], one run after another."""
  mesh = sharding.make_mesh('dp', 1, jax.devices()[:1])
  one, specs, of_state = layout(mesh)
  shardings = sharding.shardings(of_state, mesh)

  @jax.jit
  def step(now, batch, recipe):
    take = train_step.make_train_step(
      *(TASK, optimizer_at(recipe), mesh, specs, train_step.StepOptions())
    )
    return take(now, batch, recipe.key)

  losses = []
  for run in range(RUNS):
    recipe = jax.tree.map(lambda x, run=run: x[run], RECIPE)
    now = train_step.create_state(TASK.init, PLAIN, KEYS[run], shardings)
    own = []
    for number in range(STEPS):
      now, figures = step(now, batch(run, number), recipe)
      own.append(float(figures['loss']))
    losses.append(own)
  return np.asarray(losses)


class Stack:
  def __init__(self, devices):
    self.mesh = sharding.make_stack_mesh(RUNS, ROWS, 1, jax.devices()[:devices])
    one, specs, of_state = layout(self.mesh)
    self.shardings = stack.stack_shardings(of_state, self.mesh)
    self.now = stack.create_stack(TASK.init, PLAIN, KEYS, self.shardings)
    step = stack.make_stacked_step(
      lambda recipe: train_step.make_train_step(
        *(
          TASK,
          optimizer_at(recipe),
          self.mesh,
          specs,
          train_step.StepOptions(),
        )
      )
    )
    abstract = stack.abstract_stack(TASK.init, PLAIN, KEYS)
    self.compiled = train_step.compile_train_step(
      step, self.mesh, self.shardings, (abstract, self.batch(0), RECIPE)
    )

  def batch(self, step):
    each = [batch(run, step) for run in range(RUNS)]
    return {name: np.stack([b[name] for b in each]) for name in each[0]}

  def train(self):
    losses, states = [], {}
    for number in range(STEPS):
      placed = sharding.place_whole(self.batch(number), self.mesh)
      self.now, figures = self.compiled(self.now, placed, RECIPE)
      losses.append(figures['loss'])
      states[number + 1] = jax.device_get(self.now.params)
    return np.asarray(losses).T, states


@pytest.fixture(scope='module')
def together():
  """Losses, parameters after each step, and the stack: a model a device."""
  stacked = Stack(8)
  return *stacked.train(), stacked


def test_losses_are_those_of_separate_runs(alone, together):
  took, _, _ = together
  ran = np.arange(STEPS) < RECIPE.num_steps[:, None]
  assert not ran.all()
  np.testing.assert_allclose(took[ran], alone[ran], rtol=0, atol=1e-5)


def test_parameters_stay_when_a_run_is_over(together):
  _, states, _ = together
  ends, last = states[RECIPE.num_steps[0]], states[STEPS]
  for leaf, same in zip(*map(jax.tree.leaves, (ends, last)), strict=True):
    np.testing.assert_array_equal(leaf[0], same[0])
    assert np.any(leaf[-1] != same[-1])


def test_each_device_holds_whole_models_of_its_own(together):
  _, _, stacked = together
  assert stacked.now.step.shape == ()
  for leaf in jax.tree.leaves(stacked.now.params):
    shapes = {shard.data.shape for shard in leaf.addressable_shards}
    assert shapes == {(1, *leaf.shape[1:])}
  # Models have nothing to say to each other: only figures are gathered.
  text = stacked.compiled.as_text()
  assert 'collective-permute' not in text
  assert 'all-to-all' not in text
