"""Entity precision, recall and F1, equal to `conlleval.pl` digit for digit.

The rules are those of the CoNLL-2000 script (version 2004-01-26, shipped as
`biocodes/conlleval.pl` by dmis-lab/biobert): a tag is split at its first `-`
into a head and a type. An `I` after an `O` or at the start of a sentence starts
an entity, and so does a change of type. Two consequences that surprise:

- `E`, `S`, `L` and `U` heads are half known: `B-x E-x B-x E-x` is one entity to
  the script, and an untyped `S` is none. Convert such tags to B/I/O first.
- The type `0` counts as no type, since it is false in Perl.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from biobert_jax.metrics import bootstrap as bootstrap_

Tags = Sequence[Sequence[str]]  # Of each token of each sentence.
_OUTSIDE = 'O'  # Also what the script sees at a sentence break.
_NAME_OF_UNTYPED = 'entity'  # In `as_dict`: a JSON key must say something.


def percent(part: int, whole: int) -> float:
  """A part of a whole, 0-100; 0 of nothing."""
  return 100 * part / whole if whole else 0.0


def harmonic_mean(one: float, other: float) -> float:
  """In the script's own order of operations: the last bit is its too."""
  if one + other == 0:
    return 0.0
  return 2 * one * other / (one + other)


class EntityScore(NamedTuple):
  """Numbers of entities, and the percentages (0-100) that follow from them."""

  gold: int
  predicted: int
  correct: int  # In both, with the same boundaries and type.

  @property
  def precision(self) -> float:
    return percent(self.correct, self.predicted)

  @property
  def recall(self) -> float:
    return percent(self.correct, self.gold)

  @property
  def f1(self) -> float:
    return harmonic_mean(self.precision, self.recall)


@dataclass(frozen=True)
class Span:
  """One entity, in tokens of the sentence of that index."""

  sentence: int
  start: int
  end: int  # Exclusive.
  type: str  # '' where tags carry none.


@dataclass
class EntityReport:
  """Result of `evaluate`; the mistakes stand in reading order."""

  overall: EntityScore
  per_type: dict[str, EntityScore]  # Of types in gold or predicted tags.
  accuracy: float  # Tokens whose tags agree, percent (0-100).
  interval: bootstrap_.Interval | None  # 95 %, of the overall F1, percent.
  false_positives: list[Span]
  false_negatives: list[Span]
  tokens: int


# What (head of the tag before, head of this tag) ends or starts by itself.
_ENDING = frozenset(('BB', 'BO', 'IB', 'IO', 'EE', 'EI', 'EO'))
_STARTING = frozenset(('BB', 'IB', 'OB', 'OI', 'OE', 'EE', 'EI'))


@lru_cache(maxsize=65536)
def _split(tag: str) -> tuple[str, str]:
  """`B-Disease` -> ('B', 'Disease'); `B` -> ('B', '')."""
  head, _, type_ = tag.partition('-')
  return head, '' if type_ == '0' else type_


# A corpus has a handful of tags: the rules run once for each pair of them.
@lru_cache(maxsize=65536)
def _transition(previous: str, tag: str) -> tuple[bool, bool, str]:
  """The script's endOfChunk before a tag, its startOfChunk, the tag's type."""
  last, last_type = _split(previous)
  head, type_ = _split(tag)
  # Heads longer than a letter are in no pair; an empty one could fake one.
  pair = last + head if len(last) == len(head) == 1 else ''
  other_type = last_type != type_
  ends = (
    pair in _ENDING
    or (last not in ('O', '.') and other_type)
    or last in ('[', ']')  # In that scheme these chunks have one token.
  )
  starts = (
    pair in _STARTING
    or (head not in ('O', '.') and other_type)
    or head in ('[', ']')
  )
  return ends, starts, type_


def spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
  """(start, end, type) of each entity of a sentence, in reading order.

  These are token indices, end exclusive; type '' where tags carry none. There
  are as many as conlleval counts, and none holds a token tagged `O`.
  """
  found = []
  start, type_of_open = -1, ''
  previous = _OUTSIDE
  for index, tag in enumerate(tags):
    ends, starts, type_ = _transition(previous, tag)
    # `O` does not end what the script does not know (an untyped `B S O`).
    if start >= 0 and (ends or starts or _split(tag)[0] == _OUTSIDE):
      found.append((start, index, type_of_open))
      start = -1
    if starts:
      start, type_of_open = index, type_
    previous = tag
  if start >= 0:
    found.append((start, len(tags), type_of_open))
  return found


def evaluate(
  gold: Tags,
  predicted: Tags,
  *,
  bootstrap: int = 0,
  seed: int = 0,
) -> EntityReport:
  """Scores the tags of each sentence as `conlleval.pl` does.

  The counts are the script's, kept by its own walk over the file. On bracket
  tags, `.` tags and untyped `S`-like tags it can leave a chunk open and count
  one correct entity fewer than the lists tell; else the lists agree with it.

  Raises:
    ValueError: if the numbers of sentences or of tags in one of them differ.
  """
  if len(gold) != len(predicted):
    what = f'{len(gold)} gold sentences but {len(predicted)} predicted ones'
    raise ValueError(f'{what}; give one sequence of tags for each sentence')
  for index, (one, other) in enumerate(zip(gold, predicted, strict=True)):
    if len(one) != len(other):
      what = f'sentence {index} has {len(one)} gold tags but {len(other)}'
      raise ValueError(f'{what} predicted ones; give one tag for each token')
  per_type, counts = _count(gold, predicted)
  lengths = np.array([len(sentence) for sentence in gold], np.int64)
  tokens = int(lengths.sum())
  agreeing = sum(
    g == p or _split(g) == _split(p)
    for one, other in zip(gold, predicted, strict=True)
    for g, p in zip(one, other, strict=True)
  )
  false_positives, false_negatives = _mistakes(gold, predicted)
  return EntityReport(
    overall=EntityScore(*map(int, counts.sum(axis=0))),
    per_type=per_type,
    accuracy=100 * agreeing / tokens if tokens else 0.0,
    interval=bootstrap_.f1_interval(counts[lengths > 0], bootstrap, seed),
    false_positives=false_positives,
    false_negatives=false_negatives,
    tokens=tokens,
  )


def as_dict(report: EntityReport) -> dict[str, Any]:
  """The report for JSON with two decimals; `entity` stands for no type."""
  untyped = '' if _NAME_OF_UNTYPED in report.per_type else _NAME_OF_UNTYPED
  return {
    **percentages(report.overall),
    'per_type': {
      type_ or untyped: {**percentages(score), **score._asdict()}
      for type_, score in report.per_type.items()
    },
    **report.overall._asdict(),
    'accuracy': round(report.accuracy, 2),
    'f1_interval_95': report.interval
    and [round(x, 2) for x in report.interval],
  }


def conlleval_text(report: EntityReport) -> str:
  """The text of `conlleval.pl`, byte for byte (in UTF-8)."""
  overall = report.overall
  text = (
    f'processed {report.tokens} tokens with {overall.gold} phrases; '
    f'found: {overall.predicted} phrases; correct: {overall.correct}.\n'
  )
  if report.tokens:
    text += f'accuracy: {report.accuracy:6.2f}%; {_figures(overall)}\n'
  for type_, score in report.per_type.items():
    # Perl pads by bytes. The script prints the empty type twice if both sides
    # have it: its test for a repeated name takes '' for "no name yet".
    padding = ' ' * (17 - len(type_.encode()))
    line = f'{padding}{type_}: {_figures(score)}  {score.predicted}\n'
    twice = not type_ and score.gold and score.predicted
    text += line * 2 if twice else line
  return text


def _figures(score: EntityScore) -> str:
  return (
    f'precision: {score.precision:6.2f}%; '
    f'recall: {score.recall:6.2f}%; FB1: {score.f1:6.2f}'
  )


def percentages(score: Any) -> dict[str, float]:
  """Precision, recall and F1 with two decimals."""
  names = ('precision', 'recall', 'f1')
  return {name: round(getattr(score, name), 2) for name in names}


def _count(
  gold: Tags, predicted: Tags
) -> tuple[dict[str, EntityScore], np.ndarray]:
  """The script's walk: scores by type, and [sentences, 3] of entities."""
  golds: Counter[str] = Counter()
  predictions: Counter[str] = Counter()
  corrects: Counter[str] = Counter()
  rows = []
  last_g = last_p = _OUTSIDE
  inside = False  # In a chunk that both sides share so far.
  remaining = len(gold)
  for one, other in zip(gold, predicted, strict=True):
    before = golds.total(), predictions.total(), corrects.total()
    pairs = list(zip(one, other, strict=True))
    remaining -= 1
    if remaining:  # A sentence break lies between sentences, not at the end.
      pairs.append((_OUTSIDE, _OUTSIDE))
    for g, p in pairs:
      if g == p == last_g == last_p == _OUTSIDE:
        continue  # Nothing ends or starts; most tokens are such.
      g_ends, g_starts, g_type = _transition(last_g, g)
      p_ends, p_starts, p_type = _transition(last_p, p)
      if inside and g_ends and p_ends:
        inside = False
        corrects[_split(last_g)[1]] += 1
      elif inside and (g_ends != p_ends or g_type != p_type):
        inside = False
      if g_starts and p_starts and g_type == p_type:
        inside = True
      if g_starts:
        golds[g_type] += 1
      if p_starts:
        predictions[p_type] += 1
      last_g, last_p = g, p
    if not remaining and inside:
      corrects[_split(last_g)[1]] += 1
    after = golds.total(), predictions.total(), corrects.total()
    rows.append([b - a for a, b in zip(before, after, strict=True)])
  per_type = {
    type_: EntityScore(golds[type_], predictions[type_], corrects[type_])
    for type_ in sorted(golds.keys() | predictions.keys())
  }
  return per_type, np.array(rows, np.int64).reshape(-1, 3)


def _mistakes(gold: Tags, predicted: Tags) -> tuple[list[Span], list[Span]]:
  false_positives: list[Span] = []
  false_negatives: list[Span] = []
  for index, (one, other) in enumerate(zip(gold, predicted, strict=True)):
    golds, predictions = spans(one), spans(other)
    if golds == predictions:
      continue
    known, found = set(golds), set(predictions)
    false_positives += [Span(index, *s) for s in predictions if s not in known]
    false_negatives += [Span(index, *s) for s in golds if s not in found]
  return false_positives, false_negatives
