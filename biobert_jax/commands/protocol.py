"""The paper's protocol: a grid on the dev set, then seeds or folds.

The same command resumes what was interrupted; finished runs are kept.
"""

from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  from biobert_jax.protocol import protocol

  return protocol.protocol(
    flags.config,
    flags.workdir,
    flags.grid,
    flags.seeds,
    flags.folds,
    flags.processes,
    flags.corpus,
  )


FLAGS = (
  command.CONFIG,
  Flag('--workdir=DIR', 'folder of the protocol and its runs', ..., 'output'),
  Flag(
    '--grid=KEY=VALUE,VALUE;...',
    'to select from, or none',
    '',
    unset="the paper's",
  ),
  Flag('--seeds=N', 'number of test runs, of each fold where it has any', '1'),
  Flag(
    '--folds', 'folds of the corpus: 10, 1-10 or 1,3,5', '', unset='no folds'
  ),
  Flag(
    '--processes=N',
    'runs at once; auto: one per TPU or GPU chip, 1 on a CPU',
    'auto',
  ),
  Flag(
    '--corpus', "its name in the paper's tables", '', unset="its folder's name"
  ),
  command.COMPILE_CACHE,
)
EXAMPLES = (
  '--config=ner_ncbi_disease:base --workdir=runs/protocol --seeds=5 '
  '--config.init_from=MODEL',
  '--config=re_gad:base --workdir=runs/gad --folds=10',
)
COMMAND = Command(
  'protocol',
  __doc__,
  FLAGS,
  _run,
  EXAMPLES,
  writes='in DIR: ledger.jsonl, runs/NAME, table.md, .html, .csv and .json',
  exits=command.TRAINING_EXITS,
  has_config=True,
)
