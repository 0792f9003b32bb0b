"""`prepare-corpus`: articles -> token shards for pre-training."""

import argparse
import time
from typing import Any

from biobert_jax.commands.command import Command, Flag
from biobert_jax.commands.corpus import CORPUS_FLAGS, prepare_arguments, report


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Prepares a corpus on the cores of this machine."""
  from biobert_jax.preprocessing.token_shards import prepare
  from biobert_jax.text.wordpiece import WordPieceTokenizer

  began = time.monotonic()
  manifest = prepare.prepare(
    flags.input,
    flags.output,
    WordPieceTokenizer.from_vocab_file(flags.vocab, flags.do_lower_case),
    workers=flags.workers,
    keep_parts=flags.keep_parts,
    **prepare_arguments(flags),
  )
  return report(manifest, flags.output, began)


COMMAND = Command(
  name='prepare-corpus',
  summary='make token shards of PubMed, PMC, plain text or JSON lines',
  about="""\
Inputs are read in the order of the patterns, and by name within each. Of
several records of an article the latest version is kept, then the one read
last, so name the baseline before the updates. The same command resumes an
interrupted run. A table of what was read, repaired and left out goes to
standard error.""",
  flags=(
    *CORPUS_FLAGS,
    Flag('workers', 'number of processes', type=int, unset='one per core'),
    Flag('keep_parts', 'leave the intermediate files in DIR/parts', False),
  ),
  examples=(
    "prepare-corpus --input 'pubmed/*.xml.gz' --output=corpus "
    '--vocab=vocab.txt --do_lower_case=false',
    'prepare-corpus --input notes.txt --output=notes --vocab=vocab.txt '
    '--do_lower_case=true --held_out=0.1',
  ),
  writes='in DIR: manifest.json, vocab.txt and the shards of each split',
  run=run,
)
