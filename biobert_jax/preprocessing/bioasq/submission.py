"""Predictions for passages to the exact answers that BioASQ's server takes.

Of a factoid or list question there are, for each of its passages, the n best
answers with probabilities, `{"QID_001": [{"text", "probability"}, …]}`; of a
yes/no question an answer, `{"QID": "yes"}`, or a logit for each passage,
`{"QID_001": ["yes", [0.7]]}`. Answers that differ only by case are one, in
the spelling of the most probable, and its probabilities are summed.

As BioBERT at BioASQ 7b does it (bioasq-biobert biocodes/transform_n2b_*.py),
except for this. There the spelling is any of the passages'; a question without
an answer is an error; logits are rounded to three decimals. Of list questions:
the sum of probabilities must be above the threshold, not that sum divided by
how often the first passage had the answer; a closing bracket, `%`, `+` or `*`
at the end is not trailing punctuation (`Ca2+`); parts of a joint answer are
known in any case; too long ones are left out; the most probable comes first.
"""

import dataclasses
import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from biobert_jax.data.qa.span_decoding import PooledAnswer, pool_candidates
from biobert_jax.errors import InputError
from biobert_jax.io.strict_json import read_object, require_text, some
from biobert_jax.preprocessing.bioasq.questions import RawQuestion

MOST_ANSWERS = 5  # To a factoid question, by the rules.
MOST_CHARACTERS = 100  # Of an answer, by the rules.
THRESHOLD = 0.42  # transform_n2b_list.py:19.
_ID = re.compile('([0-9a-f]{24})(?:_[0-9]{3})?')
_TRAILING = set(string.punctuation) - set(')]}%+*')
_NUMBERS = ('one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight')
_NUMBERED_WORDS = 5  # The first words, where a number may stand.


@dataclasses.dataclass
class Predictions:
  """The predictions for a question."""

  # (text, probability) of every passage.
  guesses: list[tuple[str, float]] = dataclasses.field(default_factory=list)
  # Of a yes/no question: given outright, or of every passage.
  answers: list[str] = dataclasses.field(default_factory=list)
  logits: list[float] = dataclasses.field(default_factory=list)


def read_predictions(
  paths: Sequence[str],
  questions: Mapping[str, RawQuestion],
  counts: Counter[str],
) -> dict[str, Predictions]:
  """Reads predictions of any of the forms above; questions are by id.

  `counts` takes `predictions_for_other_questions`, which are passed over; an
  InputError: a file has no others.
  """
  found: dict[str, Predictions] = {}
  seen: dict[str, str] = {}
  for path in paths:
    content, others = read_object(path), []
    for id_, value in content.items():
      match = _ID.fullmatch(id_)
      if match is None:
        what = f'{path}: the id {id_[:40]!r} is not of the form QID_001'
        raise InputError(f'{what}; name predictions for files of BioASQ')
      if id_ in seen:
        what = f'{path}: {id_}: predicted in {seen[id_]} too'
        raise InputError(f'{what}; give one of the two files')
      seen[id_] = path
      question = questions.get(match[1])
      if question is None:
        others.append(id_)
        continue
      predicted = found.setdefault(match[1], Predictions())
      _add(predicted, path, id_, value, question)
    if others and len(others) == len(content):
      what = f'{path}: {some(others)}: no such question among those given'
      raise InputError(f'{what}; name the file of questions that they are of')
    counts['predictions_for_other_questions'] += len(others)
  return found


def _add(
  to: Predictions, path: str, id_: str, value: Any, question: RawQuestion
) -> None:
  """Takes in what a file says of one id."""
  where, shown = f'{path}: {id_}', f'{str(value)[:40]!r}'
  if question.type == 'yesno':
    match value:
      case str() if value.lower() in ('yes', 'no'):
        to.answers.append(value.lower())
      case str():
        what = f'{where}: {shown} is neither yes nor no'
        raise InputError(f'{what}; BioASQ takes no other')
      case [_, [logit]]:
        to.logits.append(_number(where, logit))
      case _:
        what = f'{where}: {shown} answers no yes/no question'
        raise InputError(f'{what}; want "yes" or ["yes", [LOGIT]]')
    return
  if not isinstance(value, list):
    raise InputError(
      f'{where}: {shown} is not a list of answers, and the question is of type '
      f'{question.type}; give nbest_predictions.json'
    )
  for n, one in enumerate(value):
    text = require_text(path, f'{id_}[{n}]', one, 'text')
    share = _number(f'{where}[{n}]', one.get('probability'))
    to.guesses.append((text, share))


def _number(where: str, value: Any) -> float:
  good = isinstance(value, int | float) and not isinstance(value, bool)
  if not good or not math.isfinite(value):
    what = f'{where}: {str(value)[:40]!r} is not a number'
    raise InputError(f'{what}; give probabilities and logits')
  return float(value)


def yes_or_no(predicted: Predictions) -> str | None:
  """Yes where the mean of the logits is above 0; None without any."""
  if predicted.answers or not predicted.logits:
    return next(iter(predicted.answers), None)
  mean = sum(predicted.logits) / len(predicted.logits)
  return 'yes' if mean > 0 else 'no'


def factoid(predicted: Predictions, counts: Counter[str]) -> list[list[str]]:
  """The five most probable answers, as the server takes them."""
  stripped = [(_stripped(text), share) for text, share in predicted.guesses]
  return [[guess.text] for guess in _merged(stripped, counts)[:MOST_ANSWERS]]


def listed(
  predicted: Predictions, body: str, threshold: float, counts: Counter[str]
) -> list[list[str]]:
  """All answers to a list question.

  A number in the first words of its `body` bounds them. The sum of an answer's
  probabilities must be above the threshold; where none is, the most probable
  answer is given.
  """
  whole = []
  for text, share in predicted.guesses:
    text = ' '.join(text.split())
    if text and text[-1] in _TRAILING:
      counts['guesses_with_trailing_punctuation'] += 1
    else:
      whole.append((text, share))
  guesses = _merged(whole, counts)
  kept = [guess for guess in guesses if guess.probability > threshold]
  texts = [guess.text for guess in (kept or guesses[:1])[: number_in(body)]]
  apart = _apart(texts)
  counts['joint_answers_left_out'] += len(texts) - len(apart)
  return [[text] for text in apart]


def number_in(body: str) -> int | None:
  """A number up to eight in a question's first words: `List three genes …`.

  That of `phase 3` is none (transform_n2b_list.py:42).
  """
  words = [w.strip(string.punctuation).lower() for w in body.split()]
  for i, word in enumerate(words[:_NUMBERED_WORDS]):
    if i and words[i - 1] == 'phase':
      continue
    if word in _NUMBERS:
      return _NUMBERS.index(word) + 1
    if word in '12345678' and len(word) == 1:
      return int(word)
  return None


def _apart(texts: Sequence[str]) -> list[str]:
  """Three or more answers without the `A and B` whose A and B are among them.

  Also `A, B` and `A/B` (transform_n2b_list.py:83, resolve_a_and_b).
  """
  if len(texts) < 3:
    return list(texts)
  known = {text.lower() for text in texts}

  def joint(text: str) -> bool:
    between = next((b for b in (' and ', ', ', '/') if b in text), None)
    if between is None:
      return False
    parts = [part.strip().lower() for part in text.split(between, 1)]
    return all(part in known for part in parts)

  return [text for text in texts if not joint(text)]


def _stripped(text: str) -> str:
  """Without one comma or stop at the end, or brackets around it all."""
  text = ' '.join(text.split())
  if text[-1:] in (',', '.'):
    return text[:-1]
  within = len(text) > 2 and text[0] == '(' and text[-1] == ')'
  if within and text.count('(') == text.count(')') == 1:
    return text[1:-1]
  return text


def _merged(
  guesses: Sequence[tuple[str, float]], counts: Counter[str]
) -> list[PooledAnswer]:
  """Answers of all passages with summed probabilities, best first."""
  kept = []
  for text, share in guesses:
    if not text or text == 'empty':  # run_squad.py's word for no answer.
      counts['empty_guesses'] += 1
    elif len(text) > MOST_CHARACTERS:
      counts['guesses_over_100_characters'] += 1
    elif ('(' in text) != (')' in text):
      counts['guesses_with_half_a_bracket'] += 1
    else:
      kept.append({'text': text, 'probability': share})
  return pool_candidates([kept])


def submission(
  questions: Mapping[str, RawQuestion],
  predictions: Mapping[str, Predictions],
  threshold: float,
  counts: Counter[str],
) -> dict[str, Any]:
  """The file that the server takes, of all questions of a test set, by id.

  The threshold is of list questions, see `listed`; `counts` takes what is left
  out. Ideal answers are empty; a question without an answer has "" or [].
  """
  rows = []
  for id_, question in questions.items():
    type_, body = question.type, question.body
    row: dict[str, Any] = {'id': id_, 'type': type_, 'body': body}
    counts[f'{type_}_questions'] += 1
    predicted = predictions.get(id_, Predictions())
    if type_ == 'yesno':
      row['exact_answer'] = yes_or_no(predicted) or ''
    elif type_ == 'list':
      row['exact_answer'] = listed(predicted, body, threshold, counts)
    elif type_ == 'factoid':
      row['exact_answer'] = factoid(predicted, counts)
    missing = not row.get('exact_answer', True)
    counts[f'{type_}_questions_without_answer'] += missing
    rows.append(row | {'ideal_answer': ''})
  return {'questions': rows}
