"""`export`: a model in a form that opens elsewhere, checked there."""

import argparse
import dataclasses
import logging
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from biobert_jax import errors
from biobert_jax.commands.checkpoint_flags import (
  OUTPUT_FLAGS,
  READING_FLAGS,
  read,
)
from biobert_jax.commands.command import Command, Flag
from biobert_jax.commands.predict import MODEL

if TYPE_CHECKING:
  from biobert_jax.checkpoints.pretrained import Pretrained

_log = logging.getLogger(__name__)


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Reads a model, writes it and compares the outputs."""
  from biobert_jax.checkpoints import detect, export, model_folder

  model_folder.check_output(flags.output, flags.overwrite)
  export.check_form(flags.format)
  model = read(flags.model, flags)
  return export.export(
    model,
    flags.format,
    flags.output,
    flags.overwrite,
    int8_scorer(model) if flags.format == detect.ONNX else None,
  )


def int8_scorer(
  model: 'Pretrained',
) -> Callable[[pathlib.Path], dict[str, float]] | None:
  """What scores an int8 export on the data of the model's run.

  Args:
    model: what is exported.

  Returns:
    Folder of the export -> figures, none where the corpus has moved; None
    where the model is no work folder, or its head has no such score.
  """
  from etils import epath

  from biobert_jax.checkpoints import detect
  from biobert_jax.inference import model_runner
  from biobert_jax.training import workdir

  if model.source.form != detect.WORKDIR:
    return None
  if model.head not in model_runner.ADAPTERS:
    return None
  data = model.source.record['config']['data']
  split = data['test_split'] or data['devel_split']

  def score(folder: pathlib.Path) -> dict[str, float]:
    _log.info('scoring float32 and int8 on %s', split)
    try:
      run = workdir.from_workdir(
        epath.Path(model.source.folder), {'data.pack': False}, (split,)
      )
    except errors.InputError as error:
      _log.warning('F1 of int8 is not measured: %s', error)
      return {}
    return model_runner.score_int8(folder, model.head, run.dataset, split)

  return score


COMMAND = Command(
  name='export',
  summary='write a model in a form that opens elsewhere, checked there',
  about="""\
huggingface and tensorflow (a TF1 checkpoint) hold parameters; stablehlo and
onnx (with an int8 variant) hold a compiled program. DIR appears when it is
complete and its outputs were compared with the model's.""",
  flags=(
    dataclasses.replace(MODEL, required=True, aliases=('workdir',)),
    Flag(
      'format',
      'form to write',
      required=True,
      choices=('huggingface', 'tensorflow', 'stablehlo', 'onnx'),
    ),
    *OUTPUT_FLAGS,
    *READING_FLAGS,
  ),
  examples=(
    'export --model=runs/ncbi --format=huggingface --output=runs/ncbi/hf',
    'export --model=bert_model.ckpt --format=onnx --output=onnx',
  ),
  writes='DIR: the model, its vocabulary, a README.md and SHA256SUMS',
  run=run,
)
