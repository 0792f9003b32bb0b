"""Scores of relation extraction, equal to BioBERT's where that is right.

dmis-lab/biobert `biocodes/re_eval.py` prints precision, recall and F1 of class
1 and specificity, the recall of class 0 (GAD, EU-ADR), or micro scores over
five classes without `false` (CHEMPROT). Both are one rule: micro scores over
all labels but the negative one. Where the script is wrong, these differ:

- It numbers CHEMPROT's gold labels by their sorted order in the test file,
  predictions by their order in training: if the test file lacks a class, later
  ones are compared with their neighbours. Here labels go by name.
- It reads the test file with pandas' quoting: a sentence that starts with `"`
  swallows the rows up to the next quote. Here a quote is text.
- It stops if no label is the class 1. Here such scores are 0.

The same rule over four types is that of BLUE for DDI 2013, and over thirteen
the micro average of DrugProt; their own evaluators differ: `NOTES`.
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
    *('activator', 'agonist', 'agonist-activator', 'agonist-inhibitor'),
    *('antagonist', 'direct-regulator', 'indirect-downregulator'),
    *('indirect-upregulator', 'inhibitor', 'part-of', 'product-of'),
    *('substrate', 'substrate_product-of', 'false'),
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


class RelationScore(NamedTuple):
  """Numbers of examples, and the percentages (0-100) that follow from them."""

  gold: int  # With a label that counts.
  predicted: int  # Given such a label.
  correct: int  # Given the one that they have.

  @property
  def precision(self) -> float:
    return _percent(self.correct, self.predicted)

  @property
  def recall(self) -> float:
    return _percent(self.correct, self.gold)

  @property
  def f1(self) -> float:
    return _percent(2 * self.correct, self.gold + self.predicted)


@dataclass
class RelationReport:
  """Result of `evaluate`."""

  overall: RelationScore  # Micro score over all labels but the negative one.
  specificity: float  # Recall of the negative label, percent.
  per_label: dict[str, RelationScore]  # The negative one included.
  accuracy: float  # Percent.
  interval: bootstrap_.Interval | None  # 95 %, of the overall F1, percent.
  examples: int


def evaluate(
  gold: Sequence[str],
  predicted: Sequence[str],
  labels: Sequence[str],
  *,
  negatives: Sequence[str] = NEGATIVES,
  bootstrap: int = 0,
  seed: int = 0,
) -> RelationReport:
  """Scores the predicted label of each example against the gold one.

  Exactly one of all `labels` is among the `negatives`, "no relation".

  Raises:
    ValueError: if the lengths differ, or the labels are not as they should be.
  """
  if len(gold) != len(predicted):
    what = f'{len(gold)} gold labels but {len(predicted)} predicted ones'
    raise ValueError(f'{what}; give one label for each example')
  if sum(label in negatives for label in labels) != 1:
    raise ValueError(f'want one of {negatives} among the labels {labels}')
  if unknown := {*gold, *predicted} - {*labels}:
    raise ValueError(f'labels {sorted(unknown)} are not among {labels}')
  codes = {label: code for code, label in enumerate(labels)}
  positive = np.array([label not in negatives for label in labels])
  golds = np.array([codes[label] for label in gold], np.int64)
  predictions = np.array([codes[label] for label in predicted], np.int64)
  right = golds == predictions
  per_label = {
    label: RelationScore(
      *(int((c == i).sum()) for c in (golds, predictions, golds[right]))
    )
    for label, i in codes.items()
  }
  negative = next(label for label in labels if label in negatives)
  counted = positive[golds], positive[predictions], positive[golds] & right
  rows = np.stack(counted, axis=1).astype(np.int64)
  return RelationReport(
    overall=RelationScore(*rows.sum(axis=0).tolist()),
    specificity=per_label[negative].recall,
    per_label=per_label,
    accuracy=_percent(int(right.sum()), len(gold)),
    interval=bootstrap_.f1_interval(rows, bootstrap, seed),
    examples=len(gold),
  )


def as_dict(report: RelationReport) -> dict[str, Any]:
  """The report for JSON, rounded as the script prints it (two decimals)."""
  per_label = {
    label: {n: round(getattr(score, n), 2) for n in FIGURES[:3]}
    | score._asdict()
    for label, score in report.per_label.items()
  }
  return {
    **{name: round(value, 2) for name, value in figures(report).items()},
    **report.overall._asdict(),
    'per_label': per_label,
    'accuracy': round(report.accuracy, 2),
    'f1_interval_95': report.interval
    and [round(x, 2) for x in report.interval],
    'examples': report.examples,
  }


def figures(report: RelationReport) -> dict[str, float]:
  """The figures of `FIGURES`, percent, not rounded."""
  overall = report.overall
  values = overall.precision, overall.recall, overall.f1, report.specificity
  return dict(zip(FIGURES, values, strict=True))


def over_folds(
  reports: Sequence[RelationReport],
) -> dict[str, tuple[float, float]]:
  """(mean, sample standard deviation) of each figure; 0 for one fold."""
  rows = np.array([list(figures(report).values()) for report in reports])
  means = rows.mean(axis=0)
  spread = rows.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros_like(means)
  pairs = zip(means.tolist(), spread.tolist(), strict=True)
  return dict(zip(FIGURES, pairs, strict=True))


def _percent(part: int, whole: int) -> float:
  # Divided first, as scikit-learn and then `{:.2%}` do: the last bit is theirs.
  return part / whole * 100 if whole else 0.0
