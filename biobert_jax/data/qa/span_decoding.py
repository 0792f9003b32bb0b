"""Logits of windows to answers of each question, over one or more passages.

As run_squad.py:741 chooses them, except for two things. The `n_best` starts and
ends of a window are taken among the tokens that may be one, so that a passage
with tokens has an answer, never its "empty". And an answer is a range of the
original characters, where the reference guesses it from the tokens' text.
Passages are put together as by BioBERT's transform_nbset2bioasqform.py: the
probabilities of candidates of equal text except for case are summed up.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from biobert_jax.data.qa.features import QuestionWindows
from biobert_jax.data.qa.squad import Question
from biobert_jax.io.json_files import json_text

# BioASQ's id of a question and the number of a passage.
_NUMBERED = re.compile('([0-9a-f]{24})_([0-9]{3})')

# A candidate as nbest_predictions.json has it.
JsonCandidate = Mapping[str, Any]


class PooledAnswer(NamedTuple):
  """An answer of a question."""

  text: str  # As it stands at its most probable place.
  probability: float  # The sum over all places, at most the number of passages.
  passage: int  # Index of the passage of the most probable place.
  start: int  # Its first code point.
  end: int  # The one after its last.


def pool_candidates(
  passages: Sequence[Sequence[JsonCandidate]], max_characters: float = math.inf
) -> list[PooledAnswer]:
  """Answers by falling probability.

  Args:
    passages: the candidates of each, with `text`, `probability`, `start` and
      `end`; the last two may be missing (-1), as in files of other systems.
    max_characters: longer ones are left out; 100 in the reference.
  """
  found = [
    (one, passage)
    for passage, candidates in enumerate(passages)
    for one in candidates
    if one['text'] and len(one['text']) <= max_characters
  ]
  found.sort(key=lambda pair: -pair[0]['probability'])
  pooled: dict[str, PooledAnswer] = {}
  for one, passage in found:
    text, probability = one['text'], one['probability']
    key = text.lower()
    if key in pooled:
      total = pooled[key].probability + probability
      pooled[key] = pooled[key]._replace(probability=total)
    else:
      place = one.get('start', -1), one.get('end', -1)
      pooled[key] = PooledAnswer(text, probability, passage, *place)
  return sorted(pooled.values(), key=lambda one: -one.probability)


def question_id(id_: str) -> str:
  """The question that an id belongs to: `24hex_001` is a passage of `24hex`."""
  match = _NUMBERED.fullmatch(id_)
  return match[1] if match else id_


def passage_id(question: str, passage: int) -> str:
  """The id of a question beside passage 1 to 999; else a ValueError."""
  if not 0 < passage < 1000:
    raise ValueError(f'{question}: no id for passage {passage}')
  return f'{question}_{passage:03d}'


_CHUNK = 512  # Windows whose pairs of starts and ends are compared together.


@dataclasses.dataclass(frozen=True)
class Rules:
  """How answers are chosen."""

  # Starts and ends of a window, and answers of a question, at most.
  n_best: int
  max_answer_length: int  # Tokens.
  unanswerable: bool  # Whether there may be none (version 2.0).
  null_threshold: float  # Null odds above it mean that there is none.


class Candidate(NamedTuple):
  """An answer; `text == context[start:end]`, '' says that there is none."""

  text: str  # As it stands in the passage.
  start: int  # The first code point.
  end: int  # The one after the last.
  probability: float  # Softmax over the candidates of its question, 0-1.
  start_logit: float  # Of its first token.
  end_logit: float  # Of its last.


@dataclasses.dataclass(frozen=True)
class Answered:
  """The prediction for a question."""

  chosen: Candidate  # The answer.
  # The best ones, the best first; at least one.
  candidates: tuple[Candidate, ...]
  null_odds: float  # How much the logits of no answer exceed the best one's.


class _Pairs(NamedTuple):
  """Possible answers, the best of each question first."""

  question: np.ndarray
  start: np.ndarray
  end: np.ndarray
  start_logit: np.ndarray
  end_logit: np.ndarray


def decode(
  questions: Sequence[Question],
  windows: QuestionWindows,
  start_logits: np.ndarray,
  end_logits: np.ndarray,
  rules: Rules,
) -> list[Answered]:
  """Chooses the answer of each question.

  Args:
    start_logits: [tokens] that an answer starts there, by the numbers in
      `windows.windows.words`.
    end_logits: [tokens] that it ends there.
  """
  nulls = _nulls(len(questions), windows, start_logits, end_logits)
  found: list[Answered] = []
  for chunk in _chunks(windows.question):
    pairs = _pairs(windows, chunk, start_logits, end_logits, rules)
    first, last = windows.question[[chunk.start, chunk.stop - 1]].tolist()
    borders = np.searchsorted(pairs.question, np.arange(first, last + 2))
    spans = itertools.pairwise(borders.tolist())
    for number, (begin, end) in enumerate(spans, first):
      rows = zip(*(a[begin:end].tolist() for a in pairs[1:]), strict=True)
      context = questions[number].context
      found.append(_answered(context, rows, nulls[number], rules))
  return found


def _chunks(question: np.ndarray) -> Iterator[slice]:
  """Ranges of windows that part no question."""
  begin = 0
  while begin < len(question):
    last = question[min(begin + _CHUNK, len(question)) - 1]
    end = int(np.searchsorted(question, last, 'right'))
    yield slice(begin, end)
    begin = end


def _nulls(
  count: int,
  windows: QuestionWindows,
  start_logits: np.ndarray,
  end_logits: np.ndarray,
) -> list[tuple[float, float]]:
  """Both logits of no answer, of the window of each that says it least."""
  at_cls = windows.windows.offsets[:-1]
  starts = start_logits[at_cls].astype(np.float64)
  ends = end_logits[at_cls].astype(np.float64)
  order = np.lexsort((starts + ends, windows.question))
  least = order[np.searchsorted(windows.question, np.arange(count))]
  return list(zip(starts[least].tolist(), ends[least].tolist(), strict=True))


def _pairs(
  windows: QuestionWindows,
  chunk: slice,
  start_logits: np.ndarray,
  end_logits: np.ndarray,
  rules: Rules,
) -> _Pairs:
  """All pairs of a start and an end that may be an answer."""
  first, last = windows.first[chunk, None], windows.last[chunk, None]
  offsets = windows.windows.offsets[:-1][chunk, None]
  longest = max(1, int((last - first).max()))
  pieces = first + np.arange(longest)  # [W, longest]
  places = offsets + windows.prefix[chunk, None] + np.arange(longest)
  within = pieces < last
  places = np.where(within, places, 0)
  owned = pieces >= windows.own_first[chunk, None]
  owned &= pieces < windows.own_last[chunk, None]
  starts, start_scores = _best(start_logits[places], owned, rules.n_best)
  ends, end_scores = _best(end_logits[places], within, rules.n_best)
  scores = start_scores[:, :, None] + end_scores[:, None, :]
  lengths = ends[:, None, :] - starts[:, :, None] + 1
  fits = (lengths > 0) & (lengths <= rules.max_answer_length)
  # Row by row, as the reference meets them: so ties fall alike.
  window, i, j = np.nonzero(fits & np.isfinite(scores))
  question = windows.question[chunk][window]
  order = np.lexsort((-scores[window, i, j], question))
  window, i, j, question = (a[order] for a in (window, i, j, question))
  passage = windows.piece_offsets[windows.passage[chunk][window]]
  passage = passage + windows.first[chunk][window]
  return _Pairs(
    question,
    windows.char_starts[passage + starts[window, i]],
    windows.char_ends[passage + ends[window, j]],
    start_scores[window, i],
    end_scores[window, j],
  )


def _best(
  logits: np.ndarray, allowed: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
  """The highest allowed ones of each row: places, and float64 logits."""
  kept = np.where(allowed, logits.astype(np.float64), -np.inf)
  places = np.argsort(-kept, axis=1, kind='stable')[:, :count]
  return places, np.take_along_axis(kept, places, axis=1)


def _answered(
  context: str,
  rows: Iterator[tuple[Any, ...]],
  null: tuple[float, float],
  rules: Rules,
) -> Answered:
  """The prediction for a question, from its spans, the best first."""
  nothing = Candidate('', 0, 0, 0.0, *null)
  by_text: dict[str, Candidate] = {}
  for start, end, *logits in rows:
    if rules.unanswerable and sum(logits) < sum(null):
      by_text.setdefault('', nothing)
    if len(by_text) >= rules.n_best:
      break
    text = context[start:end]
    by_text.setdefault(text, Candidate(text, start, end, 0.0, *logits))
  if rules.unanswerable or not by_text:
    by_text.setdefault('', nothing)
  kept = _with_probabilities(list(by_text.values()))
  best = next((one for one in kept if one.text), None)
  if best is None:
    return Answered(kept[0], tuple(kept), 0.0)
  odds = sum(null) - (best.start_logit + best.end_logit)
  if rules.unanswerable and odds > rules.null_threshold:
    best = next(one for one in kept if not one.text)
  return Answered(best, tuple(kept), odds)


def _with_probabilities(candidates: list[Candidate]) -> list[Candidate]:
  scores = np.asarray([one.start_logit + one.end_logit for one in candidates])
  shares = np.exp(scores - scores.max())
  shares /= shares.sum()
  return [
    one._replace(probability=share)
    for one, share in zip(candidates, shares.tolist(), strict=True)
  ]


def prediction_files(
  questions: Sequence[Question],
  answered: Sequence[Answered],
  unanswerable: bool,
) -> dict[str, str]:
  """The files that run_squad.py writes, as JSON.

  Returns:
    Name without its ending -> text: `predictions`, an answer by id;
    `nbest_predictions`, a list of candidates by id, with the code points
    `start` and `end` besides; where null odds mean something (version 2.0,
    `unanswerable`), `null_odds`, a number by id.
  """
  pairs = [*zip(questions, answered, strict=True)]
  files: dict[str, Mapping[str, Any]] = {
    'predictions': {q.id: a.chosen.text for q, a in pairs},
    'nbest_predictions': {
      q.id: [one._asdict() for one in a.candidates] for q, a in pairs
    },
  }
  if unanswerable:
    files['null_odds'] = {q.id: a.null_odds for q, a in pairs}
  return {name: json_text(value) for name, value in files.items()}
