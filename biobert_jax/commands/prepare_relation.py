"""`prepare-relation`: a raw corpus of relations -> training files."""

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from biobert_jax.commands.command import INPUT, OUTPUT_FOLDER, Command, Flag
from biobert_jax.errors import InputError


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Prepares ChemProt, DrugProt or CDR."""
  if not 0 <= flags.max_broken < 1:
    raise InputError(
      f'--max_broken is {flags.max_broken}; it must lie in [0, 1)'
    )
  if len(flags.types) not in (0, 2):
    raise InputError(f'--types takes two types, not {len(flags.types)}')
  from biobert_jax.preprocessing import relation_files

  choices = relation_files.Choices(
    types=tuple(flags.types),
    relations=tuple(flags.relations),
    markers=flags.entities == 'markers',
    keep_overlapping=flags.overlapping == 'joint',
    max_broken=flags.max_broken,
  )
  summary = relation_files.prepare(flags.input, flags.output, choices)
  print(_table(summary['counts']), file=sys.stderr)
  return summary


def _table(counts: Mapping[str, Mapping[str, int]]) -> str:
  """The counts of each split as a person reads them."""
  names = sorted({name for found in counts.values() for name in found})
  lines = [f'{"":44}' + ''.join(f'{split:>10}' for split in counts)]
  for name in names:
    cells = (f'{found.get(name, 0):>10,}' for found in counts.values())
    lines.append(f'{name.replace("_", " "):44}' + ''.join(cells))
  return '\n'.join(lines)


COMMAND = Command(
  name='prepare-relation',
  summary='make training files of raw ChemProt, DrugProt or CDR',
  about="""\
FOLDER holds what was unpacked: files of abstracts, entities and relations, or
PubTator; the splits are recognized by names, at any depth. With
--entities=markers the two entities keep their names, inside of [E1] ... [/E1]
and [E2] ... [/E2], for training with --config.data.entities=markers. A table
of what was read and left out goes to standard error.""",
  flags=(
    Flag(
      'input', 'unpacked corpus', required=True, path=INPUT, metavar='FOLDER'
    ),
    OUTPUT_FOLDER,
    Flag(
      'types',
      'the two types of a pair, such as CHEMICAL GENE',
      (),
      many=True,
      metavar='TYPE',
      unset='the two that the corpus has',
    ),
    Flag(
      'relations',
      'relations to be found, such as CPR:3 CPR:4',
      (),
      many=True,
      metavar='NAME',
      unset='those that the corpus scores',
    ),
    Flag(
      'entities',
      'hide the two entities, or mark them',
      'anonymised',
      choices=('anonymised', 'markers'),
    ),
    Flag(
      'overlapping',
      'make a pair of overlapping entities, or drop it',
      'joint',
      choices=('joint', 'drop'),
    ),
    Flag('max_broken', 'fraction of rows that may be broken', 0.01),
  ),
  examples=(
    'prepare-relation --input=ChemProt --output=runs/chemprot',
    'prepare-relation --input=DrugProt --output=runs/marked --entities=markers',
  ),
  writes='in DIR: train.tsv, dev.tsv, test.tsv, pairs_SPLIT.tsv, counts.json',
  run=run,
)
