"""Raw BioASQ questions -> training or test files in SQuAD's form.

A folder for each type of question (factoid, list, yesno) receives train.json
and dev.json or, of a test set, test.json; counts_SPLIT.json tells what was read
and left out. A row is a question beside one passage (see `passages.py`), under
the id `QUESTION_001`, `QUESTION_002`, …, 999 at most (rows_over_999 left out).

Of an answer all synonyms are located: where one stands as it is written, else
in any case; runs of white space are alike. It must be whole words: `IL-2` is
found in `IL-2-dependent`, not in `IL-21`. Offsets count code points.

For training, a passage without an answer is left out
(passages_without_answer), and so a question without any that has one
(questions_unanswerable); each answer to a list question that stands in a
passage makes a row of its own, for a span is one answer. For a test, all rows
are kept, with what can be located. Also counted: questions_of_other_types,
questions_without_exact_answer (left out of training), questions_without_passage
(left out, but of yes/no questions with an empty one), answers_in_another_case,
answers_inside_words (not taken).
"""

import functools
import itertools
import json
import pathlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from biobert_jax import errors
from biobert_jax.data.qa.passage_aggregation import passage_id
from biobert_jax.data.random_streams import mix
from biobert_jax.io.atomic import atomic_write
from biobert_jax.preprocessing.bioasq import passages as bioasq_passages
from biobert_jax.preprocessing.bioasq import questions as bioasq_questions
from biobert_jax.preprocessing.bioasq.questions import RawQuestion

Located = tuple[int, int]
FILES = {'train': 'train.json', 'devel': 'dev.json', 'test': 'test.json'}
_MOST_ROWS = 999  # Of a question: its ids have three digits.


def locate(
  passage: str, synonyms: Sequence[str], counts: Counter[str]
) -> list[Located]:
  """(start, end) of each occurrence of an answer, in any of its spellings.

  The first is first, and of those that begin together the longest. `counts`
  takes `answers_in_another_case` and `answers_inside_words`.
  """
  found: set[Located] = set()
  for text in synonyms:
    pattern = r'\s+'.join(map(re.escape, text.split()))
    exact = _whole(passage, re.finditer(pattern, passage))
    if not exact:
      anyhow = list(re.finditer(pattern, passage, re.IGNORECASE))
      exact = _whole(passage, anyhow)
      counts['answers_in_another_case'] += bool(exact)
      counts['answers_inside_words'] += bool(anyhow) and not exact
    found.update(exact)
  return sorted(found, key=lambda span: (span[0], -span[1]))


def _whole(passage: str, matches: Any) -> list[Located]:
  """The matches that are whole words."""

  def inside(place: int) -> bool:
    pair = passage[max(0, place - 1) : place + 1]
    return 0 < place < len(passage) and all(c.isalnum() for c in pair)

  spans = [match.span() for match in matches]
  return [s for s in spans if not inside(s[0]) and not inside(s[1])]


def squad_rows(
  question: RawQuestion,
  passages: Sequence[str],
  training: bool,
  counts: Counter[str],
) -> list[tuple[str, dict[str, Any]]]:
  """(passage, row as under "qas") of one question.

  Args:
    question: of type factoid, list or yesno.
    passages: its texts.
    training: whether rows without an answer are left out.
    counts: takes what is left out, by the names in this file's first lines.
  """
  if training and not question.answers:
    counts['questions_without_exact_answer'] += 1
    return []
  if not passages:
    counts['questions_without_passage'] += 1
    passages = [''] if question.type == 'yesno' else []
  found: list[tuple[str, dict[str, Any]]] = []
  for passage in passages:
    for more in _answers(question, passage, training, counts):
      if len(found) == _MOST_ROWS:
        counts['rows_over_999'] += 1
        continue
      row = {'id': passage_id(question.id, len(found) + 1)}
      found.append((passage, row | {'question': question.body} | more))
  counts['questions_unanswerable'] += bool(passages) and not any(
    row.get('answers') for _, row in found
  )
  return found


def _answers(
  question: RawQuestion, passage: str, training: bool, counts: Counter[str]
) -> list[dict[str, Any]]:
  """The answer fields of each row of a passage."""
  if question.type == 'yesno':
    if not question.answers:
      return [{}]
    (answer,) = question.answers[0]
    return [{'answers': answer, 'is_impossible': answer == 'no'}]
  located = []
  for synonyms in question.answers:
    if spans := locate(passage, synonyms, counts):
      located.append(
        [{'text': passage[a:b], 'answer_start': a} for a, b in spans]
      )
  counts['passages_without_answer'] += bool(question.answers) and not located
  if training:
    return [{'answers': each, 'is_impossible': False} for each in located]
  if not question.answers:
    return [{}]
  return [{'answers': [one for each in located for one in each]}]


def draw_dev_ids(
  questions: Sequence[RawQuestion], fraction: float, seed: int
) -> set[str]:
  """Draws the ids of the dev set, a fraction 0-1 of the questions of a type.

  Their order does not matter.
  """

  def place(question: RawQuestion) -> tuple[int, str]:
    # 96 bits, 48 at a time.
    high, low = int(question.id[:12], 16), int(question.id[12:], 16)
    return int(mix(seed, high, low)), question.id

  drawn = sorted(questions, key=place)[: round(fraction * len(questions))]
  return {question.id for question in drawn}


class Choices(NamedTuple):
  """Which files to make, and how."""

  split: str  # 'train' or 'test'.
  types: Sequence[str]  # Of questions.
  passages: str  # One of `bioasq_passages.KINDS`.
  corpus: Sequence[str]  # Files with articles, where the passages need them.
  sentences: int  # On either side of a snippet, where they are appended.
  devel: float  # Fraction 0-1 of a type's questions for the dev set.
  seed: int  # Of the choice of the dev set.
  max_broken: float  # Fraction 0-1 of questions that may be broken.


def prepare(
  sources: Sequence[str], output: str, choices: Choices
) -> dict[str, dict[str, int]]:
  """Reads the challenge's JSON files, writes ours, and returns all counts.

  Raises:
    InputError: broken questions, or none that makes a row.
  """
  reading: Counter[str] = Counter()
  questions = bioasq_questions.read(sources, reading, choices.max_broken)
  found = {t: [q for q in questions if q.type == t] for t in choices.types}
  others = len(questions) - sum(map(len, found.values()))
  reading['questions_of_other_types'] += others
  abstracts: dict[str, bioasq_passages.Abstract] = {}
  if choices.corpus:
    pmids: set[str] = set()
    for question in itertools.chain.from_iterable(found.values()):
      pmids.update(question.pmids, (s.pmid for s in question.snippets))
    abstracts = bioasq_passages.read_abstracts(
      choices.corpus, pmids - {''}, reading
    )
  counts = {'reading': reading}
  folder = pathlib.Path(output)
  for type_, some in found.items():
    for split, part in _parts(some, choices).items():
      name = f'{type_} {split}'
      counts[name] = Counter()
      texts = functools.partial(
        bioasq_passages.question_passages,
        kind=choices.passages,
        abstracts=abstracts,
        counts=counts[name],
        sentences=choices.sentences,
      )
      content = _squad_file(part, texts, split != 'test', counts[name])
      with atomic_write(folder / type_ / FILES[split]) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False) + '\n')
  if not any(found['rows'] for found in counts.values()):
    raise errors.InputError(
      f'--input {" ".join(sources)}: no question makes a row; look at '
      f'--types, --passages={choices.passages} and --split'
    )
  kept: dict[str, Any] = {name: dict(+each) for name, each in counts.items()}
  with atomic_write(folder / f'counts_{choices.split}.json') as file:
    file.write(json.dumps(kept, indent=2) + '\n')
  return kept


def _parts(
  questions: Sequence[RawQuestion], choices: Choices
) -> dict[str, list[RawQuestion]]:
  """The questions of each file; no dev set where it would be empty."""
  if choices.split == 'test':
    return {'test': list(questions)} if questions else {}
  devel = draw_dev_ids(questions, choices.devel, choices.seed)
  split = {
    'train': [q for q in questions if q.id not in devel],
    'devel': [q for q in questions if q.id in devel],
  }
  return {name: part for name, part in split.items() if part}


def _squad_file(
  questions: Sequence[RawQuestion],
  passages: Callable[[RawQuestion], list[str]],
  training: bool,
  counts: Counter[str],
) -> dict[str, Any]:
  """A file of rows: a paragraph for each, as BioBERT's files have it."""
  paragraphs = []
  for question in questions:
    rows = squad_rows(question, passages(question), training, counts)
    counts['questions_written'] += bool(rows)
    counts['rows'] += len(rows)
    paragraphs += [{'context': text, 'qas': [row]} for text, row in rows]
  return {
    'version': 'BioASQ',
    'data': [{'title': 'BioASQ', 'paragraphs': paragraphs}],
  }
