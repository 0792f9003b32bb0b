"""Make training files of relations: raw ChemProt, DrugProt, CDR, BioRED, …

PATH holds what was unpacked: files of abstracts, entities and relations; or is
a file, or has a file for each split, of PubTator, BioC, JSON lines of documents
or SciBERT's of ChemProt; or a folder of brat. Splits are recognized by names,
at any depth. With --entities=markers the two entities keep their names, inside
of [E1] ... [/E1] and [E2] ... [/E2]. A table of what was read and left out, and
the command that trains it, go to standard error.
"""

import shlex
import sys

from biobert_jax import errors
from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  if len(flags.types) not in (0, 2):
    raise errors.InputError(f'--types takes two types, not {len(flags.types)}')
  from biobert_jax.preprocessing import relation_corpora

  choices = relation_corpora.Choices(
    types=tuple(flags.types),
    relations=tuple(flags.relations),
    markers=flags.entities == 'markers',
    keep_overlapping=flags.overlapping == 'joint',
    max_broken=flags.max_broken,
    window=flags.window,
  )
  summary = relation_corpora.prepare(flags.input, flags.output, choices)
  counts = summary['counts']
  print(
    f'{"":44}', *(f'{split:>10}' for split in counts), sep='', file=sys.stderr
  )
  for name in sorted({name for found in counts.values() for name in found}):
    cells = (f'{found.get(name, 0):>10,}' for found in counts.values())
    print(f'{name.replace("_", " "):44}', *cells, sep='', file=sys.stderr)
  given = ' '.join(map(shlex.quote, summary['overrides']))
  train = 'biobert-jax train --config=re_chemprot --workdir=DIR'
  first = (
    'to train' if 'train' in counts else 'to train, once DIR has train.tsv'
  )
  print(f'{first}: {train} {given}', file=sys.stderr)
  return summary


FLAGS = (
  Flag('--input=PATH', 'unpacked corpus, or one file', ..., 'input'),
  command.OUTPUT_FOLDER,
  Flag(
    '--types=TYPE ...',
    'the two of a pair, as CHEMICAL GENE',
    (),
    unset="the corpus's",
  ),
  Flag(
    '--relations=NAME ...',
    'such as CPR:3 CPR:4',
    (),
    unset='those that are scored',
  ),
  Flag('--entities=anonymised|markers', 'hide or mark the two', 'anonymised'),
  Flag(
    '--overlapping=joint|drop',
    'whether overlapping entities make a pair',
    'joint',
  ),
  Flag(
    '--window',
    'neighbouring sentences in which a pair may stand',
    1,
    range=errors.COUNT,
  ),
  Flag('--max_broken', 'fraction of broken rows', 0.01, range=errors.FRACTION),
)
EXAMPLES = (
  '--input=ChemProt --output=runs/chemprot',
  '--input=DrugProt --output=runs/marked --entities=markers',
)
WRITES = 'in DIR: train.tsv, dev.tsv, test.tsv, pairs_SPLIT.tsv, counts.json'
COMMAND = Command('prepare-relation', __doc__, FLAGS, _run, EXAMPLES, WRITES)
