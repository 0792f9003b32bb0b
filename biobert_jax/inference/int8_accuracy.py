"""Scores of an int8 export beside the original's, on the run's own data."""

import logging
import pathlib
import time
from typing import Any

from etils import epath

from biobert_jax.checkpoints import (
  detect,
)
from biobert_jax.checkpoints.formats.onnx import onnx
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.errors import InputError
from biobert_jax.inference.model_runner import BY_PROGRAM
from biobert_jax.training import workdir as training_workdir

_log = logging.getLogger(__name__)


def score_int8(model: Pretrained, aside: pathlib.Path) -> dict[str, Any]:
  """What int8 costs in F1 and brings in speed, on the corpus of the run.

  Empty where the model comes from no work folder, its corpus has moved, or its
  head has no such score.
  """
  if model.source.form != detect.WORKDIR or model.head not in BY_PROGRAM:
    return {}
  data = model.source.record['config']['data']
  split = data['test_split'] or data['devel_split']
  # Neither program knows packed rows.
  _log.info('scoring float32 and int8 on %s', split)
  workdir, overrides = epath.Path(model.source.folder), {'data.pack': False}
  try:
    run = training_workdir.from_workdir(workdir, overrides, (split,))
  except InputError as error:
    _log.warning('F1 of int8 is not measured: %s', error)
    return {}
  rows, figures, seconds = run.dataset.rows(split), {}, {}
  for name, int8 in (('float32', False), ('int8', True)):
    program = onnx.Model(aside, int8=int8)
    began = time.perf_counter()
    outputs = list(BY_PROGRAM[model.head](program, rows, True))
    seconds[name] = time.perf_counter() - began
    scored = run.dataset.score(split, iter(outputs))
    measure = 'f1' if 'f1' in scored.figures else 'macro_f1'
    figures[f'{split}_{measure}_{name}'] = scored.figures[measure]
  figures['sentences_per_second'] = rows.num_rows / seconds['int8']
  figures['speed_ratio'] = seconds['float32'] / seconds['int8']
  return figures
