"""Makes training files of a raw corpus of relations: ChemProt, DrugProt, CDR.

    python scripts/prepare_relation.py --input FOLDER --output DIR
        [--types CHEMICAL GENE] [--relations CPR:3 CPR:4 …]
        [--entities anonymised|markers] [--overlapping joint|drop]
        [--max_broken 0.01]

FOLDER holds what was unpacked: files of abstracts, entities and relations, or
PubTator; splits are told by names, at any depth. DIR receives train.tsv,
dev.tsv (sentence, label) and test.tsv (with a header and an index), as
BioBERT's code reads them; beside them pairs_SPLIT.tsv, which names the
mentions behind each row, and counts.json. With --entities markers the two
keep their names inside of [E1] … [/E1] and [E2] … [/E2], for training with
--config.data.entities=markers. The rules for overlapping, nested,
repeated and distant mentions stand in biobert_jax/data/relation/candidates.py.

A table of what was read and left out goes to standard error; the last line on
standard output is one JSON object. Exit codes: 0 done, 3 bad input.
"""

import argparse
import io
import json
import os
import pathlib
import sys
from collections import Counter
from collections.abc import Sequence

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from biobert_jax import errors
from biobert_jax.data.relation.annotated import Annotated
from biobert_jax.data.relation.candidates import Row, rows_of
from biobert_jax.data.relation.placeholders import Placeholders, is_of_type
from biobert_jax.io.atomic import atomic_write
from biobert_jax.preprocessing import relation_corpora

NEGATIVE = 'false'
# What the paper's corpora are about; a pair of types is in this order.
TYPES = ('CHEMICAL', 'GENE', 'DISEASE')
FILES = {'train': 'train.tsv', 'devel': 'dev.tsv', 'test': 'test.tsv'}
_PAIR_COLUMNS = (
  *('index', 'document', 'first', 'first_start', 'first_end', 'first_text'),
  *('second', 'second_start', 'second_end', 'second_text', 'label'),
)


def types_of(documents: Sequence[Annotated]) -> tuple[str, str]:
  """The two of `TYPES` that a corpus has.

  Raises:
    InputError: It has not two, but more or fewer.
  """
  names = {m.entity.type for a in documents for m in a.mentions}
  found = [t for t in TYPES if any(is_of_type(name, t) for name in names)]
  if len(found) != 2:
    raise errors.InputError(
      f'--types: say which two of the types {", ".join(sorted(names))} a pair '
      'is of, such as CHEMICAL GENE'
    )
  return found[0], found[1]


def write(rows: Sequence[Row], split: str, folder: pathlib.Path) -> None:
  """Writes the rows of a split, and what stands behind them."""
  lines = [f'{row.pair.text}\t{row.label}\n' for row in rows]
  if split == 'test':
    lines = [f'{i}\t{line}' for i, line in enumerate(lines)]
    lines.insert(0, 'index\tsentence\tlabel\n')
  behind = ['\t'.join(_PAIR_COLUMNS) + '\n']
  for i, row in enumerate(rows):
    cells = [str(i), row.pair.document]
    for mention in (row.pair.first, row.pair.second):
      entity = mention.entity
      text = ' '.join(entity.text.split())
      cells += [mention.id, str(entity.start), str(entity.end), text]
    behind.append('\t'.join([*cells, row.label]) + '\n')
  for name, content in (
    (FILES[split], lines),
    (f'pairs_{split}.tsv', behind),
  ):
    with atomic_write(folder / name) as file:
      file.writelines(content)


def table(counts: dict[str, dict[str, int]]) -> str:
  """The counts of each split as a person reads them."""
  names = sorted({name for found in counts.values() for name in found})
  lines = [f'{"":44}' + ''.join(f'{split:>10}' for split in counts)]
  for name in names:
    cells = (f'{found.get(name, 0):>10,}' for found in counts.values())
    lines.append(f'{name.replace("_", " "):44}' + ''.join(cells))
  return '\n'.join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(
    prog='prepare_relation.py',
    description='Makes training files of a raw corpus of relations.',
  )
  add = parser.add_argument
  add('--input', required=True, metavar='FOLDER', help='an unpacked corpus')
  add('--output', required=True, metavar='DIR')
  add('--types', nargs=2, metavar='TYPE', help='default: the two there are')
  add(
    *('--relations',),
    nargs='+',
    default=[],
    metavar='NAME',
    help='to be found; default: those that the corpus scores',
  )
  add('--entities', choices=('anonymised', 'markers'), default='anonymised')
  add('--overlapping', choices=('joint', 'drop'), default='joint')
  add('--max_broken', type=float, default=0.01, help='fraction of rows')
  return parser.parse_args(arguments)


def run(flags: argparse.Namespace) -> None:
  """Prepares the corpus that the flags name, and reports."""
  if not 0 <= flags.max_broken < 1:
    raise errors.InputError(
      f'--max_broken is {flags.max_broken}; it must lie in [0, 1)'
    )
  splits = relation_corpora.find_splits(pathlib.Path(flags.input))
  counts: dict[str, Counter[str]] = {}
  read: dict[str, list[Annotated]] = {}
  for split in (split for split in FILES if split in splits):
    counts[split] = Counter()
    read[split] = relation_corpora.read(
      splits[split], counts[split], flags.max_broken
    )
  types = flags.types or types_of([a for each in read.values() for a in each])
  words = Placeholders.of_types(*(name.upper() for name in types))
  made: dict[str, list[Row]] = {}
  for split, documents in read.items():
    made[split] = [
      row
      for annotated in documents
      for row in rows_of(
        annotated,
        words,
        counts[split],
        wanted=flags.relations,
        negative=NEGATIVE,
        keep_overlapping=flags.overlapping == 'joint',
        marked=flags.entities == 'markers',
      )
    ]
    for row in made[split]:
      counts[split][f'rows {row.label}'] += 1
  if not any(row.label != NEGATIVE for rows in made.values() for row in rows):
    raise errors.InputError(
      f'--input {flags.input}: no pair of {" and ".join(types)} has a relation '
      'in one sentence; look at --types and --relations'
    )
  folder = pathlib.Path(flags.output)
  for split, rows in made.items():
    write(rows, split, folder)
  kept = {split: dict(+found) for split, found in counts.items()}
  report(words, kept, folder, flags.entities)


def report(
  words: Placeholders,
  counts: dict[str, dict[str, int]],
  folder: pathlib.Path,
  entities: str,
) -> None:
  """Writes counts.json; prints the table, and a line of JSON."""
  labels = sorted(
    {
      name[5:]
      for found in counts.values()
      for name in found
      if name[:5] == 'rows '
    }
    - {NEGATIVE}
  )
  summary = {
    'output': str(folder),
    'entities': entities,
    'placeholders': [words.first, words.second],
    'joint_placeholders': list(words.joint),
    'labels': [*labels, NEGATIVE],
    'counts': counts,
  }
  with atomic_write(folder / 'counts.json') as file:
    file.write(json.dumps(summary['counts'], indent=2) + '\n')
  print(table(counts), file=sys.stderr)
  print(json.dumps(summary, ensure_ascii=False))


def main(arguments: list[str]) -> int:
  """Runs the command; returns the exit code."""
  return errors.exit_code_of(lambda: run(parse(arguments)))


if __name__ == '__main__':
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')
  sys.exit(main(sys.argv[1:]))
