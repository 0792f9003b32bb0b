"""Scores of BioASQ task B, phase B, equal to the official Java evaluator.

BioASQ/Evaluation-Measures, `evaluation.EvaluatorTask1b -phaseB -e 5` (the
editions 5 to 8 score exact answers alike), with `-Dfile.encoding=UTF-8`: else
Java 17 takes every byte of a non-ASCII character for the same unknown
character. What may surprise:

- Answers are compared in lower case and otherwise as they are, blanks and all.
  (Lower case is Python's: Java 17 writes some capital sigmas otherwise, and
  does not know the letters that came with Unicode 14.)
- Of a submitted answer only the first synonym counts; of a gold one all do.
- More than five answers to a factoid question are counted like any others.
- In a list question each gold answer is matched once, the first one that fits;
  a gold answer that was left over is no miss if it shares a synonym with a
  submitted answer, even one that was matched.
- A yes/no answer is `yes` if it holds these letters, else `no` if it holds
  those (`unknown` does), else neither. A wrong answer counts against both F1s.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from biobert_jax.metrics import bootstrap as bootstrap_

TYPES = ('factoid', 'list', 'yesno', 'summary')
MOST_ANSWERS = 5  # To a factoid question, by the rules of the challenge.

# Of a factoid or list question its answers, each a list of synonyms; of a
# yes/no question its text; None where there is no answer.
Answer = str | Sequence[Sequence[str]] | None


class Question(NamedTuple):
  """A gold question."""

  type: str  # One of `TYPES`.
  answer: Answer  # None for a summary question.


class Scores(NamedTuple):
  """Means over questions, fractions (0-1), in the evaluator's order, or 0."""

  yesno_accuracy: float = 0.0
  factoid_strict_accuracy: float = 0.0
  factoid_lenient_accuracy: float = 0.0
  factoid_mrr: float = 0.0
  list_precision: float = 0.0
  list_recall: float = 0.0
  list_f1: float = 0.0
  yesno_macro_f1: float = 0.0
  yesno_f1_yes: float = 0.0
  yesno_f1_no: float = 0.0


@dataclass
class BioasqReport:
  """Result of `evaluate`."""

  scores: Scores
  questions: dict[str, int]  # Gold questions by type.
  answered: dict[str, int]  # Those with an answer, right or wrong.
  too_many: int  # Factoid questions with more than five answers.
  # 95 % bootstrap intervals, fractions, by the names of `Scores`; only of
  # types that occur.
  intervals: dict[str, bootstrap_.Interval] = field(default_factory=dict)


def yes_or_no(text: str) -> str:
  """The yes/no answer as the evaluator reads it: yes, no or none."""
  lowered = text.lower()
  return next((word for word in ('yes', 'no') if word in lowered), 'none')


def evaluate(
  gold: Mapping[str, Question],
  submission: Mapping[str, Answer],
  *,
  bootstrap: int = 0,
  seed: int = 0,
) -> BioasqReport:
  """Scores submitted exact answers, by question id, against gold ones.

  The order of the gold questions is that of the evaluator's sums. A question
  that is missing scores as one without an answer; the evaluator would stop.

  Raises:
    ValueError: if a question other than a summary has no gold answer, or an
      answer is not of its question's form.
  """
  rows: dict[str, list[tuple[float, ...]]] = {type_: [] for type_ in TYPES[:3]}
  report = BioasqReport(
    Scores(), dict.fromkeys(TYPES, 0), dict.fromkeys(TYPES, 0), 0
  )
  for id_, (type_, target) in gold.items():
    report.questions[type_] += 1
    if type_ == 'summary':
      continue
    answer = submission.get(id_)
    if target is None:
      raise ValueError(f'question {id_} has no gold answer')
    for one in (target, answer):
      if one is not None and isinstance(one, str) != (type_ == 'yesno'):
        raise ValueError(f'question {id_}: {one!r} is no {type_} answer')
    rows[type_].append((*_ROWS[type_](target, answer), 1.0))
    given = [answer] if isinstance(answer, str) else _submitted(answer)
    report.answered[type_] += any(given)
    report.too_many += type_ == 'factoid' and len(given) > MOST_ANSWERS
  found: dict[str, float] = {}
  for type_, some in rows.items():
    if some:
      found |= _figures(type_, some)
      table = np.array(some, np.float64)
      report.intervals |= bootstrap_.intervals(
        table, _MEASURES[type_], resamples=bootstrap, seed=seed
      )
  report.scores = Scores(**found)
  return report


def line(report: BioasqReport) -> str:
  """The line that the evaluator prints, without a line break."""
  return ' '.join(map(_java, report.scores))


def as_dict(report: BioasqReport) -> dict[str, Any]:
  """The report for JSON: fractions, only those of intervals rounded."""
  intervals = {
    name: [round(x, 4) for x in pair] for name, pair in report.intervals.items()
  }
  return {
    **report.scores._asdict(),
    'questions': report.questions,
    'answered': report.answered,
    'factoid_over_five_answers': report.too_many,
    'intervals_95': intervals or None,
  }


def _lowered(answers: Iterable[Iterable[str]]) -> list[list[str]]:
  # A list without synonyms is no answer, and takes no rank.
  return [[text.lower() for text in texts] for texts in answers if texts]


def _submitted(answer: Answer) -> list[list[str]]:
  """Each submitted answer with its first synonym only."""
  return _lowered(synonyms[:1] for synonyms in answer or ())


def _place(answers: Sequence[Sequence[str]], wanted: Sequence[str]) -> int:
  """The first of the answers that shares a synonym with `wanted`; or -1."""
  for place, synonyms in enumerate(answers):
    if not set(wanted).isdisjoint(synonyms):
      return place
  return -1


def _factoid(target: Answer, answer: Answer) -> tuple[float, ...]:
  """Strict and lenient accuracy and reciprocal rank of one question."""
  known = _lowered(target or ())
  for rank, synonyms in enumerate(_submitted(answer), start=1):
    if _place(known, synonyms) >= 0:
      return float(rank == 1), 1.0, 1.0 / rank
  return 0.0, 0.0, 0.0


def _list(target: Answer, answer: Answer) -> tuple[float, ...]:
  """Precision, recall and F1 of one question."""
  left, given = _lowered(target or ()), _submitted(answer)
  if not given:
    return 0.0, 0.0, 0.0
  found = 0
  for synonyms in given:
    if (place := _place(left, synonyms)) >= 0:
      found += 1
      del left[place]
  precision = found / len(given)
  missed = 0
  for synonyms in left:
    if (place := _place(given, synonyms)) >= 0:
      del given[place]
    else:
      missed += 1
  recall = found / (found + missed) if found + missed else 0.0
  if not precision or not recall:
    return precision, recall, 0.0
  return precision, recall, 2 * precision * recall / (precision + recall)


def _yesno(target: Answer, answer: Answer) -> tuple[float, ...]:
  """Whether one question is right, and which of four cases it is."""
  wanted = yes_or_no(str(target))
  right = answer is not None and yes_or_no(str(answer)) == wanted
  cells = [0.0] * 4  # Right at yes, right at no, wrong at yes, wrong at no.
  cells[2 * (not right) + (wanted != 'yes')] = 1.0
  return float(right), *cells


_ROWS = {'factoid': _factoid, 'list': _list, 'yesno': _yesno}


def _means(*names: str) -> dict[str, bootstrap_.Measure]:
  """The mean of each column in order."""

  def mean(column: int) -> bootstrap_.Measure:
    return lambda sums: sums[:, column] / sums[:, -1]

  return {name: mean(column) for column, name in enumerate(names)}


def _f1(label: int) -> bootstrap_.Measure:
  """F1 of yes (0) or no (1), of sums over the rows of `_yesno`."""

  def measure(sums: np.ndarray) -> np.ndarray:
    right, wrong = sums[:, 1 + label], sums[:, 3] + sums[:, 4]
    return 2 * right / np.maximum(2 * right + wrong, 1)

  return measure


def _macro_f1(sums: np.ndarray) -> np.ndarray:
  return (_f1(0)(sums) + _f1(1)(sums)) / 2


# Functions of sums over rows; the last column of a row is 1.
_MEASURES: dict[str, dict[str, bootstrap_.Measure]] = {
  'factoid': _means(
    'factoid_strict_accuracy', 'factoid_lenient_accuracy', 'factoid_mrr'
  ),
  'list': _means('list_precision', 'list_recall', 'list_f1'),
  'yesno': {
    **_means('yesno_accuracy'),
    'yesno_macro_f1': _macro_f1,
    'yesno_f1_yes': _f1(0),
    'yesno_f1_no': _f1(1),
  },
}


def _figures(type_: str, rows: list[tuple[float, ...]]) -> dict[str, float]:
  """The scores of one type, summed in the order of the questions."""
  sums = [0.0] * len(rows[0])
  for row in rows:  # Neither `sum` nor NumPy: they round otherwise than Java.
    sums = [total + value for total, value in zip(sums, row, strict=True)]
  return {
    name: float(measure(np.array([sums]))[0])
    for name, measure in _MEASURES[type_].items()
  }


def _java(value: float) -> str:
  """`Double.toString` of a number from 0 to 1."""
  digits = repr(value)
  if value == 0 or value >= 1e-3:
    return digits
  _, figures, exponent = Decimal(digits).normalize().as_tuple()
  first, *others = map(str, figures)
  rest = ''.join(others) or '0'
  return f'{first}.{rest}E{int(exponent) + len(figures) - 1}'
