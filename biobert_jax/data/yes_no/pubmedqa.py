"""PubMedQA (Jin et al. 2019): 1,000 questions with abstracts and decisions.

`ori_pqal.json` is one object of records by PMID. Which of them are test, and
which a fold of the others, its repository's `split_dataset.py` says: it is
done here again, draw by draw, and checked against `test_ground_truth.json`.
"""

import math
import pathlib
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.errors import InputError
from biobert_jax.io.strict_json import read_object, require_list, require_text

FILE = 'ori_pqal.json'
FOLDS = 10
# The passage of a question: the abstract without its conclusion, or that
# conclusion.
REASONING = ('required', 'free')
_TEST_IDS = 'test_ground_truth.json'
# In the order of split_dataset.py, which draws for one after another.
_DECISIONS = ('yes', 'no', 'maybe')


def are_records(content: Mapping[str, Any]) -> bool:
  """Whether an object is one of records by id."""
  return bool(content) and all(
    isinstance(record, dict) and 'QUESTION' in record
    for record in content.values()
  )


def read_split(
  folder: pathlib.Path,
  split: str,
  fold: int,
  reasoning: str,
  counts: Counter[str],
) -> list[QuestionPair]:
  """Reads a published split, in the order of the script's files.

  Args:
    split: 'test', the 500 whose ids are published; 'devel', a tenth of the
      others; 'train', nine tenths; 'train_dev', all ten.
    fold: which tenth is devel, from 0.
    reasoning: one of `REASONING`.

  Raises:
    InputError: a bad record, or a file that is not the published one.
  """
  path = str(folder / FILE)
  records = read_object(path)
  decisions = {}
  for id_, record in records.items():
    label = decisions[id_] = require_text(path, id_, record, 'final_decision')
    if label not in _DECISIONS:
      what = f'{path}: {id_}: final_decision {label[:40]!r} is not one of'
      what += f' {", ".join(_DECISIONS)}; give the published file'
      raise InputError(what)
  test, folds = split_ids(decisions)
  published = folder / _TEST_IDS
  if published.is_file() and set(read_object(str(published))) != set(test):
    what = f'{path}: its split has other test ids than {published.name}'
    raise InputError(f'{what}: give both as published, in their order')
  if not all(folds):
    what = f'{path}: {len(records)} records are too few for {FOLDS} folds'
    raise InputError(f'{what}; give the whole file')
  others = [id_ for i, ids in enumerate(folds) if i != fold for id_ in ids]
  chosen = {
    'test': test,
    'devel': folds[fold],
    'train': others,
    'train_dev': others + folds[fold],
  }[split]
  wanted = {id_: records[id_] for id_ in chosen}
  return question_pairs(path, wanted, reasoning, counts)


def question_pairs(
  path: str,
  records: Mapping[str, Any],
  reasoning: str,
  counts: Counter[str],
) -> list[QuestionPair]:
  """Records by id as questions beside passages.

  The paragraphs of a passage are joined by blanks as in the authors' own code.
  `counts` takes `questions_without_passage`. An InputError: a missing key.
  """
  pairs = []
  for id_, record in records.items():
    question = require_text(path, id_, record, 'QUESTION')
    if reasoning == 'required':
      texts = require_list(path, id_, record, 'CONTEXTS')
    else:
      texts = [require_text(path, id_, record, 'LONG_ANSWER')]
    if not all(isinstance(text, str) for text in texts):
      what = f'{path}: {id_}: a paragraph of CONTEXTS is not a string'
      raise InputError(f'{what}; write strings there')
    passage = ' '.join(texts)
    counts['questions_without_passage'] += not passage.strip()
    label = ''
    if 'final_decision' in record:
      label = require_text(path, id_, record, 'final_decision')
    pairs.append(QuestionPair(id_, id_, question, passage, label, path))
  return pairs


def split_ids(
  decisions: Mapping[str, str],
) -> tuple[list[str], list[list[str]]]:
  """(ids of the test set, of each fold), from labels by id in their order."""
  draws = random.Random(0)  # As there; `shuffle` and `choice` draw alike.
  training, test = _parts(decisions, 2, draws)
  return test, _parts({i: decisions[i] for i in training}, FOLDS, draws)


def _parts(
  decisions: Mapping[str, str], count: int, draws: random.Random
) -> list[list[str]]:
  """Cuts ids into parts of like proportions of labels, label by label."""
  parts: list[list[str]] = [[] for _ in range(count)]
  for label in _DECISIONS:
    ids = [id_ for id_, found in decisions.items() if found == label]
    draws.shuffle(ids)
    size = math.ceil(len(ids) / count)
    for i, part in enumerate(parts):
      part += ids[i * size :] if i == count - 1 else ids[i * size :][:size]
  if len(parts[-1]) != len(parts[0]):  # 51, …, 51, 41: one of each to the last.
    for part in filter(None, parts[:-1]):
      picked = draws.choice(part)
      part.remove(picked)
      parts[-1].append(picked)
  return parts
