"""Exact match and F1 of SQuAD, equal to its two official scripts.

`evaluate-v1.1.py` and `evaluate-v2.0.py`, digit for digit under Python 3.11
(from 3.12 on, `sum` rounds otherwise, and with it the last bit of what the
second script prints). They differ in more than unanswerable questions: where
an answer is empty once articles and punctuation are gone, its F1 with another
such answer is 0 in version 1.1, and 1 in version 2.0.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from biobert_jax.metrics import bootstrap as bootstrap_

VERSIONS = ('1.1', '2.0')
THRESHOLD = 1.0  # evaluate-v2.0.py's --na-prob-thresh.
_ARTICLES = re.compile(r'\b(a|an|the)\b')
_NO_PUNCTUATION = str.maketrans('', '', string.punctuation)


class SquadScore(NamedTuple):
  """Means over questions: exact match and F1, percent (0-100)."""

  exact: float
  f1: float
  total: int  # Questions.


class Best(NamedTuple):
  """Scores at the best thresholds of the null odds.

  As in the script, a threshold may lie between questions of equal odds, where
  none can be set; and 0 stands for "never answer", whatever the odds. Scores
  are percent (0-100), thresholds in the unit of the null odds.
  """

  exact: float
  exact_threshold: float
  f1: float
  f1_threshold: float


@dataclass
class SquadReport:
  """Result of `evaluate`."""

  version: str  # Of the script: 1.1 or 2.0.
  overall: SquadScore
  answerable: SquadScore | None  # None for version 1.1, or if there are none.
  unanswerable: SquadScore | None
  best: Best | None  # If null odds were given.
  missing: int  # Questions without prediction, which score 0 (version 1.1).
  # 95 % bootstrap intervals of `exact` and `f1`, percent; empty if not wanted.
  intervals: dict[str, bootstrap_.Interval]


def normalize(text: str) -> str:
  """Lower case, without ASCII punctuation, English articles, extra blanks."""
  text = _ARTICLES.sub(' ', text.lower().translate(_NO_PUNCTUATION))
  return ' '.join(text.split())


def compare(
  prediction: str, answers: Iterable[str], version: str
) -> tuple[int, float]:
  """Exact match (0 or 1) and F1 (0-1) with the answer that fits best.

  The answer to an unanswerable question is ''; `version` is the script's.
  """
  given = normalize(prediction)
  exact, f1 = 0, 0.0
  for answer in map(normalize, answers):
    exact = max(exact, int(given == answer))
    f1 = max(f1, _f1(given.split(), answer.split(), version))
  return exact, f1


def evaluate(
  gold: Mapping[str, Sequence[str]],
  predictions: Mapping[str, str],
  *,
  version: str,
  null_odds: Mapping[str, float] | None = None,
  threshold: float = THRESHOLD,
  bootstrap: int = 0,
  seed: int = 0,
) -> SquadReport:
  """Scores the answers to questions, by id, against gold ones.

  An unanswerable question has no gold answer; '' is to answer none. For version
  2.0 null odds, in any unit, say how strongly a question was thought to be
  unanswerable: above the threshold they overrule the prediction, and among
  equals their order counts.

  Raises:
    ValueError: if there is no question, or one lacks what its version needs.
  """
  _check(gold, predictions, version, null_odds)
  raw = {}
  for id_, answers in gold.items():
    if version == '2.0':
      answers = [answer for answer in answers if normalize(answer)] or ['']
    if id_ in predictions:
      raw[id_] = compare(predictions[id_], answers, version)
  scores = {id_: raw.get(id_, (0, 0.0)) for id_ in gold}
  for id_, odds in (null_odds or {}).items():
    if id_ in scores and odds > threshold:
      scores[id_] = (right := int(not gold[id_]), float(right))
  rows = np.array([*scores.values()], np.float64)
  means: dict[str, bootstrap_.Measure] = {
    'exact': lambda sums: 100 * sums[:, 0] / len(rows),
    'f1': lambda sums: 100 * sums[:, 1] / len(rows),
  }
  answerable = [s for i, s in scores.items() if gold[i]]
  unanswerable = [s for i, s in scores.items() if not gold[i]]
  split = version == '2.0'
  return SquadReport(
    version=version,
    overall=_mean([*scores.values()]),
    answerable=_mean(answerable) if split and answerable else None,
    unanswerable=_mean(unanswerable) if split and unanswerable else None,
    best=_best(gold, predictions, raw, null_odds) if null_odds else None,
    missing=len(gold) - len(raw),
    intervals=bootstrap_.intervals(rows, means, resamples=bootstrap, seed=seed),
  )


def official(report: SquadReport) -> dict[str, float]:
  """The figures that the script prints, under its own names, not rounded."""
  if report.version == '1.1':
    return {'exact_match': report.overall.exact, 'f1': report.overall.f1}
  figures: dict[str, float] = report.overall._asdict()
  parts = {'HasAns': report.answerable, 'NoAns': report.unanswerable}
  for name, part in parts.items():
    if part:
      figures |= {f'{name}_{k}': v for k, v in part._asdict().items()}
  if report.best:
    names = ('best_exact', 'best_exact_thresh', 'best_f1', 'best_f1_thresh')
    figures |= zip(names, report.best, strict=True)
  return figures


def as_dict(report: SquadReport) -> dict[str, Any]:
  """The report for JSON: `official`, and [low, high] in percent, or None."""
  found = report.intervals
  intervals = {
    f'{name}_interval_95': [round(x, 2) for x in found[name]] if found else None
    for name in ('exact', 'f1')
  }
  named = {'version': report.version, **official(report)}
  return named | {'missing': report.missing} | intervals


def _check(
  gold: Mapping[str, Sequence[str]],
  predictions: Mapping[str, str],
  version: str,
  null_odds: Mapping[str, float] | None,
) -> None:
  if version not in VERSIONS:
    raise ValueError(f'version {version!r} is not one of {VERSIONS}')
  if not gold:
    raise ValueError('there is no question')
  for id_, answers in gold.items():
    if version == '1.1' and not answers:
      raise ValueError(f'question {id_} has no answer; that is version 2.0')
    if version == '2.0' and id_ not in predictions:
      raise ValueError(f"question {id_} has no prediction; give '' for none")
    if null_odds is not None and id_ not in null_odds:
      raise ValueError(f'question {id_} has no null odds')


def _f1(given: list[str], answer: list[str], version: str) -> float:
  common = (Counter(given) & Counter(answer)).total()
  if version == '2.0' and (not given or not answer):
    return float(given == answer)
  if not common:
    return 0.0
  precision, recall = common / len(given), common / len(answer)
  return 2 * precision * recall / (precision + recall)


def _mean(scores: Sequence[tuple[int, float]]) -> SquadScore:
  exact, f1 = 0, 0.0
  for one, other in scores:  # Not `sum`: see the top of this file.
    exact, f1 = exact + one, f1 + other
  total = len(scores)
  return SquadScore(100.0 * exact / total, 100.0 * f1 / total, total)


def _best(
  gold: Mapping[str, Sequence[str]],
  predictions: Mapping[str, str],
  raw: Mapping[str, tuple[int, float]],
  null_odds: Mapping[str, float],
) -> Best:
  """The script's `find_best_thresh` for either measure."""
  figures = []
  for measure in (0, 1):
    best = score = float(sum(not answers for answers in gold.values()))
    threshold = 0.0
    for id_ in sorted(null_odds, key=lambda id_: null_odds[id_]):
      if id_ not in raw:
        continue
      # Answering from here on: what is gained, or a right silence broken.
      score += raw[id_][measure] if gold[id_] else -bool(predictions[id_])
      if score > best:
        best, threshold = score, null_odds[id_]
    figures += [100.0 * best / len(raw), threshold]
  return Best(*figures)
