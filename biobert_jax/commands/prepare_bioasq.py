"""Make training or test files of BioASQ's own questions.

DIR receives a folder for each type, with train.json and dev.json or, of a test
set, test.json. The passages abstracts and appended need the text of articles,
--corpus. Every question and row left out is counted, in a table on standard
error.
"""

import sys

from biobert_jax import errors
from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  if (flags.passages != 'snippets') != bool(flags.corpus):
    wrong = 'reads no --corpus; leave it out'
    what = wrong if flags.corpus else 'needs --corpus'
    raise errors.InputError(f'--passages={flags.passages} {what}')
  from biobert_jax.preprocessing.bioasq import squad_files

  choices = squad_files.Choices(
    **{name: getattr(flags, name) for name in squad_files.Choices._fields}
  )
  counts = squad_files.prepare(flags.input, flags.output, choices)
  for name, each in counts.items():
    for what, count in sorted(each.items()):
      shown = what.replace('_', ' ')
      print(f'{name:16}{shown:40}{count:>10,}', file=sys.stderr)
  return {'output': flags.output, 'passages': flags.passages, 'counts': counts}


FLAGS = (
  Flag('--input=RAW ...', "the challenge's files of questions", ..., 'input'),
  command.OUTPUT_FOLDER,
  Flag('--split=train|test', 'train.json and dev.json, or test.json', ...),
  Flag(
    '--types=factoid|list|yesno ...',
    'of questions',
    ('factoid', 'list', 'yesno'),
  ),
  Flag(
    '--passages=snippets|abstracts|appended',
    'text beside a question',
    'snippets',
  ),
  Flag('--corpus=GLOB ...', 'articles: PubMed XML or JSON lines', (), 'input'),
  Flag(
    '--sentences', 'beside an appended snippet', 1, range=errors.NOT_NEGATIVE
  ),
  Flag(
    '--devel', 'fraction for the dev set; 0: none', 0.1, range=errors.FRACTION
  ),
  Flag('--seed', 'seed of the choice of the dev set', 0),
  Flag(
    '--max_broken', 'fraction that may be broken', 0.01, range=errors.FRACTION
  ),
)
EXAMPLES = (
  '--input training7b.json --output=runs/bioasq --split=train',
  '--input 7B1_golden.json 7B2_golden.json --output=runs/bioasq --split=test '
  '--types factoid',
)
WRITES = (
  'in DIR: TYPE/train.json, TYPE/dev.json or TYPE/test.json, and '
  'counts_SPLIT.json'
)
COMMAND = Command('prepare-bioasq', __doc__, FLAGS, _run, EXAMPLES, WRITES)
