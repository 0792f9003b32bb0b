"""Join the results of protocols in one table."""

from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  from biobert_jax.protocol import results_table

  return results_table.table(flags.workdirs, flags.output)


FLAGS = (
  Flag('--workdirs=DIR,DIR,...', 'folders of finished protocols', ..., 'input'),
  command.OUTPUT_FOLDER,
)
EXAMPLES = (
  '--workdirs=runs/ncbi,runs/gad --output=runs/tables',
  '--workdirs=runs/ncbi --output=runs/ncbi/table',
)
WRITES = 'in DIR: table.md, table.html and table.csv'
COMMAND = Command('table', __doc__, FLAGS, _run, EXAMPLES, WRITES)
