"""How many steps a run takes, and after which it scores and saves."""

import pytest

from biobert_jax.training.plan import Plan
from tests.fixtures import small_run


def plan(**changes):
  """Of 31 packed sequences, 8 a step."""
  return Plan.of(small_run.config(**changes), 31)


def test_epochs_become_steps():
  assert plan(train__epochs=3.0).num_steps == 12  # 11.6, rounded up.
  assert plan(train__epochs=3.0, train__steps=5).num_steps == 5
  assert plan(optim__warmup_fraction=0.25).warmup_steps == 3


@pytest.mark.parametrize(
  ('evaluations', 'steps'), [(1, [12]), (2, [6, 12]), (5, [3, 5, 8, 10, 12])]
)
def test_evaluations_are_spread_and_the_last_comes_last(evaluations, steps):
  made = plan(train__evaluations=evaluations)
  assert [s for s in range(1, 13) if made.evaluates_after(s)] == steps


def test_a_checkpoint_every_few_steps_and_with_each_evaluation():
  made = plan(train__checkpoint_every_steps=5)
  assert [s for s in range(1, 13) if made.saves_after(s)] == [5, 6, 10, 12]


@pytest.mark.parametrize(
  ('changes', 'scores', 'selects'),
  [
    ({}, True, True),
    ({'train__keep': 'last'}, True, False),
    ({'data__devel_split': ''}, False, False),
    ({'data__train_split': 'train_dev'}, False, False),
  ],
)
def test_what_the_dev_set_is_for(caplog, changes, scores, selects):
  caplog.set_level('INFO', 'biobert_jax')
  made = plan(**changes)
  assert (made.scores, made.selects) == (scores, selects)
  said = 'no selection on the dev set; keeping the final checkpoint'
  assert (said in caplog.text) != selects
  assert made.evaluates_after(12) == scores
  assert made.saves_after(12)
