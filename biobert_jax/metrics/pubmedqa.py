"""Accuracy and macro F1 of PubMedQA, equal to its `evaluation.py`.

The script (pubmedqa/pubmedqa) calls scikit-learn and prints six decimals. As
there, the macro mean is over the labels that occur in gold or predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from biobert_jax.metrics import bootstrap as bootstrap_

LABELS = ('maybe', 'no', 'yes')  # Sorted, as scikit-learn sums over them.


@dataclass
class PubmedqaReport:
  """Result of `evaluate`: all fractions (0-1), except for `questions`."""

  accuracy: float
  macro_f1: float
  per_label: dict[str, float]
  intervals: dict[str, bootstrap_.Interval]
  questions: int


def evaluate(
  gold: Sequence[str],
  predicted: Sequence[str],
  *,
  bootstrap: int = 0,
  seed: int = 0,
) -> PubmedqaReport:
  """Scores labels (yes, no or maybe) against gold ones, as many."""
  if len(gold) != len(predicted):
    what = f'{len(gold)} gold labels but {len(predicted)} predicted ones'
    raise ValueError(f'{what}; give one label for each question')
  if unknown := {*gold, *predicted} - {*LABELS}:
    raise ValueError(f'labels {sorted(unknown)} are not among {LABELS}')
  size = len(LABELS)
  rows = np.zeros((len(gold), size * size), np.int64)  # One cell of the table.
  for row, g, p in zip(rows, gold, predicted, strict=True):
    row[LABELS.index(g) * size + LABELS.index(p)] = 1
  sums = rows.sum(axis=0, keepdims=True)
  f1, occurs = (values[0] for values in _f1(sums))
  measures = {'accuracy': _accuracy, 'macro_f1': _macro_f1}
  return PubmedqaReport(
    accuracy=float(_accuracy(sums)[0]),
    macro_f1=float(_macro_f1(sums)[0]),
    per_label={
      label: float(value)
      for label, value, there in zip(LABELS, f1, occurs, strict=True)
      if there
    },
    intervals=bootstrap_.intervals(
      rows, measures, resamples=bootstrap, seed=seed
    ),
    questions=len(gold),
  )


def as_dict(report: PubmedqaReport) -> dict[str, Any]:
  """The report for JSON, rounded as the script prints it (six decimals)."""
  found = report.intervals
  intervals = {
    f'{name}_interval_95': [round(x, 6) for x in found[name]] if found else None
    for name in ('accuracy', 'macro_f1')
  }
  return {
    'accuracy': round(report.accuracy, 6),
    'macro_f1': round(report.macro_f1, 6),
    'per_label': {k: round(v, 6) for k, v in report.per_label.items()},
    **intervals,
    'questions': report.questions,
  }


def _accuracy(sums: np.ndarray) -> np.ndarray:
  """Of tables of counts, [resamples, gold * predicted]."""
  diagonal = sums[:, :: len(LABELS) + 1]
  return diagonal.sum(axis=1) / np.maximum(sums.sum(axis=1), 1)


def _f1(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """F1 of each label, and whether it occurs; both [resamples, labels]."""
  tables = sums.reshape(-1, len(LABELS), len(LABELS))
  correct = np.diagonal(tables, axis1=1, axis2=2)
  whole = tables.sum(axis=2) + tables.sum(axis=1)
  return 2 * correct / np.maximum(whole, 1), whole > 0


def _macro_f1(sums: np.ndarray) -> np.ndarray:
  f1, occurs = _f1(sums)
  return f1.sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
