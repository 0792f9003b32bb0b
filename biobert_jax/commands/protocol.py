"""`protocol`: a grid on the dev set, then test runs over seeds or folds."""

import argparse
from typing import Any

from biobert_jax.commands.command import COMPILE_CACHE, OUTPUT, Command, Flag
from biobert_jax.commands.train import ABOUT_CONFIG, CONFIG, TRAINING_EXITS


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Runs a protocol, or what is left of it."""
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


COMMAND = Command(
  name='protocol',
  summary="the paper's protocol: a grid on the dev set, then seeds or folds",
  about=f"""\
The same command resumes what was interrupted; finished runs are kept.
{ABOUT_CONFIG}""",
  flags=(
    CONFIG,
    Flag(
      'workdir',
      'folder of the protocol and its runs',
      required=True,
      path=OUTPUT,
      metavar='DIR',
    ),
    Flag(
      'grid',
      'values that the dev set selects from, or none',
      '',
      metavar='KEY=VALUE,VALUE;...',
      unset="the paper's, where it has one",
    ),
    Flag(
      'seeds',
      'number of test runs, of each fold where there are folds',
      '1',
      metavar='N',
    ),
    Flag(
      'folds',
      'folds of the corpus: 10, 1-10 or 1,3,5',
      '',
      unset='a corpus without folds',
    ),
    Flag(
      'processes',
      'runs that train at once; auto: one per TPU or GPU chip, 1 on a CPU',
      default='auto',
      metavar='N',
    ),
    Flag(
      'corpus',
      "name of the corpus in the paper's tables",
      '',
      unset='the name of its folder',
    ),
    COMPILE_CACHE,
  ),
  examples=(
    'protocol --config=ner_ncbi_disease:base --workdir=runs/protocol '
    '--seeds=5 --config.init_from=MODEL',
    'protocol --config=re_gad:base --workdir=runs/gad --folds=10',
  ),
  writes='in DIR: ledger.jsonl, runs/NAME, table.md, .html, .csv and .json',
  exits=TRAINING_EXITS,
  has_config=True,
  run=run,
)
