"""Flags, checks and the report that the commands on corpora share."""

import argparse
import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from biobert_jax.commands.command import INPUT, OUTPUT, Flag
from biobert_jax.errors import InputError

if TYPE_CHECKING:
  from biobert_jax.data.pretraining.manifest import Manifest

INPUTS = Flag(
  'input',
  'files or patterns: PubMed or PMC XML, plain text, JSON lines',
  required=True,
  many=True,
  path=INPUT,
  metavar='GLOB',
)
CORPUS_FLAGS = (
  INPUTS,
  Flag(
    'output',
    'new folder, or that of an interrupted run',
    required=True,
    path=OUTPUT,
    metavar='DIR',
  ),
  Flag('vocab', 'vocabulary', required=True, path=INPUT, metavar='vocab.txt'),
  Flag(
    'do_lower_case',
    'true for an uncased vocabulary, false for a cased one as BioBERT',
    type=bool,
    required=True,
  ),
  Flag(
    'shards', 'number of training shards', type=int, unset='about 128 MB each'
  ),
  Flag('held_out', 'fraction of articles for validation, by their id', 0.01),
  Flag(
    'exclude',
    'file of article ids to leave out, one per line: 123 (PMID) or PMC123',
    path=INPUT,
    metavar='FILE',
  ),
  Flag('title_only', 'read articles that have only a title', False),
  Flag(
    'labels', 'keep the labels of the parts of an abstract, as METHODS:', True
  ),
  Flag(
    'translated',
    "read PubMed's English text of articles in other languages",
    True,
  ),
)


def prepare_arguments(flags: argparse.Namespace) -> dict[str, Any]:
  """The arguments by name that both ways to prepare a corpus take."""
  from biobert_jax.text.readers.article import Options

  return {
    'num_shards': flags.shards,
    'held_out': flags.held_out,
    'exclude_ids': read_ids(flags.exclude) if flags.exclude else (),
    'reading': Options(flags.title_only, flags.labels, flags.translated),
  }


def read_ids(path: str) -> list[str]:
  """The ids in a file, one per line, without blank lines and `#` comments.

  Args:
    path: the file.

  Raises:
    InputError: it cannot be read, or is not UTF-8.
  """
  try:
    with open(path, encoding='utf-8-sig') as file:
      lines = [line.partition('#')[0].strip() for line in file]
  except (OSError, UnicodeDecodeError) as error:
    what = error.strerror if isinstance(error, OSError) else 'not UTF-8'
    raise InputError(
      f'{path}: cannot be read ({what}); name a file of ids, one per line'
    ) from None
  return [line for line in lines if line]


def report(manifest: 'Manifest', output: str, began: float) -> dict[str, Any]:
  """Prints a table of counts; returns the summary.

  Args:
    manifest: of the shards.
    output: their folder.
    began: `time.monotonic()` at the start.
  """
  from biobert_jax.data.pretraining.manifest import MANIFEST

  print(_table(manifest), file=sys.stderr)
  return {
    'manifest': os.path.join(output, MANIFEST),
    'seconds': round(time.monotonic() - began, 2),
    'splits': {k: v['counts'] for k, v in manifest['splits'].items()},
    **{key: manifest[key] for key in ('counts', 'readers', 'vocabulary')},
  }


def _table(manifest: 'Manifest') -> str:
  """The counts of a manifest as a person reads them."""
  rows: list[tuple[str, Mapping[str, Any]]] = [
    ('readers', manifest['readers']),
    ('corpus', manifest['counts']),
  ]
  for split, part in sorted(manifest['splits'].items()):
    shards = {
      'shards': len(part['shards']),
      'bytes': sum(shard['bytes'] for shard in part['shards']),
    }
    rows.append((split, {**part['counts'], **shards}))
  lines = []
  for title, counts in rows:
    lines.append(title)
    for name, count in sorted(counts.items()):
      lines.append(f'  {name.replace("_", " "):44}{count:>16,}')
  return '\n'.join(lines)
