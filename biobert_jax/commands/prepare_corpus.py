"""Make token shards of PubMed, PMC, plain text or JSON lines.

Inputs are read in the order of the patterns, and by name within each. Of
several records of an article the latest version is kept, then the one read
last, so name the baseline before the updates. The same command resumes an
interrupted run. A table of what was read, repaired and left out goes to
standard error.

Inputs in a bucket are copied to the disk a file at a time. An output in one is
prepared in a folder of $BIOBERT_CACHE (default ~/.cache/biobert_jax), which the
log names, and uploaded when it is whole, its manifest last.
"""

import functools

from biobert_jax.commands import corpus
from biobert_jax.commands.command import Command, Flag, Flags, Summary
from biobert_jax.io import storage


def _run(flags: Flags) -> Summary:
  from biobert_jax.preprocessing.token_shards import prepare

  own = {'workers': flags.workers, 'keep_parts': flags.keep_parts}
  shards = functools.partial(prepare.prepare, **own)
  return corpus.prepare(flags, shards, storage.fetch)


FLAGS = (
  *corpus.FLAGS,
  Flag('--workers', 'number of processes', type=int, unset='one per core'),
  Flag('--keep_parts', 'leave the intermediate files in DIR/parts', False),
)
EXAMPLES = (
  "--input 'pubmed/*.xml.gz' --output=corpus --vocab=vocab.txt "
  '--do_lower_case=false',
  '--input notes.txt --output=notes --vocab=vocab.txt --do_lower_case=true '
  '--held_out=0.1',
)
COMMAND = Command(
  'prepare-corpus', __doc__, FLAGS, _run, EXAMPLES, corpus.WRITES
)
