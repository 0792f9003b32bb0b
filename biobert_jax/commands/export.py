"""Write a model in a form that opens elsewhere, checked there.

huggingface and tensorflow (a TF1 checkpoint) hold parameters; stablehlo and
onnx (with an int8 variant) hold a compiled program. DIR appears when it is
complete and its outputs were compared with the model's.
"""

import logging
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from biobert_jax import errors
from biobert_jax.commands import checkpoint_flags, command
from biobert_jax.commands.command import Command, Flag, Flags, Summary

if TYPE_CHECKING:
  from biobert_jax.checkpoints.pretrained import Pretrained

_log = logging.getLogger(__name__)


def _run(flags: Flags) -> Summary:
  from biobert_jax.checkpoints import detect, export, model_folder

  model_folder.check_output(flags.output, flags.overwrite)
  export.check_form(flags.format)
  model = checkpoint_flags.read(flags)
  scorer = int8_scorer(model) if flags.format == detect.ONNX else None
  return export.export(
    model, flags.format, flags.output, flags.overwrite, scorer
  )


def int8_scorer(
  model: 'Pretrained',
) -> Callable[[pathlib.Path], dict[str, float]] | None:
  """The function that scores an int8 export on the data of the model's run.

  Returns:
    Folder of the export -> figures, none where the corpus has moved; None
    where the model is no work folder, or its head has no such score.
  """
  from biobert_jax.checkpoints import detect
  from biobert_jax.inference import model_runner
  from biobert_jax.training import workdir

  is_run = model.source.form == detect.WORKDIR
  if not is_run or model.head not in model_runner.HEADS:
    return None
  data = model.source.record['config']['data']
  split = data['test_split'] or data['devel_split']

  def score(folder: pathlib.Path) -> dict[str, float]:
    _log.info('scoring float32 and int8 on %s', split)
    try:
      options = {'data.pack': False}
      run = workdir.from_workdir(model.source.run, options, (split,))
    except errors.InputError as error:
      _log.warning('F1 of int8 is not measured: %s', error)
      return {}
    return model_runner.score_int8(folder, model.head, run.dataset, split)

  return score


FLAGS = (
  command.model('workdir'),
  Flag('--format=huggingface|tensorflow|stablehlo|onnx', 'form to write', ...),
  *checkpoint_flags.OUTPUT,
  *checkpoint_flags.READING,
)
EXAMPLES = (
  '--model=runs/ncbi --format=huggingface --output=runs/ncbi/hf',
  '--model=bert_model.ckpt --format=onnx --output=onnx',
)
WRITES = 'DIR: the model, its vocabulary, a README.md and SHA256SUMS'
COMMAND = Command('export', __doc__, FLAGS, _run, EXAMPLES, WRITES)
