"""The JSON files of the official scorers: SQuAD, BioASQ, PubMedQA.

A key or an id that stands twice, which other readers pass over, stops here.
Predictions for ids that the gold file lacks are passed over, as SQuAD's scripts
do, and counted (ids_not_in_gold); a file that has no other ids is refused.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from biobert_jax.errors import InputError
from biobert_jax.io.strict_json import (
  read_object,
  require_id,
  require_list,
  require_rows,
  require_text,
  some,
  squad_rows,
)
from biobert_jax.metrics import bioasq

_DECISIONS = ('yes', 'no', 'maybe')


class SquadGold(NamedTuple):
  """The questions of a file in SQuAD's form."""

  answers: dict[str, list[str]]  # By question id; none if unanswerable.
  version: str  # 2.0 if the file says so or has unanswerable ones, else 1.1.


def read_squad_gold(path: str, version: str | None = None) -> SquadGold:
  """Reads a file of SQuAD; `version` takes the place of what the file says."""
  content = read_object(path)
  unanswerable = str(content.get('version')) in ('2.0', 'v2.0')
  answers: dict[str, list[str]] = {}
  for place, row, _ in squad_rows(path, content):
    id_ = require_id(path, place, row, answers)
    answers[id_] = [
      require_text(path, f'{id_}: answers[{n}]', answer, 'text')
      for n, answer in enumerate(require_rows(path, id_, row, 'answers'))
    ]
    unanswerable |= bool(row.get('is_impossible')) or not answers[id_]
    if version == '1.1' and not answers[id_]:
      what = f'{path}: {id_}: has no answer'
      raise InputError(f'{what}; give it one, or score as version 2.0')
  if not answers:
    raise InputError(f'{path}: holds no question; name a file that does')
  return SquadGold(answers, version or ('2.0' if unanswerable else '1.1'))


def read_squad_predictions(
  path: str, gold: SquadGold, counts: Counter[str]
) -> dict[str, str]:
  """Reads texts by question id; in version 1.1 one may be missing."""
  remedy = 'write "" for a question without answer'
  complete = remedy if gold.version == '2.0' else ''
  content = _read_by_id(path, gold.answers, 'prediction', complete, counts)
  return {id_: require_text(path, '', content, id_) for id_ in content}


def read_null_odds(
  path: str, gold: SquadGold, counts: Counter[str]
) -> dict[str, float]:
  """Reads an object of finite numbers by the ids of all questions of gold."""
  remedy = 'give the null odds of every question'
  content = _read_by_id(path, gold.answers, 'number', remedy, counts)
  for id_, value in content.items():
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
      raise InputError(f'{path}: {id_}: {value!r} is not a number; write one')
  return content


def _read_by_id(
  path: str,
  gold: Mapping[str, object],
  noun: str,
  remedy: str,
  counts: Counter[str],
) -> dict[str, Any]:
  """What an object has by ids of gold; with a remedy, none may be missing."""
  content = _of_gold(path, read_object(path), gold, counts)
  missing = gold.keys() - content.keys()
  if missing and remedy:
    raise InputError(f'{path}: has no {noun} for {some(missing)}; {remedy}')
  return content


def _of_gold(
  path: str,
  content: Mapping[str, Any],
  gold: Mapping[str, object],
  counts: Counter[str],
) -> dict[str, Any]:
  """The entries by ids of gold; an InputError if all others are of others."""
  found = {id_: value for id_, value in content.items() if id_ in gold}
  if content and not found:
    what = f'{path}: {some(content)}: none is in the gold file'
    raise InputError(f'{what}; name the gold file that they are of')
  counts['ids_not_in_gold'] += len(content) - len(found)
  return found


def read_pubmedqa_gold(path: str) -> dict[str, str]:
  """Reads labels by id, as in test_ground_truth.json.

  In the form of ori_pqal.json, where an id has an object, its `final_decision`
  is the label.
  """
  content = read_object(path)
  for id_, value in content.items():
    if isinstance(value, dict):
      content[id_] = require_text(path, id_, value, 'final_decision')
  if not content:
    raise InputError(f'{path}: holds no label; name a file that does')
  return _decisions(path, content)


def read_pubmedqa_predictions(
  path: str, gold: Mapping[str, str], counts: Counter[str]
) -> dict[str, str]:
  """Reads a label, yes, no or maybe, for each id of gold."""
  remedy = 'predict all ids of the gold file'
  return _decisions(path, _read_by_id(path, gold, 'label', remedy, counts))


def read_bioasq_gold(
  path: str, counts: Counter[str]
) -> dict[str, bioasq.Question]:
  """Reads `{"questions": [{"id", "type", "exact_answer"}, ...]}`.

  `counts` takes `flat_answers`, as `read_bioasq_submission` does, and
  `empty_answers`, which no submission can match.
  """
  questions: dict[str, bioasq.Question] = {}
  for id_, row in _questions(path):
    type_ = require_text(path, id_, row, 'type')
    if type_ not in bioasq.TYPES:
      what = f'type {type_!r} is not one of {", ".join(bioasq.TYPES)}'
      raise InputError(f'{path}: {id_}: {what}; fix it')
    answer = None
    if type_ != 'summary':
      answer = _answer(path, id_, row, type_, counts)
      if answer is None or (type_ == 'yesno' and not _decided(answer)):
        what = f'exact_answer {row.get("exact_answer")!r} is no {type_} answer'
        raise InputError(f'{path}: {id_}: {what}; the gold file must have one')
      counts['empty_answers'] += not any(answer)
    questions[id_] = bioasq.Question(type_, answer)
  if not questions:
    raise InputError(f'{path}: holds no question; name a file that does')
  return questions


def read_bioasq_submission(
  path: str, gold: Mapping[str, bioasq.Question], counts: Counter[str]
) -> dict[str, bioasq.Answer]:
  """Reads `{"questions": [{"id", "exact_answer"}, ...]}`: answers by id.

  `counts` takes `missing_questions` and `null_answers`, at which the Java
  evaluator stops and which are no answer here; `flat_answers`: lists of texts
  where a list of lists belongs, at which it stops too and of which each text is
  an answer here; `ignored_synonyms`: answers with more than one, of which the
  first counts; `neither_yes_nor_no`, which are wrong.
  """
  answers: dict[str, bioasq.Answer] = {}
  rows = _of_gold(path, dict(_questions(path)), gold, counts)
  for id_, row in rows.items():
    type_, _ = gold[id_]
    answers[id_] = None
    if type_ == 'summary':
      continue
    answers[id_] = answer = _answer(path, id_, row, type_, counts)
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
  known: set[str] = set()
  for i, row in enumerate(require_list(path, '', content, 'questions')):
    id_ = require_id(path, f'questions[{i}]', row, known)
    known.add(id_)
    yield id_, row


def _decided(answer: bioasq.Answer) -> bool:
  return bioasq.yes_or_no(str(answer)) != 'none'


def _answer(
  path: str, id_: str, row: dict[str, Any], type_: str, counts: Counter[str]
) -> bioasq.Answer:
  value = row.get('exact_answer')
  if value is None or value == ([] if type_ == 'yesno' else ''):
    return None
  if type_ == 'yesno' and isinstance(value, str):
    return value
  if type_ != 'yesno' and isinstance(value, str):
    value = [value]
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
