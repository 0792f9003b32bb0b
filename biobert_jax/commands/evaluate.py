"""`evaluate`: scores a trained model on a split of its corpus."""

import argparse
from typing import Any

from biobert_jax.commands.command import COMPILE_CACHE, INPUT, Command, Flag

_DATA = 'config.data.dir'


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Scores the best parameters of a work folder."""
  from biobert_jax.training import evaluate

  return evaluate.evaluate(flags.workdir, flags.split, vars(flags)[_DATA])


COMMAND = Command(
  name='evaluate',
  summary='score a trained model on a split of its corpus',
  flags=(
    Flag(
      'workdir',
      'work folder of train',
      required=True,
      path=INPUT,
      metavar='DIR',
      aliases=('model',),
    ),
    Flag(
      'split',
      'train, devel, train_dev or test; of pre-training, train or validation',
      'test',
    ),
    Flag(
      _DATA,
      'where the corpus is now, if it has moved',
      '',
      path=INPUT,
      metavar='DIR',
    ),
    COMPILE_CACHE,
  ),
  examples=(
    'evaluate --workdir=runs/ncbi',
    'evaluate --workdir=runs/pretrained --split=validation',
  ),
  writes='in the work folder: predictions_SPLIT.* and, by task, mistakes',
  run=run,
)
