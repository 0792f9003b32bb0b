"""Score a trained model on a split of its corpus."""

from biobert_jax.commands import command
from biobert_jax.commands.command import Command, Flag, Flags, Summary


def _run(flags: Flags) -> Summary:
  from biobert_jax.training import evaluate

  data_dir = vars(flags)['config.data.dir']
  return evaluate.evaluate(flags.workdir, flags.split, data_dir, flags.step)


FLAGS = (
  Flag(
    '--workdir=DIR', 'work folder of train', ..., 'input', aliases=('model',)
  ),
  Flag('--split', 'train, devel, train_dev, test or validation', 'test'),
  command.STEP,
  Flag('--config.data.dir=DIR', 'where the corpus is now', '', 'input'),
  command.COMPILE_CACHE,
)
EXAMPLES = (
  '--workdir=runs/ncbi',
  '--workdir=runs/pretrained --split=validation',
)
WRITES = (
  'predictions_SPLIT.* and, by task, mistakes: in the work folder, with --step '
  'in step_N/ of it'
)
COMMAND = Command('evaluate', __doc__, FLAGS, _run, EXAMPLES, WRITES)
