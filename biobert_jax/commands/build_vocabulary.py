"""Build a WordPiece vocabulary from a corpus.

The same input gives the same bytes. All files are read, and a sample of their
articles is kept, which bounds memory (65,000 abstracts by default).
"""

import sys

from biobert_jax.commands.command import Command, Flag, Flags, Summary
from biobert_jax.commands.corpus import INPUTS, files_of
from biobert_jax.errors import InputError


def _run(flags: Flags) -> Summary:
  if flags.sample_characters < 1 or not 0 < flags.character_coverage <= 1:
    what = '--sample_characters must be at least 1'
    raise InputError(f'{what}, --character_coverage above 0 and at most 1')
  from biobert_jax.preprocessing import vocabulary
  from biobert_jax.text.wordpiece import WordPieceTokenizer

  compared = None
  if flags.compare:
    other = flags.compare_lower_case
    casing = flags.do_lower_case if other is None else other
    compared = WordPieceTokenizer.from_vocab_file(flags.compare, casing)
  fields = vocabulary.Wanted._fields
  wanted = vocabulary.Wanted(**{name: getattr(flags, name) for name in fields})
  with files_of(flags.input) as inputs:
    summary = vocabulary.build(inputs, flags.output, wanted, compared)
  print(vocabulary.describe(summary, flags.size), file=sys.stderr)
  return summary


FLAGS = (
  INPUTS,
  Flag('--output=DIR', 'new folder, or DIR/vocab.txt', ..., 'output'),
  Flag('--size', 'number of tokens, such as 30000', ..., type=int),
  Flag('--do_lower_case', 'true: uncased, false: cased', ..., type=bool),
  Flag(
    '--compare=vocab.txt',
    'vocabulary to measure on held-out text, too',
    path='input',
  ),
  Flag(
    '--compare_lower_case', 'its casing', type=bool, unset='as --do_lower_case'
  ),
  Flag('--sample_characters', 'of text to hold in memory', 100_000_000),
  Flag('--character_coverage', 'share of characters with a token', 0.99999),
)
EXAMPLES = (
  "--input 'pubmed/*.xml.gz' --output=vocabulary --size=30000 "
  '--do_lower_case=false',
  '--input notes.txt --output=small --size=4000 --do_lower_case=true '
  '--compare=vocab.txt',
)
WRITES = 'in DIR: vocab.txt and tokenizer_config.json'
COMMAND = Command('build-vocabulary', __doc__, FLAGS, _run, EXAMPLES, WRITES)
