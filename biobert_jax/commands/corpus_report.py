"""`corpus-report`: counts, lengths, words and documents of token shards."""

import argparse
import os
from typing import Any

from biobert_jax.commands.command import INPUT, OUTPUT, Command, Flag
from biobert_jax.errors import InputError


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Writes and prints the report."""
  if min(flags.sample, flags.seed, flags.texts) < 0:
    raise InputError('--sample, --seed and --texts: at least 0')
  from biobert_jax.data.pretraining.manifest import read_tokenizer
  from biobert_jax.preprocessing.report import report as reports
  from biobert_jax.preprocessing.report import shard_statistics, unknown_words
  from biobert_jax.text.readers.article import Options

  folder = flags.directory
  tokenizer = None
  if flags.vocab or os.path.exists(os.path.join(folder, 'vocab.txt')):
    tokenizer = read_tokenizer(folder, flags.vocab)
  if flags.input and tokenizer is None:
    raise InputError('--input: needs the vocabulary; name it by --vocab')
  statistics = shard_statistics.measure(
    folder,
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
  output = flags.output or os.path.join(folder, 'report')
  print(reports.write_report(folder, output, statistics, unknown))
  report = os.path.join(output, 'report.html')
  return {'report': report, **reports.summary(statistics)}


COMMAND = Command(
  name='corpus-report',
  summary='describe token shards: counts, lengths, words, documents',
  about="""\
DIR is a folder that prepare-corpus wrote. The report is also printed. Without
the vocabulary no word or document can be shown. Counts and lengths are of the
whole corpus; the rest is of a sample. Memory: 8 bytes per document, and the
400,000 most frequent words.""",
  flags=(
    Flag(
      'directory',
      'folder of the shards',
      required=True,
      positional=True,
      path=INPUT,
      metavar='DIR',
    ),
    Flag(
      'vocab',
      'vocabulary of the shards',
      path=INPUT,
      metavar='vocab.txt',
      unset='DIR/vocab.txt, where it exists',
    ),
    Flag(
      'output',
      'folder to write',
      path=OUTPUT,
      metavar='DIR',
      unset='DIR/report',
    ),
    Flag(
      'input',
      'files of the corpus, to find words that the vocabulary cannot spell',
      many=True,
      path=INPUT,
      metavar='GLOB',
    ),
    Flag('sample', 'documents of the sample; 0: all', 20_000),
    Flag('seed', 'seed of the sample', 0),
    Flag('texts', 'number of documents to show', 3),
  ),
  examples=(
    'corpus-report corpus',
    "corpus-report corpus --input 'pubmed/*.xml.gz' --sample=0",
  ),
  writes='report.md, report.html (one file, to send) and lengths.png',
  run=run,
)
