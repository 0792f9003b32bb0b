"""Makes token shards of PubMed, PMC, plain text or JSON lines.

    python scripts/prepare_corpus.py --input 'pubmed/*.xml.gz' --output DIR
        --vocab vocab.txt --do_lower_case false [--workers N] [--shards N]
        [--held_out 0.01] [--exclude ids.txt] [--title_only true]
        [--labels false] [--translated false] [--keep_parts]

Inputs are read in the order of the patterns, and by name within each. Of
several records of an article the latest version is kept, then the one that was
read last, so name the baseline before the updates. A run that was killed goes
on when it is started again. `--exclude` names a file of article ids, one a
line, as `123` (PMID), `PMC123` or as the input has them.

A table of what was read, mended and left out goes to standard error; the last
line on standard output is one JSON object. Exit codes: 0 done, 3 bad input.
"""

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from biobert_jax import errors
from biobert_jax.data.pretraining.manifest import MANIFEST, Manifest
from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.text.readers.article import Options
from biobert_jax.text.wordpiece import WordPieceTokenizer


def read_ids(path: str) -> list[str]:
  """The ids in a file, one a line; blank lines and `#` comments are skipped.

  Args:
    path: of the file.

  Raises:
    InputError: It cannot be read, or is not UTF-8.
  """
  try:
    with open(path, encoding='utf-8-sig') as file:
      lines = [line.partition('#')[0].strip() for line in file]
  except (OSError, UnicodeDecodeError) as error:
    what = error.strerror if isinstance(error, OSError) else 'not UTF-8'
    raise errors.InputError(
      f'{path}: cannot be read ({what}); name a file of ids, one a line'
    ) from None
  return [line for line in lines if line]


def table(manifest: Manifest) -> str:
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


def boolean(text: str) -> bool:
  """true or false, as the command line has it."""
  if text.lower() not in ('true', 'false'):
    raise argparse.ArgumentTypeError(f'{text!r} is not true or false')
  return text.lower() == 'true'


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(
    prog='prepare_corpus.py',
    description='Makes token shards of PubMed, PMC, plain text or JSON lines.',
  )
  add_corpus_options(parser)
  add = parser.add_argument
  add('--workers', type=int, help='processes (default: one a core)')
  add('--keep_parts', action='store_true', help='leave DIR/parts in place')
  return parser.parse_args(arguments)


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
  """Adds the options that say what a corpus is made of, and how."""
  add = parser.add_argument
  add('--input', nargs='+', required=True, action='extend', metavar='GLOB')
  add('--output', required=True, metavar='DIR', help='new, or begun before')
  add('--vocab', required=True, metavar='vocab.txt')
  add(
    '--do_lower_case',
    required=True,
    type=boolean,
    help='true for an uncased vocabulary, false for a cased one as BioBERT',
  )
  add('--shards', type=int, help='of training (default: about 128 MB each)')
  add(
    '--held_out',
    type=float,
    default=0.01,
    help='fraction of articles for validation, by their id (default 0.01)',
  )
  add('--exclude', metavar='FILE', help='ids of articles to leave out')
  reading = Options()
  add('--title_only', type=boolean, default=reading.title_only)
  add('--labels', type=boolean, default=reading.labels)
  add('--translated', type=boolean, default=reading.translated)


def run(flags: argparse.Namespace) -> None:
  """Prepares the corpus that the flags name, and reports."""
  start = time.monotonic()
  manifest = prepare.prepare(
    flags.input,
    flags.output,
    WordPieceTokenizer.from_vocab_file(flags.vocab, flags.do_lower_case),
    workers=flags.workers,
    num_shards=flags.shards,
    held_out=flags.held_out,
    exclude_ids=read_ids(flags.exclude) if flags.exclude else (),
    reading=Options(flags.title_only, flags.labels, flags.translated),
    keep_parts=flags.keep_parts,
  )
  report(manifest, flags.output, time.monotonic() - start)


def report(manifest: Manifest, output: str, seconds: float) -> None:
  """Prints the table, and a line of JSON on standard output."""
  print(table(manifest), file=sys.stderr)
  summary = {
    'manifest': os.path.join(output, MANIFEST),
    'seconds': round(seconds, 2),
    'splits': {k: v['counts'] for k, v in manifest['splits'].items()},
    **{key: manifest[key] for key in ('counts', 'readers', 'vocabulary')},
  }
  print(json.dumps(summary, ensure_ascii=False))


def main(arguments: list[str]) -> int:
  """Runs the command; returns the exit code."""
  try:
    return errors.exit_code_of(lambda: run(parse(arguments)))
  except KeyboardInterrupt:
    print('stopped; start again to go on', file=sys.stderr)
    return 130


if __name__ == '__main__':
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')
  sys.exit(main(sys.argv[1:]))
