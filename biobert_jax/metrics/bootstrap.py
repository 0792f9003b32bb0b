"""How far a score would move on another test set of the same size.

Units of the test set (sentences, questions) are drawn with replacement; a
score is a function of sums over units, so only sums are kept.
"""

from collections.abc import Callable, Mapping

import numpy as np

Interval = tuple[float, float]


def interval(
  rows: np.ndarray,
  score: Callable[[np.ndarray], np.ndarray],
  *,
  resamples: int,
  seed: int,
) -> Interval | None:
  """95 % percentile interval of a score over units drawn with replacement.

  Args:
    rows: [units, parts]: what each unit adds to the sums.
    score: the sums of each resample, [resamples, parts] -> [resamples].
    resamples: number of them; 0 for no interval.
    seed: of the drawing.

  Returns:
    (low, high) in the unit of the score; None if no resamples are requested or
    there is no unit.
  """
  return intervals(rows, {'': score}, resamples=resamples, seed=seed).get('')


def intervals(
  rows: np.ndarray,
  scores: Mapping[str, Callable[[np.ndarray], np.ndarray]],
  *,
  resamples: int,
  seed: int,
) -> dict[str, Interval]:
  """`interval` of several scores of the same resamples.

  Args:
    rows: as of `interval`.
    scores: as of `interval`, by name.
    resamples: number of them; 0 for no interval.
    seed: of the drawing.

  Returns:
    (low, high) by name; empty if no resamples are requested or there is no
    unit.
  """
  if not resamples or not len(rows):
    return {}
  # Units with equal rows are interchangeable: drawing how often each kind
  # occurs is the same draw, at the cost of the number of kinds.
  kinds, sizes = np.unique(rows, axis=0, return_counts=True)
  random = np.random.default_rng(seed)
  drawn = random.multinomial(len(rows), sizes / len(rows), resamples)
  sums = drawn @ kinds
  found = {}
  for name, score in scores.items():
    low, high = np.percentile(score(sums), [2.5, 97.5])
    found[name] = float(low), float(high)
  return found
