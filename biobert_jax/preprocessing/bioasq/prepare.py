"""Raw BioASQ questions -> training or test files in SQuAD's form.

A folder for each type of question (factoid, list, yesno) receives train.json
and dev.json or, of a test set, test.json, under ids QID_001, QID_002, ...; and
counts_SPLIT.json tells what was read and left out. The passages are described
in `passages.py`; how answers are located, in `squad_files.py`.
"""

import functools
import itertools
import json
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from biobert_jax import errors
from biobert_jax.io.atomic import atomic_write
from biobert_jax.preprocessing.bioasq import passages, squad_files
from biobert_jax.preprocessing.bioasq import questions as bioasq_questions
from biobert_jax.preprocessing.bioasq.questions import RawQuestion

FILES = {'train': 'train.json', 'devel': 'dev.json', 'test': 'test.json'}


class Choices(NamedTuple):
  """Which files to make, and how."""

  split: str  # 'train' or 'test'.
  types: Sequence[str]  # Of questions.
  passages: str  # One of `passages.KINDS`.
  corpus: Sequence[str]  # Files with articles, where the passages need them.
  sentences: int  # On either side of a snippet, where they are appended.
  devel: float  # Fraction 0-1 of a type's questions for the dev set.
  seed: int  # Of the choice of the dev set.
  max_broken: float  # Fraction 0-1 of questions that may be broken.


def prepare(
  sources: Sequence[str], output: str, choices: Choices
) -> dict[str, dict[str, int]]:
  """Reads the challenge's JSON files and writes ours.

  Returns:
    Counts of the reading, and of each type and split.

  Raises:
    InputError: broken questions, or none that makes a row.
  """
  reading: Counter[str] = Counter()
  questions = bioasq_questions.read(sources, reading, choices.max_broken)
  found = {t: [q for q in questions if q.type == t] for t in choices.types}
  others = len(questions) - sum(map(len, found.values()))
  reading['questions_of_other_types'] += others
  abstracts: dict[str, passages.Abstract] = {}
  if choices.corpus:
    pmids: set[str] = set()
    for question in itertools.chain.from_iterable(found.values()):
      pmids.update(question.pmids, (s.pmid for s in question.snippets))
    abstracts = passages.read_abstracts(choices.corpus, pmids - {''}, reading)
  counts = {'reading': reading}
  folder = pathlib.Path(output)
  for type_, some in found.items():
    for split, part in _parts(some, choices).items():
      name = f'{type_} {split}'
      counts[name] = Counter()
      texts = functools.partial(
        passages.question_passages,
        kind=choices.passages,
        abstracts=abstracts,
        counts=counts[name],
        sentences=choices.sentences,
      )
      training = split != 'test'
      content = squad_files.squad_file(part, texts, training, counts[name])
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
  devel = squad_files.draw_dev_ids(questions, choices.devel, choices.seed)
  split = {
    'train': [q for q in questions if q.id not in devel],
    'devel': [q for q in questions if q.id in devel],
  }
  return {name: part for name, part in split.items() if part}
