"""The step's options of a config, and its learning rate."""

import math

import pytest

from biobert_jax.errors import InputError
from biobert_jax.training import step_setup
from biobert_jax.training.plan import Plan
from tests.fixtures import small_run


def test_the_learning_rate_rises_and_falls():
  config = small_run.config(
    optim__learning_rate=1e-3,
    optim__warmup_fraction=0.5,
    optim__reference_jump=False,
  )
  schedule, _ = step_setup.make_optimizer(config, Plan.of(config, 31))
  rates = [float(schedule(step)) for step in range(12)]
  assert rates[6] == max(rates) == pytest.approx(1e-3)
  assert rates[:7] == sorted(rates[:7])
  assert rates[6:] == sorted(rates[6:], reverse=True)


def test_options_are_those_of_the_config():
  config = small_run.config(accumulate=2, optim__skip_norm=0.0)
  options = step_setup.step_options(config, 'cpu')
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
    step_setup.step_options(small_run.config(**changes), platform)
