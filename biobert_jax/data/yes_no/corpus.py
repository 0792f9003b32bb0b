"""Corpora of questions whose answer is yes, no or maybe.

A folder with `ori_pqal.json` is PubMedQA as published; else the config names
the files of each split. A file is an object: PubMedQA's, of records by id; or
SQuAD's, as BioASQ's yes/no files have it, a passage being a paragraph:
`{"data": [{"paragraphs": [{"context", "qas": [{"id", "question", "answers":
"yes"}]}]}]}`, under the ids `QUESTION_001`, `QUESTION_002`, .... Broken pairs
are left out and counted (pairs_with_unknown_labels, pairs_without_question,
pairs_that_contradict_is_impossible), above a share of the rows an InputError.
Kept and counted: questions_without_passage.
"""

import dataclasses
import json
import pathlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from biobert_jax.data import splits
from biobert_jax.data.broken_rows import BrokenRows
from biobert_jax.data.qa import squad
from biobert_jax.data.qa.span_decoding import question_id
from biobert_jax.data.random_streams import mix
from biobert_jax.data.yes_no import pubmedqa
from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.errors import InputError
from biobert_jax.io.strict_json import read_object, require_id, require_text


@dataclasses.dataclass(frozen=True)
class YesNoRules:
  """The rules that the rows of a corpus must satisfy."""

  labels: tuple[str, ...] = ()  # The permitted answers; (): any answer.
  reasoning: str = 'required'  # One of `pubmedqa.REASONING`.
  fold: int = 0  # Of PubMedQA, from 0.
  # Fraction 0-1 of broken rows, above which a file is refused.
  max_broken: float = 0.01


def read_split(
  directory: pathlib.Path,
  split: str,
  files: Mapping[str, str],
  counts: Counter[str],
  form: YesNoRules,
) -> list[QuestionPair]:
  """Reads one split of a corpus, in the order of its files.

  `train_dev` is train and then devel. `files` are those of train, devel and
  test: a name, or a pattern for several that are pooled; PubMedQA has but one.
  An InputError: no file, an empty one, or one that cannot be read.
  """
  splits.check_split(split)
  if (directory / pubmedqa.FILE).is_file():
    pairs = pubmedqa.read_split(
      directory, split, form.fold, form.reasoning, counts
    )
    path = str(directory / pubmedqa.FILE)
    return _unbroken(pairs, path, form, BrokenRows(path, counts))
  if split == 'train_dev':
    train = read_split(directory, 'train', files, counts, form)
    return train + read_split(directory, 'devel', files, counts, form)
  return read_files(squad.find_files(directory, files[split]), counts, form)


def read_files(
  paths: Sequence[str], counts: Counter[str], form: YesNoRules
) -> list[QuestionPair]:
  """Reads files whose questions belong together, each in either form.

  An InputError names file and place or id: no JSON of these forms, an id that
  stands twice, too many broken rows, none at all.
  """
  known: set[str] = set()
  kept = []
  for path in paths:
    content = read_object(path)
    broken = BrokenRows(path, counts)
    if 'data' in content:
      pairs = list(_squad(path, content, counts, broken, known))
    else:
      pairs = pubmedqa.question_pairs(path, content, form.reasoning, counts)
    kept += _unbroken(pairs, path, form, broken)
  return kept


def _squad(
  path: str,
  content: dict[str, Any],
  counts: Counter[str],
  broken: BrokenRows,
  known: set[str],
) -> Iterator[QuestionPair]:
  for place, row, passage in squad.question_rows(path, content):
    id_ = require_id(path, place, row, known)
    known.add(id_)
    question = require_text(path, id_, row, 'question')
    counts['questions_without_passage'] += not passage.strip()
    label = _answer(row)
    if label == 'yes' and row.get('is_impossible') is True:
      fault = 'the answer is yes, but is_impossible is true; fix one of them'
      broken.add(id_, 'pairs_that_contradict_is_impossible', fault)
      continue
    yield QuestionPair(id_, question_id(id_), question, passage, label, path)


def _answer(row: dict[str, Any]) -> str:
  """The answer of a row; '' where none is given."""
  answers = row.get('answers')
  if isinstance(answers, dict):  # The hub's columns.
    answers = answers.get('text')
  if isinstance(answers, list) and len(answers) == 1:
    (answers,) = answers  # SQuAD's list of one.
    if isinstance(answers, dict):
      answers = answers.get('text')
  if answers is None or answers == []:
    return ''
  return answers if isinstance(answers, str) else json.dumps(answers)


def _unbroken(
  pairs: Sequence[QuestionPair],
  path: str,
  form: YesNoRules,
  broken: BrokenRows,
) -> list[QuestionPair]:
  """The pairs that are not broken; too many broken pairs are an error."""
  kept = []
  for pair in pairs:
    if not pair.question.strip():
      fault = 'the question is empty; write one'
      broken.add(pair.id, 'pairs_without_question', fault)
      continue
    label = pair.label.strip().lower()
    if form.labels and label and label not in form.labels:
      fault = f'answer {pair.label[:40]!r} is not one of '
      fault += f'{", ".join(form.labels)}; fix it, or set '
      fault += '--config.data.labels=A,B,C'
      broken.add(pair.id, 'pairs_with_unknown_labels', fault)
      continue
    kept.append(dataclasses.replace(pair, label=label))
  broken.check(len(kept) + len(broken), form.max_broken)
  if not kept:
    raise InputError(f'{path}: holds no question; name a file that does')
  return kept


def check_labelled(pairs: Sequence[QuestionPair], split: str) -> None:
  """Raises an InputError where a pair to be learnt or scored has no answer."""
  for pair in pairs:
    if not pair.label:
      what = f'{pair.path}: {pair.id}: has no answer, and {split} is scored'
      if split.startswith('train'):
        raise InputError(f'{what}; write one, or take the question out')
      what = f'{what}; write one, or set --config.data.{split}_split='
      raise InputError(f'{what} and predict the file')


def check_agreement(pairs: Sequence[QuestionPair]) -> None:
  """Raises an InputError where passages of a question differ in the answer."""
  labels: dict[str, str] = {}
  for pair in pairs:
    first = labels.setdefault(pair.question_id, pair.label)
    if first != pair.label:
      what = f'{pair.path}: {pair.id}: answer {pair.label!r}, but another '
      what = f'{what}passage of the question has {first!r}; fix one of them'
      raise InputError(what)


def balanced(
  pairs: Sequence[QuestionPair], most: int, seed: int
) -> list[QuestionPair]:
  """A random choice of at most `most` pairs of each answer, in their order."""
  by_label: dict[str, list[int]] = {}
  for i, pair in enumerate(pairs):
    by_label.setdefault(pair.label, []).append(i)
  kept: set[int] = set()
  for places in by_label.values():
    hashes = mix(seed, len(pairs), np.asarray(places))
    drawn = sorted(zip(hashes.tolist(), places, strict=True))
    kept.update(place for _, place in drawn[:most])
  return [pair for i, pair in enumerate(pairs) if i in kept]
