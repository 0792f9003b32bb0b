"""Flags, checks and the summary that the commands on corpora share."""

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from biobert_jax.commands.command import Flag, Flags, Summary
from biobert_jax.errors import InputError

if TYPE_CHECKING:
  from biobert_jax.data.pretraining.manifest import Manifest

INPUTS = Flag(
  '--input=GLOB ...', 'PubMed or PMC XML, plain text, JSON lines', ..., 'input'
)
FLAGS = (
  INPUTS,
  Flag('--output=DIR', 'folder: new, or of an interrupted run', ..., 'output'),
  Flag('--vocab=vocab.txt', 'vocabulary', ..., 'input'),
  Flag(
    '--do_lower_case', 'true: uncased; false: cased, as BioBERT', ..., type=bool
  ),
  Flag(
    '--shards', 'number of training shards', type=int, unset='about 128 MB each'
  ),
  Flag('--held_out', 'fraction of articles for validation, by their id', 0.01),
  Flag(
    '--exclude=FILE',
    'article ids to leave out: lines of PMID or PMC123',
    path='input',
  ),
  Flag('--title_only', 'read articles that have only a title', False),
  Flag('--labels', 'keep labels of parts of an abstract, as METHODS:', True),
  Flag(
    '--translated', 'read English texts of articles in other languages', True
  ),
)
WRITES = 'in DIR: manifest.json, vocab.txt and the shards of each split'


def prepare(flags: Flags, prepare_shards: 'Callable[..., Manifest]') -> Summary:
  """Makes token shards; prints a table of counts.

  Args:
    flags: with the values of `FLAGS`.
    prepare_shards: of `preprocessing.token_shards`, without what `FLAGS` say.
  """
  from biobert_jax.data.pretraining.manifest import MANIFEST
  from biobert_jax.text.readers.article import Options
  from biobert_jax.text.wordpiece import WordPieceTokenizer

  began = time.monotonic()
  manifest = prepare_shards(
    flags.input,
    flags.output,
    WordPieceTokenizer.from_vocab_file(flags.vocab, flags.do_lower_case),
    num_shards=flags.shards,
    held_out=flags.held_out,
    exclude_ids=read_ids(flags.exclude) if flags.exclude else (),
    reading=Options(flags.title_only, flags.labels, flags.translated),
  )
  _print_counts(manifest)
  return {
    'manifest': os.path.join(flags.output, MANIFEST),
    'seconds': round(time.monotonic() - began, 2),
    'splits': {k: v['counts'] for k, v in manifest['splits'].items()},
    **{key: manifest[key] for key in ('counts', 'readers', 'vocabulary')},
  }


def read_ids(path: str) -> list[str]:
  """The ids in a file, one a line, without blank lines and `#` comments."""
  try:
    with open(path, encoding='utf-8-sig') as file:
      lines = [line.partition('#')[0].strip() for line in file]
  except (OSError, UnicodeDecodeError) as error:
    what = error.strerror if isinstance(error, OSError) else 'not UTF-8'
    what = f'{path}: cannot be read ({what}); name a file of ids, one per line'
    raise InputError(what) from None
  return [line for line in lines if line]


def _print_counts(manifest: 'Manifest') -> None:
  """The counts of a manifest as a person reads them."""
  tables = {'readers': manifest['readers'], 'corpus': manifest['counts']}
  for split, part in sorted(manifest['splits'].items()):
    size = sum(shard['bytes'] for shard in part['shards'])
    sizes = {'shards': len(part['shards']), 'bytes': size}
    tables[split] = {**part['counts'], **sizes}
  for title, counts in tables.items():
    print(title, file=sys.stderr)
    for name, count in sorted(counts.items()):
      print(f'  {name.replace("_", " "):44}{count:>16,}', file=sys.stderr)
