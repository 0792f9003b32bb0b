"""`train`: a config and a work folder -> a trained model with its scores."""

import argparse
from typing import Any

from biobert_jax import errors
from biobert_jax.commands.command import (
  COMPILE_CACHE,
  OUTPUT,
  USUAL_EXITS,
  Command,
  Flag,
)

CONFIG = Flag(
  'config',
  'experiment: a name as ner_ncbi_disease:base, or a path FILE.py:SIZE',
  required=True,
  metavar='NAME:SIZE',
)
ABOUT_CONFIG = (
  'Any key of the config is set by --config.KEY=VALUE, such as\n'
  '--config.optim.learning_rate=3e-5.'
)
TRAINING_EXITS = tuple(
  sorted((*USUAL_EXITS, errors.EXIT_DIVERGED, errors.EXIT_PREEMPTED))
)


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Trains on one host, or as one host of several."""
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


COMMAND = Command(
  name='train',
  summary='pre-train or fine-tune a model, or resume an interrupted run',
  about=f"""\
The same command resumes an interrupted run bit-exactly, from its last
checkpoint. SIGTERM and Ctrl-C save the state first.
{ABOUT_CONFIG}""",
  flags=(
    CONFIG,
    Flag(
      'workdir',
      'work folder: new, or that of the run to resume',
      required=True,
      path=OUTPUT,
      metavar='DIR',
    ),
    Flag(
      'multihost',
      'this process is one host of a TPU slice or a cluster that JAX detects',
      False,
    ),
    Flag(
      'coordinator',
      'where JAX detects no cluster: ADDRESS:PORT of the first host',
      '',
      metavar='ADDRESS:PORT',
    ),
    Flag('num_hosts', 'where JAX detects no cluster: the number of hosts', 0),
    Flag(
      'host', 'where JAX detects no cluster: the number of this host, from 0', 0
    ),
    COMPILE_CACHE,
  ),
  examples=(
    'train --config=quickstart:tiny --workdir=runs/sample',
    'train --config=ner_ncbi_disease:base --workdir=runs/ncbi '
    '--config.init_from=MODEL',
  ),
  writes='in DIR: config.json, checkpoints, best/, model/, metrics.jsonl, '
  'results.json, predictions, curves.png',
  exits=TRAINING_EXITS,
  has_config=True,
  run=run,
)
