"""`table`: the results of several protocols, beside the published ones."""

import argparse
from typing import Any

from biobert_jax.commands.command import OUTPUT_FOLDER, Command, Flag


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Joins the tables of protocols."""
  from biobert_jax.protocol import results_table

  return results_table.table(flags.workdirs, flags.output)


COMMAND = Command(
  name='table',
  summary='join the results of protocols in one table',
  flags=(
    Flag(
      'workdirs',
      'folders of finished protocols',
      required=True,
      metavar='DIR,DIR,...',
    ),
    OUTPUT_FOLDER,
  ),
  examples=(
    'table --workdirs=runs/ncbi,runs/gad --output=runs/tables',
    'table --workdirs=runs/ncbi --output=runs/ncbi/table',
  ),
  writes='in DIR: table.md, table.html and table.csv',
  run=run,
)
