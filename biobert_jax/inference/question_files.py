"""Files of questions with passages, whose format is detected from the content.

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
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from biobert_jax.data.qa.span_decoding import question_id
from biobert_jax.data.qa.squad import Question, question_rows, unicode_text
from biobert_jax.data.yes_no import pubmedqa
from biobert_jax.errors import InputError
from biobert_jax.io import lines as io_lines
from biobert_jax.io.strict_json import parse_object


@dataclasses.dataclass(frozen=True)
class QuestionRequest:
  """A question and the passages that may answer it."""

  id: str  # Unique in its file.
  passages: tuple[Question, ...]  # The question about each of them.

  @property
  def question(self) -> str:
    """Its text."""
    return self.passages[0].text


# A passage, or several.
Context = str | Sequence[str]
Pair = tuple[str, Context]
Questions = list[Pair] | list[tuple[str, str]] | list[QuestionRequest]
QuestionStream = Iterator[tuple[str, str]] | Iterator[QuestionRequest]


def request_of(number: int, given: Any) -> QuestionRequest:
  """A request of a pair (question, context), named by its number.

  The context is a passage or a list of passages; a request stays as it is. A
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
  id_: str, question: str, context: Context, path: str = '', place: str = ''
) -> QuestionRequest:
  """A request; the passages of a list get numbered ids."""
  contexts = [context] if isinstance(context, str) else context
  names = [f'{id_}_{n:03d}' for n in range(1, len(contexts) + 1)]
  passages = zip(names if contexts is context else [id_], contexts, strict=True)
  return QuestionRequest(
    id_, tuple(Question(n, question, c, (), path, place) for n, c in passages)
  )


def read_all(
  files: Sequence[str],
  counts: Counter[str] | None,
  reasoning: str = 'required',
) -> Iterator[QuestionRequest]:
  """Reads several files as `read` does; no two may have a question's id."""
  counts = Counter() if counts is None else counts
  known: dict[str, str] = {}
  for file in files:
    for request in read(file, counts, reasoning):
      other = known.setdefault(request.id, file)
      if other != file:
        what = f'{file}: question {request.id} stands in {other} too'
        raise InputError(f'{what}; give each its own id, or predict them apart')
      yield request


def read(
  source: str, counts: Counter[str], reasoning: str = 'required'
) -> Iterator[QuestionRequest]:
  """Reads the questions of a file ('-': standard input).

  Args:
    counts: receives `blank_lines` and what `read_lines` counts.
    reasoning: of `pubmedqa.REASONING`: a PubMedQA record's text to read.

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
  if not pubmedqa.are_records(content):
    yield from _squad(name, content)
    return
  for pair in pubmedqa.question_pairs(name, content, reasoning, counts):
    question = Question(pair.id, pair.question, pair.passage, (), name, pair.id)
    yield QuestionRequest(pair.id, (question,))


def _is_whole(text: str) -> bool:
  """Whether a line is JSON by itself."""
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
    id_ = str(number)
    if 'id' in row:
      id_ = unicode_text(name, place, row, 'id')
    if not id_.strip():
      what = 'the id is empty; write one'
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
      what = f'{name}: {place}: the id {id_} is repeated; give each its own'
      raise InputError(what)
    known.add(id_)
    text = unicode_text(name, place, row, 'question')
    question = Question(id_, text, context, (), name, place)
    found.setdefault(question_id(id_), []).append(question)
  if not found:
    raise InputError(f'{name}: has no question; name a file with questions')
  for id_, passages in found.items():
    yield QuestionRequest(id_, tuple(passages))
