"""Intervals are those of units drawn with replacement."""

import numpy as np
import pytest

from biobert_jax.metrics import bootstrap


def mean(sums):
  return sums[:, 0] / sums[:, 1]


def interval(units, resamples, seed):
  found = bootstrap.intervals(
    units, {'mean': mean}, resamples=resamples, seed=seed
  )
  return found.get('mean')


def rows(seed, units=150):
  values = np.random.default_rng(seed).integers(5, size=units) / 4
  return np.stack([values, np.ones(units)], axis=1)


def test_interval_is_that_of_units_drawn_one_by_one():
  units = rows(0)
  random = np.random.default_rng(1)
  draws = random.integers(len(units), size=(20000, len(units)))
  means = mean(units[draws].sum(axis=1))
  found = interval(units, 20000, 0)
  # As in ner_test: 0.019 standard deviations of error, twice, three of them.
  assert found == pytest.approx(
    np.percentile(means, [2.5, 97.5]),
    rel=0,
    abs=3 * 2**0.5 * 0.019 * means.std(),
  )


def test_seed_chooses_the_interval_and_names_share_the_draw():
  found = [interval(rows(0), 100, seed) for seed in (1, 1, 2)]
  assert found[0] == found[1] != found[2]
  both = bootstrap.intervals(
    rows(0),
    {'mean': mean, 'twice': lambda sums: 2 * mean(sums)},
    resamples=100,
    seed=1,
  )
  assert both['mean'] == found[0]
  assert both['twice'] == pytest.approx([2 * value for value in found[0]])


def test_nothing_has_no_interval():
  assert interval(rows(0), 0, 0) is None
  assert interval(rows(0)[:0], 9, 0) is None
  assert bootstrap.intervals(rows(0), {}, resamples=9, seed=0) == {}
