"""Flags, checks and the summary that the commands on corpora share."""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from biobert_jax.commands.command import Flag, Flags, Summary
from biobert_jax.errors import InputError
from biobert_jax.io import storage

if TYPE_CHECKING:
  from biobert_jax.data.pretraining.manifest import Manifest

_SEQUENCE = 128  # Tokens of a sequence in the first, longer part of training.
INPUTS = Flag(
  '--input=FILE ...',
  'files, folders or patterns of texts of any form; - is stdin',
  ...,
  'stdin',
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
  Flag(
    '--sentences=auto|lines|split',
    'plain text: a sentence a line, or split; auto looks at each file',
    'auto',
  ),
  Flag('--on_error=stop|skip', 'of a file that cannot be read', 'stop'),
  Flag('--max_errors', 'files that may be skipped: a number or a share', '1%'),
)
WRITES = 'in DIR: manifest.json, vocab.txt and the shards of each split'


def prepare(
  flags: Flags,
  prepare_shards: 'Callable[..., Manifest]',
  fetch: 'Callable[[str, pathlib.Path], None]',
) -> Summary:
  """Makes token shards; prints a table of counts.

  Args:
    flags: with the values of `FLAGS`.
    prepare_shards: of `preprocessing.token_shards`, without what `FLAGS` say.
    fetch: copies a remote file to a local path.
  """
  from biobert_jax.data.pretraining.manifest import MANIFEST
  from biobert_jax.text.readers.article import Options
  from biobert_jax.text.wordpiece import WordPieceTokenizer

  began = time.monotonic()
  with files_of(flags.input) as inputs:
    manifest = prepare_shards(
      inputs,
      flags.output,
      WordPieceTokenizer.from_vocab_file(flags.vocab, flags.do_lower_case),
      num_shards=flags.shards,
      held_out=flags.held_out,
      exclude_ids=read_ids(flags.exclude) if flags.exclude else (),
      reading=Options(
        *(flags.title_only, flags.labels, flags.translated, flags.sentences)
      ),
      on_error=flags.on_error,
      max_errors=flags.max_errors,
    )
  _print_counts(manifest)
  for line in _remarks(manifest, flags.output, fetch):
    print(line, file=sys.stderr)
  return {
    'manifest': os.path.join(flags.output, MANIFEST),
    'seconds': round(time.monotonic() - began, 2),
    'splits': {k: v['counts'] for k, v in manifest['splits'].items()},
    **{key: manifest[key] for key in ('counts', 'readers', 'vocabulary')},
  }


@contextlib.contextmanager
def files_of(inputs: Sequence[str]) -> Iterator[list[str]]:
  """The inputs, with a copy of standard input, which is read twice, for `-`."""
  with tempfile.TemporaryDirectory() as folder:
    copy = os.path.join(folder, 'stdin')
    if '-' in inputs:
      with open(copy, 'wb') as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    yield [copy if path == '-' else path for path in inputs]


def _remarks(
  manifest: 'Manifest',
  folder: str,
  fetch: 'Callable[[str, pathlib.Path], None]',
) -> Iterator[str]:
  """What was chosen, what was skipped, and what training could not use."""
  from biobert_jax.data.pretraining import corpus_warnings
  from biobert_jax.data.pretraining.manifest import DROPPED
  from biobert_jax.data.pretraining.shards import Shards
  from biobert_jax.preprocessing.token_shards.output_folder import first_shard
  from biobert_jax.preprocessing.token_shards.stages import SKIPPED

  read = manifest['readers']
  split, lines = map(read.get, ('text_files_split', 'text_files_of_lines'))
  if split or lines:
    reading = manifest['options']['reading']
    yield (
      f'plain text (--sentences={reading.get("sentences", "lines")}), files'
      f' split into sentences: {split or 0}; read as a sentence per line:'
      f' {lines or 0}'
    )
  if skipped := manifest['counts'].get(SKIPPED):
    files = manifest['inputs']['files']
    path = os.path.join(folder, DROPPED)
    yield (
      f'warning: of {files} files {skipped} could not be read and'
      f' left out; {path} names each:'
    )
  with contextlib.ExitStack() as stack:
    here: str | pathlib.Path = folder
    if '://' in folder:
      here = stack.enter_context(first_shard(folder, manifest, fetch))
    with open(os.path.join(here, DROPPED), encoding='utf-8') as file:
      rows = [line.rstrip('\n').split('\t') for line in file]
    yield from (f'  {fault}' for reason, fault, _ in rows if reason == SKIPPED)
    for line in corpus_warnings.warnings_of(Shards(here), _SEQUENCE):
      yield f'warning: {line}'


def read_ids(path: str) -> list[str]:
  """The ids in a file, one a line, without blank lines and `#` comments."""
  try:
    with open(storage.local(path), encoding='utf-8-sig') as file:
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
