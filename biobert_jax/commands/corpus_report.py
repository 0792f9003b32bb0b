"""Describe token shards: counts, lengths, words, documents.

DIR is a folder that prepare-corpus wrote. The report is also printed. Without
the vocabulary no word or document can be shown. Counts and lengths are of the
whole corpus; the rest is of a sample. Memory: 8 bytes per document, and the
400,000 most frequent words.
"""

import os

from biobert_jax.commands.command import Command, Flag, Flags, Summary
from biobert_jax.errors import InputError


def _run(flags: Flags) -> Summary:
  if min(flags.sample, flags.seed, flags.texts) < 0:
    raise InputError('--sample, --seed and --texts: at least 0')
  from biobert_jax.data.pretraining import shards
  from biobert_jax.data.pretraining.manifest import read_tokenizer
  from biobert_jax.preprocessing.report import report as reports
  from biobert_jax.preprocessing.report import shard_statistics
  from biobert_jax.text.readers.article import Options

  folder = shards.local_copy(flags.dir)
  sampling = {'sample': flags.sample, 'seed': flags.seed}
  tokenizer = None
  if flags.vocab or os.path.exists(os.path.join(folder, 'vocab.txt')):
    tokenizer = read_tokenizer(folder, flags.vocab)
  if flags.input and tokenizer is None:
    raise InputError('--input: needs the vocabulary; name it by --vocab')
  statistics = shard_statistics.measure(
    folder, tokenizer, texts=flags.texts, **sampling
  )
  unknown = None
  if flags.input and tokenizer is not None:
    reading = Options(**statistics.manifest['options']['reading'])
    unknown = shard_statistics.unknown_words(
      flags.input, tokenizer, reading, **sampling
    )
  output = flags.output or os.path.join(flags.dir, 'report')
  print(reports.write_report(folder, output, statistics, unknown))
  report = os.path.join(output, 'report.html')
  return {'report': report, **reports.summary(statistics)}


FLAGS = (
  Flag('DIR', 'folder of the shards', ..., 'input'),
  Flag(
    '--vocab=vocab.txt',
    'vocabulary',
    path='input',
    unset="DIR's, where it exists",
  ),
  Flag('--output=DIR', 'folder to write', path='output', unset='DIR/report'),
  Flag(
    '--input=GLOB ...',
    'files of the corpus, to find unknown words',
    path='input',
  ),
  Flag('--sample', 'documents of the sample; 0: all', 20_000),
  Flag('--seed', 'seed of the sample', 0),
  Flag('--texts', 'number of documents to show', 3),
)
EXAMPLES = ('corpus', "corpus --input 'pubmed/*.xml.gz' --sample=0")
WRITES = 'report.md, report.html (one file, to send) and lengths.png'
COMMAND = Command('corpus-report', __doc__, FLAGS, _run, EXAMPLES, WRITES)
