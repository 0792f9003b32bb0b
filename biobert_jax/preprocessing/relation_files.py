"""A raw corpus of relations -> the files that training reads.

ChemProt, DrugProt and CDR become train.tsv, dev.tsv (sentence, label) and
test.tsv (with a header and an index), as BioBERT's code reads them; beside
them pairs_SPLIT.tsv names the mentions behind each row, and counts.json tells
what was read and left out. The rules for overlapping, nested, repeated and
distant mentions stand in data/relation/candidates.py.
"""

import itertools
import json
import pathlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from biobert_jax import errors
from biobert_jax.data.relation.candidates import Annotated, Row, labelled_rows
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


def _types_of(documents: Iterable[Annotated]) -> tuple[str, str]:
  """The two of `TYPES` that a corpus has."""
  names = {m.entity.type for a in documents for m in a.mentions}
  found = [t for t in TYPES if any(is_of_type(name, t) for name in names)]
  if len(found) != 2:
    raise errors.InputError(
      f'--types: say which two of the types {", ".join(sorted(names))} a pair '
      'is of, such as CHEMICAL GENE'
    )
  return found[0], found[1]


def _write(rows: Sequence[Row], split: str, folder: pathlib.Path) -> None:
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
  contents = {FILES[split]: lines, f'pairs_{split}.tsv': behind}
  for name, content in contents.items():
    with atomic_write(folder / name) as file:
      file.writelines(content)


class Choices(NamedTuple):
  """How candidate pairs become rows."""

  types: tuple[str, ...]  # Of a pair, in order; () for those of the corpus.
  relations: tuple[str, ...]  # To be found; () for those the corpus scores.
  markers: bool  # Whether the entities keep their names, inside of markers.
  keep_overlapping: bool  # Whether overlapping mentions make a pair.
  max_broken: float  # Fraction 0-1 of rows that may be broken.


def prepare(source: str, output: str, choices: Choices) -> dict[str, Any]:
  """Reads the folder of an unpacked corpus and writes its rows to another.

  Returns:
    The summary: placeholders, labels and counts.

  Raises:
    InputError: no corpus there, a broken one, or no pair with a relation.
  """
  splits = relation_corpora.find_splits(pathlib.Path(source))
  counts: dict[str, Counter[str]] = {}
  read: dict[str, list[Annotated]] = {}
  for split in (split for split in FILES if split in splits):
    found = counts[split] = Counter()
    read[split] = relation_corpora.read(
      splits[split], found, choices.max_broken
    )
  types = choices.types or _types_of(itertools.chain(*read.values()))
  words = Placeholders.from_types(*(name.upper() for name in types))
  made: dict[str, list[Row]] = {split: [] for split in read}
  for split, documents in read.items():
    for annotated in documents:
      made[split] += labelled_rows(
        annotated,
        words,
        counts[split],
        wanted=choices.relations,
        negative=NEGATIVE,
        keep_overlapping=choices.keep_overlapping,
        marked=choices.markers,
      )
    counts[split].update(f'rows {row.label}' for row in made[split])
  labels = {row.label for rows in made.values() for row in rows} - {NEGATIVE}
  if not labels:
    raise errors.InputError(
      f'--input {source}: no pair of {" and ".join(types)} has a relation '
      'in one sentence; look at --types and --relations'
    )
  folder = pathlib.Path(output)
  for split, rows in made.items():
    _write(rows, split, folder)
  kept = {split: dict(+found) for split, found in counts.items()}
  with atomic_write(folder / 'counts.json') as file:
    file.write(json.dumps(kept, indent=2) + '\n')
  return {
    'output': str(folder),
    'entities': 'markers' if choices.markers else 'anonymised',
    'placeholders': [words.first, words.second],
    'joint_placeholders': list(words.joint),
    'labels': [*sorted(labels), NEGATIVE],
    'counts': kept,
  }
