"""Score a trained model on a split of its corpus."""

from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary

_DATA = Flag(
  '--config.data.dir=DIR',
  'where the corpus is now, if it has moved',
  '',
  'input',
)


def _run(flags: Flags) -> Summary:
  from biobert_jax.training import evaluate

  return evaluate.evaluate(flags.workdir, flags.split, vars(flags)[_DATA.name])


FLAGS = (
  Flag(
    '--workdir=DIR', 'work folder of train', ..., 'input', aliases=('model',)
  ),
  Flag(
    '--split',
    'train, devel, train_dev or test; of pre-training, train or validation',
    'test',
  ),
  _DATA,
  command.COMPILE_CACHE,
)
EXAMPLES = (
  '--workdir=runs/ncbi',
  '--workdir=runs/pretrained --split=validation',
)
WRITES = 'in the work folder: predictions_SPLIT.* and, by task, mistakes'
COMMAND = Command('evaluate', __doc__, FLAGS, _run, EXAMPLES, WRITES)
