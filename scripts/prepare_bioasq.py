"""Makes training or test files of the BioASQ challenge's own questions.

    python scripts/prepare_bioasq.py --input RAW.json [MORE.json …]
        --output DIR --split train|test [--types factoid list yesno]
        [--passages snippets|abstracts|appended] [--corpus FILE_OR_GLOB …]
        [--devel 0.1] [--seed 0] [--max_broken 0.01]

DIR receives a folder for each type, factoid, list and yesno, with train.json
and dev.json or, of a test set, test.json, in SQuAD's form under ids QID_001,
QID_002, …; and counts_SPLIT.json. `--devel` is the fraction of the questions
of a type, with all their passages, that dev.json takes; 0 for none. What the
passages are is said in preprocessing/bioasq/passages.py: abstracts and
appended need the text of articles, `--corpus`, PubMed XML or JSON lines
(prepared shards hold pieces). How answers are located and what is left out is
said in preprocessing/bioasq/squad_files.py; every question and row left out
is counted.

A table of counts goes to standard error; the last line on standard output is
one JSON object. Exit codes: 0 done, 3 bad input.
"""

import argparse
import functools
import io
import json
import os
import pathlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from biobert_jax import errors
from biobert_jax.io.atomic import atomic_write
from biobert_jax.preprocessing.bioasq import passages, squad_files
from biobert_jax.preprocessing.bioasq import questions as bioasq_questions
from biobert_jax.preprocessing.bioasq.passages import Abstract, passages_of
from biobert_jax.preprocessing.bioasq.questions import RawQuestion

FILES = {'train': 'train.json', 'devel': 'dev.json', 'test': 'test.json'}


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(
    prog='prepare_bioasq.py',
    description="Makes training or test files of BioASQ's own questions.",
  )
  add = parser.add_argument
  types = bioasq_questions.TYPES[:3]
  add('--input', required=True, nargs='+', metavar='RAW.json')
  add('--output', required=True, metavar='DIR')
  add('--split', required=True, choices=('train', 'test'))
  add('--types', nargs='+', choices=types, default=types)
  add('--passages', choices=passages.KINDS, default='snippets')
  add('--corpus', nargs='+', default=[], metavar='FILE_OR_GLOB')
  add(
    *('--sentences',),
    type=int,
    default=1,
    help='of appended, on either side (default %(default)s)',
  )
  add('--devel', type=float, default=0.1, help='fraction of questions')
  add('--seed', type=int, default=0, help='of the questions of devel')
  add('--max_broken', type=float, default=0.01, help='fraction of questions')
  return parser.parse_args(arguments)


def check(flags: argparse.Namespace) -> None:
  """Refuses flags that do not go together.

  Raises:
    InputError: names the flag.
  """
  for name in ('devel', 'max_broken'):
    if not 0 <= getattr(flags, name) < 1:
      raise errors.InputError(
        f'--{name} is {getattr(flags, name)}; it must lie in [0, 1)'
      )
  if flags.sentences < 0:
    raise errors.InputError(
      f'--sentences is {flags.sentences}; it must not be negative'
    )
  if (flags.passages != 'snippets') != bool(flags.corpus):
    raise errors.InputError(
      f'--passages={flags.passages} '
      + (
        'reads no --corpus; leave it out' if flags.corpus else 'needs --corpus'
      )
    )


def run(flags: argparse.Namespace) -> None:
  """Prepares the files that the flags name, and reports."""
  check(flags)
  reading: Counter[str] = Counter()
  questions = bioasq_questions.read(flags.input, reading, flags.max_broken)
  found = {t: [q for q in questions if q.type == t] for t in flags.types}
  others = len(questions) - sum(map(len, found.values()))
  reading['questions_of_other_types'] += others
  abstracts: dict[str, Abstract] = {}
  if flags.corpus:
    pmids = {pmid for each in found.values() for q in each for pmid in q.pmids}
    pmids |= {
      s.pmid for each in found.values() for q in each for s in q.snippets
    }
    abstracts = passages.read_abstracts(flags.corpus, pmids - {''}, reading)
  counts = {'reading': reading}
  folder = pathlib.Path(flags.output)
  for type_, some in found.items():
    for split, part in parts(some, flags).items():
      name = f'{type_} {split}'
      counts[name] = Counter()
      texts = functools.partial(
        passages_of,
        kind=flags.passages,
        abstracts=abstracts,
        counts=counts[name],
        sentences=flags.sentences,
      )
      training = split != 'test'
      content = squad_files.squad_form(part, texts, training, counts[name])
      with atomic_write(folder / type_ / FILES[split]) as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False) + '\n')
  if not any(found['rows'] for found in counts.values()):
    raise errors.InputError(
      f'--input {" ".join(flags.input)}: no question makes a row; look at '
      f'--types, --passages={flags.passages} and --split'
    )
  report({name: dict(+each) for name, each in counts.items()}, folder, flags)


def parts(
  questions: Sequence[RawQuestion], flags: argparse.Namespace
) -> dict[str, list[RawQuestion]]:
  """The questions of each file; no devel where it would be empty."""
  if flags.split == 'test':
    return {'test': list(questions)} if questions else {}
  devel = squad_files.devel_ids(questions, flags.devel, flags.seed)
  split = {
    'train': [q for q in questions if q.id not in devel],
    'devel': [q for q in questions if q.id in devel],
  }
  return {name: part for name, part in split.items() if part}


def report(
  counts: Mapping[str, Mapping[str, int]],
  folder: pathlib.Path,
  flags: argparse.Namespace,
) -> None:
  """Writes the counts; prints the table, and a line of JSON."""
  with atomic_write(folder / f'counts_{flags.split}.json') as file:
    file.write(json.dumps(counts, indent=2) + '\n')
  for name, each in counts.items():
    for what, count in sorted(each.items()):
      shown = what.replace('_', ' ')
      print(f'{name:16}{shown:40}{count:>10,}', file=sys.stderr)
  summary = {'output': str(folder), 'passages': flags.passages}
  print(json.dumps(summary | {'counts': counts}, ensure_ascii=False))


def main(arguments: list[str]) -> int:
  """Runs the command; returns the exit code."""
  return errors.exit_code_of(lambda: run(parse(arguments)))


if __name__ == '__main__':
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')
  sys.exit(main(sys.argv[1:]))
