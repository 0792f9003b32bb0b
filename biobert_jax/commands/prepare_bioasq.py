"""`prepare-bioasq`: the challenge's questions -> training or test files."""

import argparse
import sys
from typing import Any

from biobert_jax.commands.command import INPUT, OUTPUT_FOLDER, Command, Flag
from biobert_jax.errors import InputError


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Prepares questions of BioASQ."""
  _check(flags)
  from biobert_jax.preprocessing.bioasq import prepare

  choices = prepare.Choices(
    **{name: getattr(flags, name) for name in prepare.Choices._fields}
  )
  counts = prepare.prepare(flags.input, flags.output, choices)
  for name, each in counts.items():
    for what, count in sorted(each.items()):
      shown = what.replace('_', ' ')
      print(f'{name:16}{shown:40}{count:>10,}', file=sys.stderr)
  return {'output': flags.output, 'passages': flags.passages, 'counts': counts}


def _check(flags: argparse.Namespace) -> None:
  """Refuses flags that do not go together.

  Raises:
    InputError: names the flag.
  """
  for name in ('devel', 'max_broken'):
    if not 0 <= getattr(flags, name) < 1:
      raise InputError(
        f'--{name} is {getattr(flags, name)}; it must lie in [0, 1)'
      )
  if flags.sentences < 0:
    raise InputError(
      f'--sentences is {flags.sentences}; it must not be negative'
    )
  if (flags.passages != 'snippets') != bool(flags.corpus):
    what = (
      'reads no --corpus; leave it out' if flags.corpus else 'needs --corpus'
    )
    raise InputError(f'--passages={flags.passages} {what}')


COMMAND = Command(
  name='prepare-bioasq',
  summary="make training or test files of BioASQ's own questions",
  about="""\
DIR receives a folder for each type, with train.json and dev.json or, of a test
set, test.json. The passages abstracts and appended need the text of articles,
--corpus. Every question and row left out is counted, in a table on standard
error.""",
  flags=(
    Flag(
      'input',
      "the challenge's files of questions",
      required=True,
      many=True,
      path=INPUT,
      metavar='RAW',
    ),
    OUTPUT_FOLDER,
    Flag(
      'split',
      'make train.json and dev.json, or test.json',
      required=True,
      choices=('train', 'test'),
    ),
    Flag(
      'types',
      'types of questions',
      ('factoid', 'list', 'yesno'),
      many=True,
      choices=('factoid', 'list', 'yesno'),
    ),
    Flag(
      'passages',
      'text beside a question',
      'snippets',
      choices=('snippets', 'abstracts', 'appended'),
    ),
    Flag(
      'corpus',
      'files with the text of articles: PubMed XML or JSON lines',
      (),
      many=True,
      path=INPUT,
      metavar='GLOB',
    ),
    Flag(
      'sentences',
      'sentences on either side of a snippet, of --passages=appended',
      1,
    ),
    Flag('devel', 'fraction of questions for the dev set; 0 for none', 0.1),
    Flag('seed', 'seed of the choice of the dev set', 0),
    Flag('max_broken', 'fraction of questions that may be broken', 0.01),
  ),
  examples=(
    'prepare-bioasq --input training7b.json --output=runs/bioasq --split=train',
    'prepare-bioasq --input 7B1_golden.json 7B2_golden.json '
    '--output=runs/bioasq --split=test --types factoid',
  ),
  writes='in DIR: TYPE/train.json, TYPE/dev.json or TYPE/test.json, and '
  'counts_SPLIT.json',
  run=run,
)
