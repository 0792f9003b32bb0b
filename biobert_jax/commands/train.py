"""Pre-train or fine-tune a model, or resume an interrupted run.

The same command resumes an interrupted run bit-exactly, from its last
checkpoint. SIGTERM and Ctrl-C save the state first.
"""

from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  # Only now: wrong flags should not wait for JAX.
  from biobert_jax.parallel import multihost

  several = flags.multihost or flags.num_hosts
  if several:
    multihost.initialize(flags.coordinator, flags.num_hosts, flags.host)
  from biobert_jax.training import train

  given = (flags.config, flags.workdir)
  if several:
    return multihost.run_on_all_hosts(train.train, *given)
  return train.train(*given)


FLAGS = (
  command.CONFIG,
  Flag(
    '--workdir=DIR',
    'work folder: new, or that of the run to resume',
    ...,
    'output',
  ),
  Flag(
    '--multihost',
    'this process is one host of a TPU slice or a cluster that JAX detects',
    False,
  ),
  Flag(
    '--coordinator=ADDRESS:PORT',
    'where JAX detects no cluster: ADDRESS:PORT of the first host',
    '',
  ),
  Flag('--num_hosts', 'where JAX detects no cluster: the number of hosts', 0),
  Flag(
    '--host', 'where JAX detects no cluster: number of this host, from 0', 0
  ),
  command.COMPILE_CACHE,
)
EXAMPLES = (
  '--config=quickstart:tiny --workdir=runs/sample',
  '--config=ner_ncbi_disease:base --workdir=runs/ncbi --config.init_from=MODEL',
)
WRITES = (
  'in DIR: config.json, checkpoints, best/, model/, metrics.jsonl, '
  'results.json, predictions, curves.png'
)
COMMAND = Command(
  'train',
  __doc__,
  FLAGS,
  _run,
  EXAMPLES,
  WRITES,
  exits=command.TRAINING_EXITS,
  has_config=True,
)
