"""Entity scores that conlleval.pl does not give: stricter and more lenient.

- strict: entities that are well formed by a scheme, as seqeval reads them with
  `mode='strict'`: in IOB2 an `I` without its `B` is none.
- relaxed: an entity is right if it shares a token with one of its type on the
  other side; precision counts such predicted ones, recall such gold ones.
- left and right boundary: the same type and the same first, or last, token, as
  in the shared task of JNLPBA.
- macro: the mean over types, of F1 too, as seqeval's macro average.

All but the strict ones are of the entities that conlleval.pl finds.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from biobert_jax.metrics import ner

# Scheme -> what starts an entity, goes on with it and ends it: the head of the
# tag before, the head of the tag, and whether their types are equal (=), differ
# (!) or may be either (*); a dot is any head. These are seqeval's patterns.
SCHEMES = {
  'IOB2': ('.B*', 'BI= II=', 'IO* II! IB* BO* BI! BB*'),
  'IOB1': ('OI* II! BI* IB= BB=', 'BI= II=', 'II! IO* IB* BO* BI! BB='),
  'IOE2': ('OI* OE* EI* EE* II! IE!', 'IE= II=', 'E.*'),
  'IOE1': ('OI* II! EI* EE=', 'II= IE=', 'II! IO* IE! EI= EE='),
  'IOBES': ('.B* .S*', 'BI= BE= II= IE=', 'S.* E.*'),
  'BILOU': ('.B* .U*', 'BI= BL= II= IL=', 'U.* L.*'),
}
# Heads of tags beside O -> their scheme; the first that fits is taken.
_DETECTED = {'I': 'IOB1', 'BI': 'IOB2', 'IE': 'IOE2'}
_DETECTED |= {'BIES': 'IOBES', 'BILU': 'BILOU'}
AUTO = 'auto'  # The scheme is that of the gold tags.
_OUTSIDE = ('O', '')

Tag = tuple[str, str]  # Head and type.


class Overlap(NamedTuple):
  """Numbers of entities; those that overlap are counted on either side."""

  gold: int
  predicted: int
  gold_matched: int  # They share a token with a predicted one of their type.
  predicted_matched: int  # They share a token with a gold one of their type.

  @property
  def precision(self) -> float:
    return ner.percent(self.predicted_matched, self.predicted)

  @property
  def recall(self) -> float:
    return ner.percent(self.gold_matched, self.gold)

  @property
  def f1(self) -> float:
    return ner.harmonic_mean(self.precision, self.recall)


class Macro(NamedTuple):
  """Means over types, percent (0-100)."""

  precision: float
  recall: float
  f1: float


class Matches(NamedTuple):
  """Result of `evaluate`."""

  macro: Macro
  scheme: str  # Of the strict scores; '' where gold tags are of none.
  strict: ner.EntityScore | None  # None where a tag is not of the scheme.
  relaxed: Overlap
  left: ner.EntityScore
  right: ner.EntityScore


def scheme_of(tags: ner.Tags) -> str:
  """The scheme that gold tags are written in; '' where they are of none.

  Tags without an entity are taken for IOB2, and `I` alone for IOB1.
  """
  heads = {_split(tag)[0] for sentence in tags for tag in sentence} - {'O'}
  if not heads:
    return 'IOB2'
  return next((s for known, s in _DETECTED.items() if heads <= {*known}), '')


def strict_spans(
  tags: Sequence[str], scheme: str
) -> list[tuple[int, int, str]]:
  """(start, end, type) of the entities that are well formed by a scheme."""
  tokens = [*map(_split, tags), _OUTSIDE]
  found = []
  index, before = 0, _OUTSIDE
  while index < len(tags):
    end = index + 1
    if _fits(scheme, 0, before, tokens[index]):
      while _fits(scheme, 1, tokens[end - 1], tokens[end]):
        end += 1
      if _fits(scheme, 2, tokens[end - 1], tokens[end]):
        found.append((index, end, tokens[index][1]))
    index, before = end, tokens[end - 1]
  return found


def evaluate(
  gold: ner.Tags,
  predicted: ner.Tags,
  report: ner.EntityReport,
  scheme: str = AUTO,
) -> Matches:
  """Scores tags of which `ner.evaluate` made the report.

  The scheme is one of `SCHEMES`, or `AUTO`.
  """
  scheme = scheme_of(gold) if scheme == AUTO else scheme
  known = {'O', *''.join(SCHEMES.get(scheme, ()))}  # And marks, no heads.
  strict = [0, 0, 0]
  left = right = gold_matched = predicted_matched = 0
  of_scheme = bool(scheme)
  for one, other in zip(gold, predicted, strict=True):
    if not any(tag != 'O' for tag in (*one, *other)):
      continue
    of_scheme &= all(_split(tag)[0] in known for tag in (*one, *other))
    if of_scheme:
      sides = [{*strict_spans(tags, scheme)} for tags in (one, other)]
      for i, part in enumerate((*sides, sides[0] & sides[1])):
        strict[i] += len(part)
    golds, predictions = ner.spans(one), ner.spans(other)
    left += _shared(golds, predictions, 0)
    right += _shared(golds, predictions, 1)
    gold_matched += _overlapping(golds, predictions)
    predicted_matched += _overlapping(predictions, golds)
  sizes = report.overall[:2]
  return Matches(
    macro=_macro(list(report.per_type.values())),
    scheme=scheme,
    strict=ner.EntityScore(*strict) if of_scheme else None,
    relaxed=Overlap(*sizes, gold_matched, predicted_matched),
    left=ner.EntityScore(*sizes, left),
    right=ner.EntityScore(*sizes, right),
  )


def as_dict(matches: Matches) -> dict[str, Any]:
  """The scores for JSON, percent with two decimals."""
  found: dict[str, Any] = {'macro': ner.percentages(matches.macro)}
  for name in ('strict', 'relaxed', 'left', 'right'):
    score = getattr(matches, name)
    found[name] = score and {**ner.percentages(score), **score._asdict()}
  if found['strict']:
    found['strict']['scheme'] = matches.scheme
  return found


@lru_cache(maxsize=65536)
def _split(tag: str) -> Tag:
  head, _, type_ = tag.partition('-')
  return head, type_


@lru_cache(maxsize=65536)
def _fits(scheme: str, kind: int, before: Tag, tag: Tag) -> bool:
  """Whether a pair of tags fits one of a scheme's patterns of a kind."""
  (last, last_type), (head, type_) = before, tag
  conditions = ('*', '=' if last_type == type_ else '!')
  return any(
    pattern[0] in ('.', last) and pattern[1] in ('.', head)
    for pattern in SCHEMES[scheme][kind].split()
    if pattern[2] in conditions
  )


def _shared(
  golds: Sequence[tuple[int, int, str]],
  predictions: Sequence[tuple[int, int, str]],
  side: int,
) -> int:
  """Entities with the same type and the same start (0) or end (1)."""
  known = {(span[side], span[2]) for span in golds}
  return sum((span[side], span[2]) in known for span in predictions)


def _overlapping(
  some: Sequence[tuple[int, int, str]], others: Sequence[tuple[int, int, str]]
) -> int:
  """Those of `some` that share a token with one of `others` of their type."""
  covered = {
    (i, type_) for start, end, type_ in others for i in range(start, end)
  }
  return sum(
    any((i, type_) in covered for i in range(start, end))
    for start, end, type_ in some
  )


def _macro(scores: Sequence[ner.EntityScore]) -> Macro:
  means = []
  for name in Macro._fields:
    values = [getattr(score, name) for score in scores]
    means.append(sum(values) / len(values) if values else 0.0)
  return Macro(*means)
