"""Weights out: to Hugging Face, TF1, StableHLO and ONNX.

Each export is written aside, read again and compared with what was meant,
and only then renamed into place.
"""

import logging
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from etils import epath

from biobert_jax import experiment, model_card, weights
from biobert_jax.errors import InputError
from biobert_jax.interchange import (
  folder,
  huggingface,
  names,
  onnx,
  source,
  stablehlo,
  stablehlo_loader,
  tensorflow,
)
from biobert_jax.models.parameters import to_tree
from biobert_jax.models.unpacked import unpacked
from biobert_jax.runner import BY_PROGRAM
from biobert_jax.weights import Model

_log = logging.getLogger(__name__)

TF_PREFIX = 'bert_model.ckpt'
# Largest difference from our own outputs, float32 on the same CPU.
TOLERANCES = {source.STABLEHLO: 1e-6, source.ONNX: 1e-4}
# Compared and timed with, where the vocabulary is no help.
_PROBE = (
  'Germline mutations of BRCA1 predispose to breast and ovarian cancer.',
  'Aspirin (100 mg/day) reduced the risk of myocardial infarction.',
  'p53',
  'We report IL-2 receptor expression in T cells of 12 patients with ataxia '
  'telangiectasia, a rare autosomal recessive disease; p < 0.05.',
)
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


def export(
  model: Model, form: str, output: str, overwrite: bool = False
) -> dict[str, Any]:
  """Writes a model in another form.

  Args:
    model: what `weights.open_model` read.
    form: a key of `FORMATS`.
    output: the folder to write.
    overwrite: whether a folder there is replaced.

  Returns:
    A report for the user; the comparison with our own outputs is in it.

  Raises:
    InputError: an unknown form, a model that has no parameters or does not go
      into that form, or a folder that cannot be written.
  """
  check_form(form)
  if model.source.form in source.COMPILED:
    raise InputError(
      f'{model.source.given}: compiled for {model.source.form}, it holds no '
      'parameters to convert; give what it was exported from'
    )
  if model.head == 'entity_pair' and form in source.COMPILED:
    raise InputError(
      f'{model.source.given}: its classifier reads where the two entities '
      f'start, which a program for {form} is not told; export it to '
      'huggingface or tensorflow, whose folders predict opens, or train with '
      'data.pooling=cls'
    )
  weights.check_known(model)
  reads = model.source.folder
  with folder.written_aside(output, overwrite, reads) as aside:
    model.tokenizer.save(aside, model.bert.max_position_embeddings)
    checked = FORMATS[form](model, aside)
    card = model_card.write(model, form, checked)
    (aside / folder.CARD).write_text(card, 'utf-8')
  return {
    'output': output,
    'format': form,
    'head': model.head,
    'tensors': len(model.params),
    'checked': checked,
  }


def check_form(form: str) -> None:
  """Refuses an unknown form.

  Raises:
    InputError: lists those there are.
  """
  if form not in FORMATS:
    raise InputError(f'--format is {form!r}; choose from {sorted(FORMATS)}')


def _record(
  model: Model,
  aside: pathlib.Path,
  form: str,
  where: str,
  digests: dict[str, str] | None = None,
) -> None:
  record = weights.record_of(model, form, where)
  if digests:
    record['tensors'] = digests
  folder.write_json(aside / folder.RECORD, record)


def typed(model: Model) -> tuple[str, ...]:
  """Labels with the entity's type after a bare B or I.

  transformers' pipeline joins the pieces of an entity by its type; the record
  keeps the labels as they were trained.
  """
  kind = model.settings.get('entity_type')
  if model.head != 'token' or not kind:
    return model.labels
  return tuple(
    f'{label}-{kind}' if label in ('B', 'I') else label
    for label in model.labels
  )


def _write_architecture(model: Model, path: pathlib.Path) -> None:
  described = huggingface.config_json(model.bert, model.head, typed(model))
  folder.write_json(path, described)


def _huggingface(model: Model, aside: pathlib.Path) -> dict[str, Any]:
  digests = huggingface.write(
    aside, model.params, model.bert, model.head, typed(model)
  )
  model.tokenizer.save(aside, model.bert.max_position_embeddings, fast=True)
  _record(model, aside, source.HUGGINGFACE, huggingface.WEIGHTS_FILE, digests)
  weights.check_equal(model, weights.open_model(aside))
  return {'tensors_bit_equal': len(digests)}


def _tensorflow(model: Model, aside: pathlib.Path) -> dict[str, Any]:
  layers = model.bert.num_hidden_layers
  arrays = names.write(model.params, names.TENSORFLOW, layers)
  slots = {name: slot.read() for name, slot in model.contents.slots.items()}
  tensorflow.write(aside / TF_PREFIX, {**arrays, **slots})
  _write_architecture(model, aside / 'bert_config.json')
  digests = {name: folder.digest(array) for name, array in arrays.items()}
  _record(model, aside, source.TENSORFLOW, TF_PREFIX, digests)
  weights.check_equal(model, weights.open_model(aside))
  return {'tensors_bit_equal': len(arrays), 'slots': len(slots)}


def _stablehlo(model: Model, aside: pathlib.Path) -> dict[str, Any]:
  longest = model.bert.max_position_embeddings
  stablehlo.write(aside, model.params, _function(model), longest)
  _write_architecture(model, aside / 'bert_config.json')
  _record(model, aside, source.STABLEHLO, stablehlo_loader.PROGRAM)
  return _compare(model, stablehlo.Model(aside), source.STABLEHLO)


def _onnx(model: Model, aside: pathlib.Path) -> dict[str, Any]:
  onnx.write(aside, model.params, model.bert, model.head)
  onnx.quantize(aside)
  _write_architecture(model, aside / 'bert_config.json')
  _record(model, aside, source.ONNX, onnx.FILE)
  checked = _compare(model, onnx.Model(aside), source.ONNX)
  checked['int8'] = onnx.measure_int8(aside, probe(model))
  checked['int8'] |= _score_int8(model, aside)
  return checked


def _score_int8(model: Model, aside: pathlib.Path) -> dict[str, Any]:
  """What int8 costs in F1 and brings in speed, on the corpus of the run.

  Empty where the model comes from no work folder, its corpus has moved, or its
  head has no such score.
  """
  if model.source.form != source.WORKDIR or model.head not in BY_PROGRAM:
    return {}
  data = model.source.record['config']['data']
  split = data['test_split'] or data['devel_split']
  # Neither program knows packed rows.
  _log.info('scoring float32 and int8 on %s', split)
  workdir, overrides = epath.Path(model.source.folder), {'data.pack': False}
  try:
    run = experiment.from_workdir(workdir, overrides, (split,))
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


FORMATS: dict[str, Callable[[Model, pathlib.Path], dict[str, Any]]] = {
  source.HUGGINGFACE: _huggingface,
  source.TENSORFLOW: _tensorflow,
  source.STABLEHLO: _stablehlo,
  source.ONNX: _onnx,
}


def _function(model: Model) -> Callable[..., dict[str, jax.Array]]:
  """The model in the signature of transformers."""
  pooler = names.POOLER in model.contents.groups
  return unpacked(model.head, model.bert, len(model.labels), pooler)


def probe(model: Model) -> list[Batch]:
  """Two small batches of real sentences, of different shape, one padded."""
  longest = model.bert.max_position_embeddings - 2
  batches = []
  for texts in (_PROBE, _PROBE[:1]):
    rows = [model.tokenizer.encode(text)[0][:longest] for text in texts]
    rows = [
      [model.tokenizer.cls_id, *row, model.tokenizer.sep_id] for row in rows
    ]
    length = max(map(len, rows))
    ids = np.full((len(rows), length), model.tokenizer.pad_id, np.int64)
    for i, row in enumerate(rows):
      ids[i, : len(row)] = row
    lengths = np.asarray([len(row) for row in rows])
    mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
    batches.append((ids, mask, np.zeros_like(ids)))
  return batches


def _compare(
  model: Model, exported: Callable[..., dict[str, Any]], form: str
) -> dict[str, Any]:
  """The largest difference of an export's outputs from ours.

  Raises:
    RuntimeError: it is larger than the form allows; a fault of ours.
  """
  function = jax.jit(_function(model))
  params = to_tree(model.params, scan_layers=False)
  largest = 0.0
  for ids, mask, types in probe(model):
    ours = jax.device_get(function(params, ids, mask, types))
    theirs = exported(ids, mask, types)
    if ours.keys() != theirs.keys():
      raise RuntimeError(f'{form} gives {sorted(theirs)}, not {sorted(ours)}')
    for name, array in ours.items():
      gap = np.abs(array - np.asarray(theirs[name]))
      # Padded positions mean nothing, and are computed otherwise.
      if gap.shape[:2] == mask.shape:
        gap = gap[mask > 0]
      largest = max(largest, float(gap.max()))
  if not largest <= TOLERANCES[form]:
    raise RuntimeError(
      f'the {form} export differs from the model by {largest:.2g}, more than '
      f'{TOLERANCES[form]:.0e}; it was not kept'
    )
  return {'largest_difference': largest, 'tolerance': TOLERANCES[form]}
