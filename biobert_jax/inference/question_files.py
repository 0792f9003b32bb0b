"""Questions with passages, asked of a model, and the answers as files.

What a file is, is found by looking:

  a line a question   {"question": …, "context": …}, or of several passages
                      {"question": …, "passages": [text, …]}; its "id", or the
                      number of the line
  SQuAD's JSON        a question for each of "qas"; BioASQ's ids with the number
                      of a passage (24 hexadecimals, `_001`) make one question
                      of several passages
  PubMedQA's JSON     a question for each record
"""

import dataclasses
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from biobert_jax.data.qa.passage_aggregation import pool_candidates, question_id
from biobert_jax.data.qa.span_decoding import Answered
from biobert_jax.data.qa.squad import Question, question_rows, unicode_text
from biobert_jax.data.yes_no import pubmedqa
from biobert_jax.errors import InputError
from biobert_jax.io import lines as io_lines
from biobert_jax.io.atomic import atomic_write
from biobert_jax.io.strict_json import parse_object


@dataclasses.dataclass(frozen=True)
class QuestionRequest:
  """A question and where to look for its answer.

  Attributes:
    id: Unique in its file.
    passages: The question about each of its passages.
  """

  id: str
  passages: tuple[Question, ...]


def read(
  source: str, counts: Counter[str], reasoning: str = 'required'
) -> Iterator[QuestionRequest]:
  """The questions of a file.

  Args:
    source: A path, or `-` for standard input.
    counts: Takes `blank_lines` and what `documents.read_lines` notices.
    reasoning: One of `pubmedqa.REASONING`: which text of a record of PubMedQA
      is the passage.

  Yields:
    The questions, in the order of the file.

  Raises:
    InputError: With the file and the line or place: not of these forms, an id
      that stands twice, no question at all.
  """
  lines = io_lines.read_lines(source, counts)
  name = io_lines.source_name(source)
  first = next(((n, line) for n, line in lines if line.strip()), None)
  if first is None:
    raise InputError(f'{name}: holds no question; name a file that does')
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
      what = f'id {str(id_)[:40]!r} is no text; write one in quotes'
      raise InputError.at(name, number, what)
    if id_ in known:
      what = f'the id {id_} stands in line {known[id_]} too; give each its own'
      raise InputError.at(name, number, what)
    known[id_] = number
    text = unicode_text(name, place, row, 'question')
    contexts = row.get('passages')
    if contexts is None:
      contexts = [unicode_text(name, place, row, 'context')]
    if (
      not isinstance(contexts, list)
      or not contexts
      or not all(isinstance(context, str) for context in contexts)
    ):
      what = f'passages {str(contexts)[:40]!r}; write a list of texts'
      raise InputError.at(name, number, what)
    ids = [id_]
    if 'passages' in row:
      ids = [f'{id_}_{n:03d}' for n in range(1, len(contexts) + 1)]
    yield QuestionRequest(
      id_,
      tuple(
        Question(one, text, context, (), name, place)
        for one, context in zip(ids, contexts, strict=True)
      ),
    )


def _squad(name: str, content: dict[str, Any]) -> Iterator[QuestionRequest]:
  found: dict[str, list[Question]] = {}
  known: set[str] = set()
  for place, row, context in question_rows(name, content):
    id_ = unicode_text(name, place, row, 'id')
    if id_ in known:
      raise InputError(
        f'{name}: {place}: the id {id_} stands twice; give each its own'
      )
    known.add(id_)
    text = unicode_text(name, place, row, 'question')
    question = Question(id_, text, context, (), name, place)
    found.setdefault(question_id(id_), []).append(question)
  if not found:
    raise InputError(f'{name}: holds no question; name a file that does')
  for id_, passages in found.items():
    yield QuestionRequest(id_, tuple(passages))


def _records(
  name: str, content: dict[str, Any], reasoning: str, counts: Counter[str]
) -> Iterator[QuestionRequest]:
  for pair in pubmedqa.question_pairs(name, content, reasoning, counts):
    question = Question(pair.id, pair.question, pair.passage, (), name, pair.id)
    yield QuestionRequest(pair.id, (question,))


@dataclasses.dataclass(frozen=True)
class QuestionResult:
  """What was said to a question, passage by passage.

  Attributes:
    asked: The question.
    answered: For each passage.
  """

  asked: QuestionRequest
  answered: tuple[Answered, ...]

  @property
  def has_answer(self) -> bool:
    """Whether any passage holds one, as far as the model tells."""
    return any(one.chosen.text for one in self.answered)


def write_jsonl(
  source: Iterable[QuestionResult], path: str | os.PathLike[str]
) -> None:
  """Writes {"id", "question", "has_answer", "answers"} a line.

  Answers are ranked by the sum of their probabilities over the passages;
  "passage" (from 0), "start" and "end" (code points) are of the most probable
  place.
  """
  with atomic_write(path) as file:
    for one in source:
      nbest = [
        [candidate._asdict() for candidate in answered.candidates]
        for answered in one.answered
      ]
      row = {
        'id': one.asked.id,
        'question': one.asked.passages[0].text,
        'has_answer': one.has_answer,
        'answers': [answer._asdict() for answer in pool_candidates(nbest)],
      }
      file.write(json.dumps(row, ensure_ascii=False) + '\n')


def write_squad(
  source: Iterable[QuestionResult], path: str | os.PathLike[str]
) -> None:
  """Writes predictions.json: an answer for each passage, by its id."""
  _write_object(source, path, lambda one: one.chosen.text)


def write_nbest(
  source: Iterable[QuestionResult], path: str | os.PathLike[str]
) -> None:
  """Writes nbest_predictions.json: candidates of each passage, by its id."""
  _write_object(source, path, lambda one: [c._asdict() for c in one.candidates])


def _write_object(
  source: Iterable[QuestionResult], path: str | os.PathLike[str], value: Any
) -> None:
  with atomic_write(path) as file:
    pairs = (
      (question.id, answered)
      for one in source
      for question, answered in zip(
        one.asked.passages, one.answered, strict=True
      )
    )
    separator = '{\n'
    for id_, answered in pairs:
      text = json.dumps({id_: value(answered)}, ensure_ascii=False)
      file.write(f'{separator} {text[1:-1]}')
      separator = ',\n'
    file.write('\n}\n')
