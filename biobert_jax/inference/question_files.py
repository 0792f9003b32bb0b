"""Files of questions with passages, and of the answers.

The format of questions is detected from the content:

  JSONL            one question per line: {"question": …, "context": …}, or with
                   several passages {"question": …, "passages": [text, …]}; its
                   id is "id", or the number of the line
  SQuAD's JSON     one question for each of "qas"; BioASQ's ids with the number
                   of a passage (24 hexadecimals, `_001`) make one question with
                   several passages
  PubMedQA's JSON  one question per record
"""

import dataclasses
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from biobert_jax.data.qa.passage_aggregation import (
  PooledAnswer,
  pool_candidates,
  question_id,
)
from biobert_jax.data.qa.span_decoding import Answered
from biobert_jax.data.qa.squad import Question, question_rows, unicode_text
from biobert_jax.data.yes_no import pubmedqa
from biobert_jax.errors import InputError
from biobert_jax.io import lines as io_lines
from biobert_jax.io.atomic import atomic_write
from biobert_jax.io.strict_json import parse_object


@dataclasses.dataclass(frozen=True)
class QuestionRequest:
  """A question and the passages that may answer it.

  Attributes:
    id: unique in its file.
    passages: the question about each of its passages.
  """

  id: str
  passages: tuple[Question, ...]


# A question and its passage, or its passages.
Pair = tuple[str, str | Sequence[str]]
Questions = list[Pair] | list[tuple[str, str]] | list[QuestionRequest]
QuestionStream = Iterator[tuple[str, str]] | Iterator[QuestionRequest]


def request_of(number: int, given: Any) -> QuestionRequest:
  """A request of a pair (question, context), named by its number.

  Args:
    number: the place of the pair among others.
    given: the pair, whose context is a passage or a list of passages; a
      request stays as it is.

  Raises:
    TypeError: neither of them.
  """
  if isinstance(given, QuestionRequest):
    return given
  is_pair = isinstance(given, tuple) and len(given) == 2
  question, context = given if is_pair else (None, '')
  fits = isinstance(context, str) or _are_texts(context)
  if not isinstance(question, str) or not fits:
    raise TypeError(
      f'question {number} is {given!r:.60}; give question="…", context="…", or '
      'a list or an iterator of pairs (question, context)'
    )
  return _request(str(number), question, context)


def _are_texts(value: Any) -> bool:
  """Whether a value is a list of one or more strings."""
  is_list = isinstance(value, list | tuple) and len(value) > 0
  return is_list and all(isinstance(one, str) for one in value)


def _request(
  id_: str,
  question: str,
  context: str | Sequence[str],
  path: str = '',
  place: str = '',
) -> QuestionRequest:
  """A request; the passages of a list get numbered ids."""
  contexts = [context] if isinstance(context, str) else context
  ids = [id_]
  if contexts is context:
    ids = [f'{id_}_{n:03d}' for n in range(1, len(contexts) + 1)]
  return QuestionRequest(
    id_,
    tuple(
      Question(one, question, context, (), path, place)
      for one, context in zip(ids, contexts, strict=True)
    ),
  )


def read(
  source: str, counts: Counter[str], reasoning: str = 'required'
) -> Iterator[QuestionRequest]:
  """Reads the questions of a file.

  Args:
    source: a path, or `-` for standard input.
    counts: receives `blank_lines` and the exceptions that `read_lines` counts.
    reasoning: one of `pubmedqa.REASONING`: which text of a PubMedQA record is
      the passage.

  Yields:
    The questions, in the order of the file.

  Raises:
    InputError: with the file and the line or place: an unknown format, a
      repeated id, no question at all.
  """
  lines = io_lines.read_lines(source, counts)
  name = io_lines.source_name(source)
  first = next(((n, line) for n, line in lines if line.strip()), None)
  if first is None:
    raise InputError(f'{name}: has no question; name a file with questions')
  number, text = first
  if _is_whole(text):
    content = parse_object(name, text, first_line=number)
    if 'data' not in content and not pubmedqa.are_records(content):
      yield from _lines(name, itertools.chain([first], lines), counts)
      return
  # All of it is one object.
  rest = '\n'.join(line for _, line in lines)
  content = parse_object(name, f'{text}\n{rest}', first_line=number)
  if pubmedqa.are_records(content):
    yield from _records(name, content, reasoning, counts)
  else:
    yield from _squad(name, content)


def _is_whole(text: str) -> bool:
  """Whether a line is an object by itself."""
  try:
    json.loads(text)
  except ValueError:
    return False
  return True


def _lines(
  name: str, lines: Iterable[tuple[int, str]], counts: Counter[str]
) -> Iterator[QuestionRequest]:
  known: dict[str, int] = {}
  for number, line in lines:
    if not line.strip():
      counts['blank_lines'] += 1
      continue
    row = parse_object(name, line, first_line=number)
    place = f'line {number}'
    id_ = row.get('id', str(number))
    if not isinstance(id_, str) or not id_.strip():
      what = f'id {str(id_)[:40]!r} is not a string; write one in quotes'
      raise InputError.at(name, number, what)
    if id_ in known:
      what = f'line {known[id_]} has the id {id_} too; give each its own'
      raise InputError.at(name, number, what)
    known[id_] = number
    text = unicode_text(name, place, row, 'question')
    contexts = row.get('passages')
    if contexts is None:
      contexts = unicode_text(name, place, row, 'context')
    elif not _are_texts(contexts):
      what = f'passages {str(contexts)[:40]!r}; write a list of strings'
      raise InputError.at(name, number, what)
    yield _request(id_, text, contexts, name, place)


def _squad(name: str, content: dict[str, Any]) -> Iterator[QuestionRequest]:
  found: dict[str, list[Question]] = {}
  known: set[str] = set()
  for place, row, context in question_rows(name, content):
    id_ = unicode_text(name, place, row, 'id')
    if id_ in known:
      raise InputError(
        f'{name}: {place}: the id {id_} is repeated; give each its own'
      )
    known.add(id_)
    text = unicode_text(name, place, row, 'question')
    question = Question(id_, text, context, (), name, place)
    found.setdefault(question_id(id_), []).append(question)
  if not found:
    raise InputError(f'{name}: has no question; name a file with questions')
  for id_, passages in found.items():
    yield QuestionRequest(id_, tuple(passages))


def _records(
  name: str, content: dict[str, Any], reasoning: str, counts: Counter[str]
) -> Iterator[QuestionRequest]:
  for pair in pubmedqa.question_pairs(name, content, reasoning, counts):
    question = Question(pair.id, pair.question, pair.passage, (), name, pair.id)
    yield QuestionRequest(pair.id, (question,))


@dataclasses.dataclass(frozen=True, repr=False)
class QuestionResult:
  """The answers of a question, passage by passage.

  Attributes:
    request: the question.
    by_passage: the answers in each of its passages.
  """

  request: QuestionRequest
  by_passage: tuple[Answered, ...]

  @property
  def has_answer(self) -> bool:
    """Whether the model finds an answer in any passage."""
    return any(one.chosen.text for one in self.by_passage)

  @property
  def answers(self) -> list[PooledAnswer]:
    """The answers, ranked by the sum of their probabilities over passages.

    `passage` (from 0), `start` and `end` (code points) say where an answer is
    most probable.
    """
    return pool_candidates(
      [
        [candidate._asdict() for candidate in one.candidates]
        for one in self.by_passage
      ]
    )

  @property
  def answer(self) -> str:
    """The text of the best answer; '' where there is none."""
    return self.answers[0].text if self.has_answer else ''

  def __repr__(self) -> str:
    """As QuestionResult('What causes gout?', 'p53', 0.93)."""
    question, best = self.request.passages[0].text, 'no answer'
    if self.has_answer:
      first = self.answers[0]
      best = f'{first.text!r}, {first.probability:.2f}'
    return f'QuestionResult({question!r}, {best})'


@dataclasses.dataclass(frozen=True, repr=False)
class YesNoResult:
  """The answer of a yes/no question.

  Attributes:
    request: the question.
    answer: one of the labels.
    probabilities: label -> its probability, 0-1.
    passages: the number of passages that were read.
  """

  request: QuestionRequest
  answer: str
  probabilities: Mapping[str, float]
  passages: int

  def __repr__(self) -> str:
    """As YesNoResult('Does p53 cause gout?', 'yes', 0.93)."""
    question = self.request.passages[0].text
    share = self.probabilities[self.answer]
    return f'YesNoResult({question!r}, {self.answer!r}, {share:.2f})'


def _write_lines(
  rows: Iterable[Mapping[str, Any]], path: str | os.PathLike[str]
) -> None:
  with atomic_write(path) as file:
    for row in rows:
      file.write(json.dumps(row, ensure_ascii=False) + '\n')


def write_jsonl(
  results: Iterable[QuestionResult], path: str | os.PathLike[str]
) -> None:
  """Writes {"id", "question", "has_answer", "answers"} per line."""
  rows = (
    {
      'id': one.request.id,
      'question': one.request.passages[0].text,
      'has_answer': one.has_answer,
      'answers': [answer._asdict() for answer in one.answers],
    }
    for one in results
  )
  _write_lines(rows, path)


def write_squad(
  results: Iterable[QuestionResult], path: str | os.PathLike[str]
) -> None:
  """Writes predictions.json: one answer for each passage, by its id."""
  _write_by_passage(results, path, lambda one: one.chosen.text)


def write_nbest(
  results: Iterable[QuestionResult], path: str | os.PathLike[str]
) -> None:
  """Writes nbest_predictions.json: candidates of each passage, by its id."""
  _write_by_passage(
    results, path, lambda one: [c._asdict() for c in one.candidates]
  )


def _write_by_passage(
  results: Iterable[QuestionResult],
  path: str | os.PathLike[str],
  value: Callable[[Answered], Any],
) -> None:
  with atomic_write(path) as file:
    pairs = (
      pair
      for one in results
      for pair in zip(one.request.passages, one.by_passage, strict=True)
    )
    separator = '{\n'
    for question, answered in pairs:
      row = json.dumps({question.id: value(answered)}, ensure_ascii=False)
      file.write(f'{separator} {row[1:-1]}')
      separator = ',\n'
    file.write('\n}\n')


def write_yes_no_jsonl(
  results: Iterable[YesNoResult], path: str | os.PathLike[str]
) -> None:
  """Writes {"id", "question", "answer", "probabilities"} per line."""
  rows = (
    {
      'id': one.request.id,
      'question': one.request.passages[0].text,
      'answer': one.answer,
      'probabilities': {
        label: round(share, 4) for label, share in one.probabilities.items()
      },
      'passages': one.passages,
    }
    for one in results
  )
  _write_lines(rows, path)


def write_pubmedqa(
  results: Iterable[YesNoResult], path: str | os.PathLike[str]
) -> None:
  """Writes the answers by id, as PubMedQA's evaluation.py reads them."""
  with atomic_write(path) as file:
    answers = {one.request.id: one.answer for one in results}
    file.write(json.dumps(answers, indent=1, ensure_ascii=False) + '\n')
