"""`build-vocabulary`: a WordPiece vocabulary of a corpus."""

import argparse
import sys
from typing import Any

from biobert_jax.commands.command import INPUT, OUTPUT, Command, Flag
from biobert_jax.commands.corpus import INPUTS
from biobert_jax.errors import InputError


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Builds, writes and measures a vocabulary."""
  if flags.sample_characters < 1 or not 0 < flags.character_coverage <= 1:
    raise InputError(
      '--sample_characters must be at least 1, --character_coverage above 0 and'
      ' at most 1'
    )
  from biobert_jax.preprocessing import vocabulary
  from biobert_jax.text.wordpiece import WordPieceTokenizer

  compared = None
  if flags.compare:
    other = flags.compare_lower_case
    casing = flags.do_lower_case if other is None else other
    compared = WordPieceTokenizer.from_vocab_file(flags.compare, casing)
  wanted = vocabulary.Wanted(
    flags.size,
    flags.do_lower_case,
    flags.sample_characters,
    flags.character_coverage,
  )
  summary = vocabulary.build(flags.input, flags.output, wanted, compared)
  print(vocabulary.describe(summary, flags.size), file=sys.stderr)
  return summary


COMMAND = Command(
  name='build-vocabulary',
  summary='build a WordPiece vocabulary from a corpus',
  about="""\
The same input gives the same bytes. All files are read, and a sample of their
articles is kept, which bounds memory (65,000 abstracts by default).""",
  flags=(
    INPUTS,
    Flag(
      'output',
      'new folder, or DIR/vocab.txt',
      required=True,
      path=OUTPUT,
      metavar='DIR',
    ),
    Flag('size', 'number of tokens, such as 30000', type=int, required=True),
    Flag(
      'do_lower_case',
      'true for an uncased vocabulary, false for a cased one',
      type=bool,
      required=True,
    ),
    Flag(
      'compare',
      'another vocabulary, to measure on the same held-out text',
      path=INPUT,
      metavar='vocab.txt',
    ),
    Flag(
      'compare_lower_case',
      'casing of --compare',
      type=bool,
      unset='as --do_lower_case',
    ),
    Flag(
      'sample_characters', 'characters of text to hold in memory', 100_000_000
    ),
    Flag(
      'character_coverage',
      'share of characters that must have a token, 0-1',
      0.99999,
    ),
  ),
  examples=(
    "build-vocabulary --input 'pubmed/*.xml.gz' --output=vocabulary "
    '--size=30000 --do_lower_case=false',
    'build-vocabulary --input notes.txt --output=small --size=4000 '
    '--do_lower_case=true --compare=vocab.txt',
  ),
  writes='in DIR: vocab.txt and tokenizer_config.json',
  run=run,
)
