"""Pre-train or fine-tune a model, or resume an interrupted run.

The same command resumes an interrupted run bit-exactly, from its last
checkpoint. SIGTERM and Ctrl-C save the state first. --config.train.steps may
grow then: from there on the schedule is that of the new length.
"""

from biobert_jax import errors
from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  # Only now: wrong flags should not wait for JAX.
  from biobert_jax.parallel import multihost

  several = flags.multihost or flags.num_hosts
  if several:
    job = (flags.coordinator, flags.num_hosts, flags.host)
    multihost.initialize(*job, flags.startup_timeout)
  from biobert_jax.training import train

  given = (flags.config, flags.workdir, flags.continue_as)
  if several:
    return multihost.run_on_all_hosts(train.train, *given)
  return train.train(*given)


FLAGS = (
  command.CONFIG,
  Flag('--workdir=DIR', 'work folder: new, or to resume', ..., 'output'),
  Flag(
    '--continue_as=DIR',
    'new folder: continue the run there, with another rate, batch or schedule',
    '',
    'output',
  ),
  Flag('--multihost', 'this is one host of a slice that JAX detects', False),
  Flag(
    '--coordinator=ADDRESS:PORT', 'the first host, where JAX detects none', ''
  ),
  Flag('--num_hosts', 'number of hosts, where JAX detects none', 0),
  Flag('--host', 'number of this host, from 0, where JAX detects none', 0),
  Flag(
    '--startup_timeout',
    'seconds to wait for hosts that are missing',
    900.0,
    range=errors.POSITIVE,
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
