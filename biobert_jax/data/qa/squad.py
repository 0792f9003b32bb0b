"""Questions about passages, in the form of SQuAD 1.1 and 2.0.

    {"data": [{"paragraphs": [{"context": …, "qas": [{"id": …, "question": …,
      "answers": [{"text": …, "answer_start": …}], "is_impossible": …}]}]}]}

BioBERT's BioASQ files have this form too, without "answers" in those to be
answered. Answers may have the form of the hub's datasets, {"text": [...],
"answer_start": [...]}, and a question may stand with its context in "data".
Integers serve as texts and ids. Offsets count code points. Where an answer does
not stand at its offset, the offset is taken for one of UTF-16
(answers_in_utf16), or else moved to the one place nearby with its text
(answers_moved). What is neither is broken, counted by its kind
(answers_past_the_end, answers_not_in_the_context, answers_not_unique,
answers_without_offset, empty_answers, questions_without_answer, empty_contexts,
empty_questions, repeated_ids); questions that have thus no answer are left out
of training (questions_dropped), never of a test, and above a share of a
training file it is refused.
"""

import dataclasses
import os
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from biobert_jax.data.broken_rows import BrokenRows
from biobert_jax.errors import InputError
from biobert_jax.io.strict_json import (
  read_object,
  require_rows,
  require_text,
  squad_rows,
)

VERSIONS = ('1.1', '2.0')
_NEAR = 100  # Code points that a wrong offset may be away from its answer.


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
  """A gold answer."""

  text: str  # As the file has it, which scores compare with.
  start: int  # Its first code point in the context; -1 where that is uncertain.


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
  """A question about one passage."""

  id: str  # Unique among all that are read together.
  text: str  # The question.
  context: str  # The passage.
  # The gold ones; none where it has none, or none are known.
  answers: tuple[Answer, ...]
  path: str  # The file it was read from.
  place: str  # Where in the file, such as `data[0].paragraphs[2].qas[1]`.

  @property
  def located(self) -> Answer | None:
    """The first answer whose place is certain: the one to train on."""
    return next((a for a in self.answers if a.start >= 0), None)


@dataclasses.dataclass(frozen=True)
class SquadRules:
  """The rules that the questions of a file must satisfy."""

  version: str  # '2.0' if a question may be without an answer in its passage.
  training: bool  # Whether each needs an answer whose place is known.
  # Fraction 0-1 of broken questions, above which a training file is
  # refused.
  max_broken: float


def find_files(folder: str | os.PathLike[str], pattern: str) -> list[str]:
  """Files that a name or pattern fits, in order; an InputError if none."""
  directory = pathlib.Path(folder).expanduser()
  if not directory.is_dir():
    raise InputError(f'{directory}: no such folder; set --config.data.dir=DIR')
  found = sorted(str(path) for path in directory.glob(pattern))
  if not found:
    there = sorted(path.name for path in directory.iterdir())[:8]
    raise InputError(
      f'{directory}: no file is called {pattern}; name one of '
      f'{", ".join(there) or "(it is empty)"}'
    )
  return found


def read_files(
  paths: Sequence[str], counts: Counter[str], form: SquadRules
) -> list[Question]:
  """Reads files whose questions belong together, in their order.

  Args:
    counts: takes what was odd or broken, by the names in this file's first
      lines.
    form: what the questions must be like; in training those are left out that
      need an answer and have none whose place is certain.

  Raises:
    InputError: With the file and the place in it: no such form, an id that
      stands twice among questions to be answered, too many broken questions.
  """
  questions: list[Question] = []
  known: set[str] = set()
  for path in paths:
    questions += _Reader(path, counts, form, known).questions()
  if not questions:
    raise InputError(f'{paths[0]}: holds no question; name a file that does')
  return questions


def question_rows(path: str, content: Any) -> Iterator[tuple[str, Any, str]]:
  """Each question of a file's object: its place, itself, its context."""
  for place, row, paragraph in squad_rows(path, content):
    where = place.partition('.qas[')[0]
    yield place, row, unicode_text(path, where, paragraph, 'context')


def unicode_text(path: str, place: str, row: Any, key: str) -> str:
  """The text under a key; an InputError: none, or a half of a character."""
  text = require_text(path, place, row, key)
  try:
    text.encode()
  except UnicodeEncodeError as error:
    raise InputError(
      f'{path}: {place}: {key!r} has half a character '
      f'(\\u{ord(text[error.start]):x}) at {error.start}; fix it'
    ) from error
  return text


class _Reader:
  """One file: its questions, and what is broken."""

  def __init__(
    self, path: str, counts: Counter[str], form: SquadRules, known: set[str]
  ):
    self._path, self._counts, self._form = path, counts, form
    self._known = known
    self._broken = BrokenRows(path, counts, 'questions')

  def questions(self) -> list[Question]:
    """Those of the file that can be used."""
    rows = question_rows(self._path, read_object(self._path))
    found = [self._question(*row) for row in rows]
    self._broken.check(len(found), self._form.max_broken)
    return [question for question in found if question is not None]

  def _question(self, place: str, row: Any, context: str) -> Question | None:
    path, training = self._path, self._form.training
    id_ = unicode_text(path, place, row, 'id')
    if not id_.strip():
      raise InputError(f'{path}: {place}: the id is empty; give it one')
    place = f'{place} (id {id_})'
    text = unicode_text(path, place, row, 'question')
    faults = []
    if id_ in self._known:
      what = f'the id {id_} stands twice; give each question one of its own'
      if not training:
        raise InputError(f'{path}: {place}: {what}')
      faults.append(('repeated_ids', what))
    self._known.add(id_)
    if not text.strip():
      faults.append(('empty_questions', 'the question is empty; write one'))
    if not context.strip():
      faults.append(('empty_contexts', 'the context is empty; write one'))
    impossible = self._impossible(place, row)
    answers = () if impossible else self._answers(place, row, context, faults)
    question = Question(id_, text, context, answers, path, place)
    fatal = [fault for fault in faults if fault[0] not in _OF_ANSWERS]
    if training and question.located is None:
      if not answers and self._form.version == '1.1':
        what = 'it has no answer; give it one, or set '
        what += '--config.data.squad_version=2.0'
        fatal.append(('questions_without_answer', what))
        faults.append(fatal[-1])
      elif answers:
        fatal = faults
    self._counts.update(kind for kind, _ in faults)
    if not training or not fatal:
      return question
    self._broken.add(place, 'questions_dropped', fatal[0][1])
    return None

  def _impossible(self, place: str, row: Any) -> bool:
    value = row.get('is_impossible', False)
    if not isinstance(value, bool):
      what = f'is_impossible is {str(value)[:40]!r}; write true or false'
      raise InputError(f'{self._path}: {place}: {what}')
    return value

  def _answers(
    self, place: str, row: Any, context: str, faults: list[tuple[str, str]]
  ) -> tuple[Answer, ...]:
    """The gold answers of a question; what is wrong with them to `faults`."""
    if 'answers' not in row and not self._form.training:
      return ()
    answers = []
    found = {'answers': row.get('answers')}
    rows = require_rows(self._path, place, found, 'answers')
    for n, one in enumerate(rows):
      where = f'{place}.answers[{n}]'
      text = unicode_text(self._path, where, one, 'text')
      start, kind = self._place(where, one, text, context)
      if kind in _FIXED:
        self._counts[kind] += 1
      elif kind:
        shown = f'answer {text[:40]!r} at {one.get("answer_start")}'
        faults.append((kind, f'{shown}: {_OF_ANSWERS[kind]}'))
      answers.append(Answer(text, start))
    if self._form.training:
      self._counts['further_answers'] += max(0, len(answers) - 1)
    return tuple(answers)

  def _place(
    self, where: str, one: Any, text: str, context: str
  ) -> tuple[int, str]:
    start = one.get('answer_start')
    if start is None:
      return -1, 'answers_without_offset' if self._form.training else ''
    if not isinstance(start, int) or isinstance(start, bool):
      raise InputError(
        f'{self._path}: {where}: answer_start is {str(start)[:40]!r}; write '
        'the number of code points before the answer'
      )
    return locate(context, text, start)


# Kinds of wrong offsets that are put right.
_FIXED = ('answers_in_utf16', 'answers_moved')
# Kinds of those that are not -> the remedy.
_OF_ANSWERS = {
  'answers_past_the_end': 'that is past the end of the context and its text '
  'stands nowhere near; fix the offset',
  'answers_not_in_the_context': 'its text stands nowhere in the context; fix '
  'either',
  'answers_not_unique': 'its text stands elsewhere, in several places or far '
  'away; fix the offset',
  'answers_without_offset': 'write answer_start',
  'empty_answers': 'its text is empty; write one',
}


def locate(context: str, text: str, start: int) -> tuple[int, str]:
  """Where an answer begins (code point), and '' or the kind of what was fixed.

  It is said to begin at `start`; -1 comes with the kind of what is broken.
  """
  if not text.strip():
    return -1, 'empty_answers'
  if start >= 0 and context.startswith(text, start):
    return start, ''
  other = _from_utf16(context, start)
  if other >= 0 and context.startswith(text, other):
    return other, 'answers_in_utf16'
  first = max(0, start - _NEAR)
  last = max(0, start + _NEAR + len(text))
  found = context.find(text, first, last)
  if found >= 0 and context.find(text, found + 1, last) < 0:
    return found, 'answers_moved'
  if found < 0 and not 0 <= start <= len(context) - len(text):
    return -1, 'answers_past_the_end'
  if text not in context:
    return -1, 'answers_not_in_the_context'
  return -1, 'answers_not_unique'


def _from_utf16(text: str, offset: int) -> int:
  """The code point at an offset in UTF-16 units; -1 if none begins there."""
  if offset < 0 or text.isascii():
    return -1
  units = text.encode('utf-16-le', 'surrogatepass')[: 2 * offset]
  try:
    return len(units.decode('utf-16-le'))
  except UnicodeDecodeError:
    return -1
