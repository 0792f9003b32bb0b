"""Reports on token shards: counts, lengths, words, a few documents.

    python scripts/corpus_report.py DIR [--vocab vocab.txt] [--output DIR]
        [--input GLOB...] [--sample N] [--seed N] [--texts N]

DIR is a folder that `scripts/prepare_corpus.py` wrote. The report goes to
DIR/report as `report.md`, `report.html` (one file, to send to somebody) and
`lengths.png`, and is printed. Without the vocabulary no word or document can be
shown. `--input` names the files that the corpus was made from, to find the
words that the vocabulary cannot spell: the shards hold [UNK] for them.

Counts and lengths of documents are of the whole corpus; the rest of a sample,
20,000 documents by default (0: all). Memory: 8 bytes a document, and the
400,000 most frequent words.

The last line on standard output is one JSON object. Exit codes: 0 done, 3 bad
input.
"""

import argparse
import io
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from biobert_jax import errors
from biobert_jax.data.pretraining.manifest import read_tokenizer
from biobert_jax.preprocessing.report import report as corpus_report
from biobert_jax.preprocessing.report import shard_statistics, unknown_words
from biobert_jax.text.readers.article import Options


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(
    prog='corpus_report.py',
    description='Reports on token shards: counts, lengths, words, documents.',
  )
  add = parser.add_argument
  add('directory', metavar='DIR', help='of the shards')
  add('--vocab', metavar='vocab.txt', help='default: DIR/vocab.txt, if any')
  add('--output', metavar='DIR', help='default: DIR/report')
  add('--input', nargs='+', action='extend', metavar='GLOB')
  add('--sample', type=int, default=20_000, help='documents (default 20000)')
  add('--seed', type=int, default=0, help='of what is chosen (default 0)')
  add('--texts', type=int, default=3, help='documents to show (default 3)')
  return parser.parse_args(arguments)


def run(flags: argparse.Namespace) -> None:
  """Writes and prints the report that the flags ask for."""
  if min(flags.sample, flags.seed, flags.texts) < 0:
    raise errors.InputError('--sample, --seed and --texts: at least 0')
  beside = os.path.exists(os.path.join(flags.directory, 'vocab.txt'))
  tokenizer = None
  if flags.vocab or beside:
    tokenizer = read_tokenizer(flags.directory, flags.vocab)
  if flags.input and tokenizer is None:
    raise errors.InputError('--input: needs the vocabulary; name it by --vocab')
  statistics = shard_statistics.measure(
    flags.directory,
    tokenizer,
    sample=flags.sample,
    seed=flags.seed,
    texts=flags.texts,
  )
  unknown = None
  if flags.input and tokenizer is not None:
    unknown = unknown_words.unknown_words(
      flags.input,
      tokenizer,
      Options(**statistics.manifest['options']['reading']),
      sample=flags.sample,
      seed=flags.seed,
    )
  output = flags.output or os.path.join(flags.directory, 'report')
  print(
    corpus_report.write_report(flags.directory, output, statistics, unknown)
  )
  report = os.path.join(output, 'report.html')
  print(json.dumps({'report': report, **corpus_report.summary(statistics)}))


def main(arguments: list[str]) -> int:
  """Runs the command; returns the exit code."""
  return errors.exit_code_of(lambda: run(parse(arguments)))


if __name__ == '__main__':
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')
  sys.exit(main(sys.argv[1:]))
