"""How far a score would move on another test set of the same size.

Units of the test set (sentences, questions) are drawn with replacement; a
score is a function of sums over units, so only sums are kept.
"""

from collections.abc import Callable, Mapping

import numpy as np

Interval = tuple[float, float]
# Sums over units, [resamples, parts], to a score of each resample.
Measure = Callable[[np.ndarray], np.ndarray]


def intervals(
  rows: np.ndarray,
  scores: Mapping[str, Measure],
  *,
  resamples: int,
  seed: int,
) -> dict[str, Interval]:
  """95 % percentile intervals of scores over units drawn with replacement.

  Each row is what a unit adds to the sums. The result is (low, high) by name,
  in the unit of the score; all scores are of the same resamples, and if there
  are none, or no unit, it is empty.
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


def f1_interval(rows: np.ndarray, resamples: int, seed: int) -> Interval | None:
  """`intervals` of F1, percent; rows are gold, predicted, correct counts."""

  def f1(sums: np.ndarray) -> np.ndarray:
    gold, predicted, correct = sums.T
    return 200 * correct / np.maximum(gold + predicted, 1)

  found = intervals(rows, {'f1': f1}, resamples=resamples, seed=seed)
  return found.get('f1')
