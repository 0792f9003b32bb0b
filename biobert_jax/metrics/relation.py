"""Scores of relation extraction, equal to BioBERT's where that is right.

dmis-lab/biobert `biocodes/re_eval.py` prints, with two decimals:

- binary (GAD, EU-ADR): precision, recall and F1 of class 1, and specificity,
  the recall of class 0;
- chemprot: micro precision, recall and F1 over five classes, without `false`.

Both are one rule: micro scores over all labels but the negative one. Where the
script is wrong, these differ from it:

- It numbers CHEMPROT's gold labels by their sorted order in the test file,
  predictions by their order in training. If the test file lacks a class, all
  later ones are compared with their neighbours. Here labels go by name.
- It reads the test file with pandas' quoting, as the model's own reader does
  not: a sentence that starts with `"` swallows the rows up to the next quote,
  and the script stops because the lengths differ. Here a quote is text.
- It stops if neither gold nor predicted labels hold the class 1. Here such
  scores are 0, as everywhere else in the script.

The same rule over four types is that of BLUE for DDI 2013, and over thirteen
the micro average of DrugProt. The official evaluators of these two read whole
documents, not rows, which makes other figures of the same labels: `NOTES`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from biobert_jax.metrics import bootstrap as bootstrap_

# Labels by corpus, in the order of the columns of test_results.tsv: that of
# run_re.py's `get_labels`; of `ddi`, BLUE's (run_bluebert.py); of the others,
# what `biobert-jax prepare-relation` prints as "labels". `ddi2013` is `ddi` in
# the challenge's own spelling.
LABELS = {
  'gad': ('0', '1'),
  'euadr': ('0', '1'),
  'chemprot': ('cpr:3', 'cpr:4', 'cpr:5', 'cpr:6', 'cpr:9', 'false'),
  'ddi': ('ddi-advise', 'ddi-effect', 'ddi-int', 'ddi-mechanism', 'ddi-false'),
  'ddi2013': ('advise', 'effect', 'int', 'mechanism', 'false'),
  'drugprot': (
    'activator',
    'agonist',
    'agonist-activator',
    'agonist-inhibitor',
    'antagonist',
    'direct-regulator',
    'indirect-downregulator',
    'indirect-upregulator',
    'inhibitor',
    'part-of',
    'product-of',
    'substrate',
    'substrate_product-of',
    'false',
  ),
}
# The label of "no relation" in these corpora.
NEGATIVES = ('0', 'false', 'ddi-false')
_OF_DDI = (
  'the evaluation of DDIExtraction 2013 (SemEval task 9.2) counts every pair '
  'of its documents, so an interaction that made no row is missed there, and '
  'adds scores of detection alone and a macro average'
)
# Corpus -> how its official evaluator differs.
NOTES = {
  'ddi': _OF_DDI,
  'ddi2013': _OF_DDI,
  # drugprot-evaluation-library, src/utils.py `format_relations`.
  'drugprot': (
    'the DrugProt evaluation library counts every pair of mentions of a '
    'document, so a relation that made no row (across sentences) is missed '
    'there; of several relations of one pair it takes the first, where each '
    'makes a row here; and the last pair of a document shares its place with '
    'the first of the next'
  ),
}
FIGURES = ('precision', 'recall', 'f1', 'specificity')


class Score(NamedTuple):
  """Numbers of examples, and the percentages that follow from them.

  Attributes:
    gold: examples with a label that counts.
    predicted: examples that were given such a label.
    correct: examples that were given the one that they have.
  """

  gold: int
  predicted: int
  correct: int

  @property
  def precision(self) -> float:
    """Correct of predicted, percent (0-100); 0 where nothing is predicted."""
    return _percent(self.correct, self.predicted)

  @property
  def recall(self) -> float:
    """Correct of gold, percent (0-100); 0 where there is none."""
    return _percent(self.correct, self.gold)

  @property
  def f1(self) -> float:
    """Harmonic mean of precision and recall, percent (0-100)."""
    return _percent(2 * self.correct, self.gold + self.predicted)


@dataclass
class Report:
  """What `evaluate` finds.

  Attributes:
    overall: micro score over all labels but the negative one.
    specificity: examples without a relation that were taken for such, percent.
    per_label: the score of each label, the negative one included.
    accuracy: examples with the right label, percent.
    interval: 95 % bootstrap interval of the overall F1, percent; None if none
      was requested, or there is no example.
    examples: number of examples.
  """

  overall: Score
  specificity: float
  per_label: dict[str, Score]
  accuracy: float
  interval: bootstrap_.Interval | None
  examples: int


def evaluate(
  gold: Sequence[str],
  predicted: Sequence[str],
  labels: Sequence[str],
  *,
  negatives: Sequence[str] = NEGATIVES,
  bootstrap: int = 0,
  seed: int = 0,
) -> Report:
  """Scores predicted labels against gold ones.

  Args:
    gold: the label of each example.
    predicted: the label that each example was given.
    labels: all labels, one of them in `negatives`.
    negatives: what "no relation" may be called.
    bootstrap: number of resamples for the interval; 0 for none.
    seed: of the resampling.

  Returns:
    The report.

  Raises:
    ValueError: if the lengths differ, a label is not one of `labels`, or these
      do not hold one negative label.
  """
  _check(gold, predicted, labels, negatives)
  codes = {label: code for code, label in enumerate(labels)}
  table = np.zeros((len(labels), len(labels)), np.int64)
  pairs = [(codes[g], codes[p]) for g, p in zip(gold, predicted, strict=True)]
  for pair in pairs:
    table[pair] += 1
  positive = np.array([label not in negatives for label in labels])
  golds, predictions, corrects = table.sum(1), table.sum(0), table.diagonal()
  per_label = {
    label: Score(*(int(c[i]) for c in (golds, predictions, corrects)))
    for label, i in codes.items()
  }
  negative = next(label for label in labels if label in negatives)
  return Report(
    overall=Score(
      *(int(c[positive].sum()) for c in (golds, predictions, corrects))
    ),
    specificity=per_label[negative].recall,
    per_label=per_label,
    accuracy=_percent(int(corrects.sum()), len(gold)),
    interval=_interval(pairs, positive, bootstrap, seed),
    examples=len(gold),
  )


def as_dict(report: Report) -> dict[str, Any]:
  """The report for JSON, rounded as the script prints it (two decimals).

  Args:
    report: what `evaluate` returned.

  Returns:
    precision, recall, f1, specificity and accuracy in percent; gold, predicted
    and correct in examples; per_label; f1_interval_95 as [low, high] in
    percent, or None; examples.
  """
  return {
    **{name: _rounded(value) for name, value in figures(report).items()},
    **report.overall._asdict(),
    'per_label': {
      label: {
        **{n: _rounded(getattr(score, n)) for n in FIGURES[:3]},
        **score._asdict(),
      }
      for label, score in report.per_label.items()
    },
    'accuracy': _rounded(report.accuracy),
    'f1_interval_95': report.interval and [*map(_rounded, report.interval)],
    'examples': report.examples,
  }


def figures(report: Report) -> dict[str, float]:
  """The figures of `FIGURES`, percent, not rounded."""
  overall = report.overall
  values = overall.precision, overall.recall, overall.f1, report.specificity
  return dict(zip(FIGURES, values, strict=True))


def over_folds(reports: Sequence[Report]) -> dict[str, tuple[float, float]]:
  """Mean and deviation of each figure over folds.

  Args:
    reports: one for each fold; at least one.

  Returns:
    (mean, sample standard deviation) of each of `FIGURES`, percent; the
    deviation of a single fold is 0.
  """
  rows = np.array([list(figures(report).values()) for report in reports])
  means = rows.mean(axis=0)
  spread = rows.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros_like(means)
  pairs = zip(means.tolist(), spread.tolist(), strict=True)
  return dict(zip(FIGURES, pairs, strict=True))


def _check(
  gold: Sequence[str],
  predicted: Sequence[str],
  labels: Sequence[str],
  negatives: Sequence[str],
) -> None:
  if len(gold) != len(predicted):
    raise ValueError(
      f'{len(gold)} gold labels but {len(predicted)} predicted ones; '
      'give one label for each example'
    )
  if sum(label in negatives for label in labels) != 1:
    raise ValueError(f'want one of {negatives} among the labels {labels}')
  if unknown := {*gold, *predicted} - {*labels}:
    raise ValueError(f'labels {sorted(unknown)} are not among {labels}')


def _percent(part: int, whole: int) -> float:
  # Divided first, as scikit-learn and then `{:.2%}` do: the last bit is theirs.
  return part / whole * 100 if whole else 0.0


def _rounded(value: float) -> float:
  return float(f'{value:.2f}')


def _interval(
  pairs: Sequence[tuple[int, int]],
  positive: np.ndarray,
  resamples: int,
  seed: int,
) -> bootstrap_.Interval | None:
  """Of the overall F1, percent, over examples drawn with replacement."""

  def f1(sums: np.ndarray) -> np.ndarray:
    gold, predicted, correct = sums.T
    return 200 * correct / np.maximum(gold + predicted, 1)

  golds, predictions = np.array(pairs, np.int64).reshape(-1, 2).T
  rows = np.stack(
    [
      positive[golds],
      positive[predictions],
      positive[golds] & (golds == predictions),
    ],
    axis=1,
  ).astype(np.int64)
  return bootstrap_.interval(rows, f1, resamples=resamples, seed=seed)
