"""The JSON files of the official scorers: SQuAD, BioASQ, PubMedQA.

Any system's output, not only ours. A key or an id that stands twice, which
other readers pass over, stops here.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io.strict_json import (
  check_ids,
  read_object,
  require_id,
  require_list,
  require_text,
  some,
)

_QUESTION_TYPES = ('factoid', 'list', 'yesno', 'summary')
_DECISIONS = ('yes', 'no', 'maybe')

# As in metrics/bioasq.py, which data may not import: of a factoid or list
# question its answers, each a list of synonyms; of a yes/no question its text.
Answer = str | list[list[str]] | None


@dataclasses.dataclass
class SquadGold:
  """The questions of a file in SQuAD's form.

  Attributes:
    answers: the answers of each question by its id; none if unanswerable.
    version: `2.0` if the file says so or has unanswerable questions, else
      `1.1`.
  """

  answers: dict[str, list[str]]
  version: str


def read_squad_gold(path: str, version: str | None = None) -> SquadGold:
  """Reads questions and their answers.

  Args:
    path: of a file in the form of SQuAD 1.1 or 2.0.
    version: takes the place of what the file says.

  Returns:
    The questions.

  Raises:
    InputError: with the file and the place or the id of the question: a key
      that is missing, an id that stands twice, a question without answer in
      version 1.1.
  """
  content = read_object(path)
  unanswerable = str(content.get('version')) in ('2.0', 'v2.0')
  answers: dict[str, list[str]] = {}
  for place, row in _squad_rows(path, content):
    id_ = require_id(path, place, row, answers)
    answers[id_] = [
      require_text(path, f'{id_}: answers[{n}]', answer, 'text')
      for n, answer in enumerate(require_list(path, id_, row, 'answers'))
    ]
    unanswerable |= bool(row.get('is_impossible')) or not answers[id_]
    if version == '1.1' and not answers[id_]:
      what = f'{path}: {id_}: has no answer'
      raise InputError(f'{what}; give it one, or score as version 2.0')
  if not answers:
    raise InputError(f'{path}: holds no question; name a file that does')
  return SquadGold(answers, version or ('2.0' if unanswerable else '1.1'))


def _squad_rows(path: str, content: Any) -> Iterator[tuple[str, Any]]:
  """Each question with the place where it stands."""
  for i, article in enumerate(require_list(path, '', content, 'data')):
    where = f'data[{i}]'
    for j, paragraph in enumerate(
      require_list(path, where, article, 'paragraphs')
    ):
      there = f'{where}.paragraphs[{j}]'
      for k, row in enumerate(require_list(path, there, paragraph, 'qas')):
        yield f'{there}.qas[{k}]', row


def read_squad_predictions(path: str, gold: SquadGold) -> dict[str, str]:
  """Reads predictions: an object of texts by the ids of the questions.

  Raises:
    InputError: with file and id: one that gold does not have; one that is
      missing, in version 2.0 (1.1 scores it 0); a value that is not a string.
  """
  content = read_object(path)
  check_ids(path, content, gold.answers)
  missing = gold.answers.keys() - content.keys()
  if missing and gold.version == '2.0':
    what = f'{path}: has no prediction for {some(missing)}'
    raise InputError(f'{what}; write "" for a question without answer')
  return {id_: require_text(path, '', content, id_) for id_ in content}


def read_null_odds(path: str, gold: SquadGold) -> dict[str, float]:
  """Reads null odds: an object of numbers by the ids of the questions.

  Raises:
    InputError: with file and id: one that gold does not have, one that is
      missing, a value that is not a number.
  """
  content = read_object(path)
  check_ids(path, content, gold.answers)
  if missing := gold.answers.keys() - content.keys():
    what = f'{path}: has no number for {some(missing)}'
    raise InputError(f'{what}; give the null odds of every question')
  for id_, value in content.items():
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
      raise InputError(f'{path}: {id_}: {value!r} is not a number; write one')
  return content


def read_pubmedqa_gold(path: str) -> dict[str, str]:
  """Reads labels by id, as in test_ground_truth.json.

  In the form of ori_pqal.json, where an id has an object, its `final_decision`
  is the label.

  Raises:
    InputError: with file and id: a label other than yes, no and maybe.
  """
  content = read_object(path)
  for id_, value in content.items():
    if isinstance(value, dict):
      content[id_] = require_text(path, id_, value, 'final_decision')
  if not content:
    raise InputError(f'{path}: holds no label; name a file that does')
  return _decisions(path, content)


def read_pubmedqa_predictions(
  path: str, gold: Mapping[str, str]
) -> dict[str, str]:
  """Reads a label for each id of gold.

  Raises:
    InputError: with file and id: one that gold does not have, one that is
      missing, a label other than yes, no and maybe.
  """
  content = read_object(path)
  check_ids(path, content, gold)
  if missing := gold.keys() - content.keys():
    what = f'{path}: has no label for {some(missing)}'
    raise InputError(f'{what}; predict all and only the ids of the gold file')
  return _decisions(path, content)


def read_bioasq_gold(
  path: str, counts: Counter[str]
) -> dict[str, tuple[str, Answer]]:
  """Reads questions of the challenge's form with their exact answers.

  Args:
    path: of the file: `{"questions": [{"id", "type", "exact_answer"}, ...]}`.
    counts: takes `flat_answers`, as `read_bioasq_submission` does, and
      `empty_answers`, which no submission can match.

  Returns:
    (type, exact answer) by id; (`summary`, None) for a summary question.

  Raises:
    InputError: with file and id: a type that is unknown, an answer that is
      missing or not of its type's form.
  """
  questions: dict[str, tuple[str, Answer]] = {}
  for place, row in _questions(path):
    id_ = require_id(path, place, row, questions)
    type_ = require_text(path, id_, row, 'type')
    if type_ not in _QUESTION_TYPES:
      what = f'type {type_!r} is not one of {", ".join(_QUESTION_TYPES)}'
      raise InputError(f'{path}: {id_}: {what}; fix it')
    answer = None
    if type_ != 'summary':
      answer = _answer(path, id_, row, type_, counts)
      if answer is None or (type_ == 'yesno' and not _decided(answer)):
        what = f'exact_answer {row.get("exact_answer")!r} is no {type_} answer'
        raise InputError(f'{path}: {id_}: {what}; the gold file must have one')
      counts['empty_answers'] += not any(answer)
    questions[id_] = type_, answer
  if not questions:
    raise InputError(f'{path}: holds no question; name a file that does')
  return questions


def read_bioasq_submission(
  path: str, gold: Mapping[str, tuple[str, Answer]], counts: Counter[str]
) -> dict[str, Answer]:
  """Reads a submission of the challenge's form.

  Args:
    path: of the file: `{"questions": [{"id", "exact_answer"}, ...]}`.
    gold: what `read_bioasq_gold` returned.
    counts: takes `missing_questions` and `null_answers`, at which the Java
      evaluator stops and which are no answer here; `flat_answers`: lists of
      texts where a list of lists belongs, at which it stops too and of which
      each text is an answer here; `ignored_synonyms`: answers with more than
      one, of which the first counts; `neither_yes_nor_no`, which are wrong.

  Returns:
    The exact answer of each question by id; None where there is none.

  Raises:
    InputError: with file and id: one that gold does not have, an answer that
      is not of its question's form.
  """
  answers: dict[str, Answer] = {}
  for place, row in _questions(path):
    id_ = require_id(path, place, row, answers)
    check_ids(path, (id_,), gold)
    type_ = gold[id_][0]
    if type_ == 'summary':
      answers[id_] = None
      continue
    answer = _answer(path, id_, row, type_, counts)
    answers[id_] = answer
    if isinstance(answer, list):
      counts['ignored_synonyms'] += sum(len(row) > 1 for row in answer)
    elif answer:
      counts['neither_yes_nor_no'] += not _decided(answer)
    counts['null_answers'] += answer is None and 'exact_answer' in row
  counts['missing_questions'] += sum(
    type_ != 'summary' and id_ not in answers
    for id_, (type_, _) in gold.items()
  )
  return answers


def _questions(path: str) -> Iterator[tuple[str, Any]]:
  content = read_object(path, numbers_as_text=True)
  for i, row in enumerate(require_list(path, '', content, 'questions')):
    yield f'questions[{i}]', row


def _decided(answer: Answer) -> bool:
  """Whether the evaluator reads yes or no in a yes/no answer."""
  lowered = str(answer).lower()
  return 'yes' in lowered or 'no' in lowered


def _answer(
  path: str, id_: str, row: dict[str, Any], type_: str, counts: Counter[str]
) -> Answer:
  value = row.get('exact_answer')
  if value is None or value == ([] if type_ == 'yesno' else ''):
    return None
  if type_ == 'yesno' and isinstance(value, str):
    return value
  if type_ != 'yesno' and isinstance(value, list):
    if value and all(isinstance(one, str) for one in value):
      counts['flat_answers'] += 1
      return [[one] for one in value]
    if all(
      isinstance(one, list) and all(isinstance(text, str) for text in one)
      for one in value
    ):
      return value
  form = '"yes" or "no"' if type_ == 'yesno' else '[["answer"], ["another"]]'
  what = f'exact_answer {str(value)[:60]!r} of a {type_} question'
  raise InputError(f'{path}: {id_}: {what}; write {form}')


def _decisions(path: str, labels: dict[str, Any]) -> dict[str, str]:
  for id_, label in labels.items():
    if label not in _DECISIONS:
      what = f'{path}: {id_}: label {str(label)[:40]!r} is not one of'
      raise InputError(f'{what} {", ".join(_DECISIONS)}; write one of these')
  return labels
