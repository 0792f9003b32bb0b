"""Weights out: to Hugging Face, TF1, StableHLO and ONNX.

Each export is written aside, read again and compared with the original,
and only then renamed into place.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from biobert_jax.checkpoints import (
  detect,
  huggingface,
  model_card,
  model_folder,
  name_map,
  pretrained,
)
from biobert_jax.checkpoints.formats import tensorflow
from biobert_jax.checkpoints.formats.onnx import onnx
from biobert_jax.checkpoints.formats.stablehlo import loader as stablehlo_loader
from biobert_jax.checkpoints.formats.stablehlo import stablehlo
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.errors import InputError
from biobert_jax.io.checksums import array_sha256
from biobert_jax.io.json_files import write_json
from biobert_jax.models.hf_signature import unpacked
from biobert_jax.models.param_tree import to_tree

TF_PREFIX = 'bert_model.ckpt'
# Largest difference from our own outputs, float32 on the same CPU.
TOLERANCES = {detect.STABLEHLO: 1e-6, detect.ONNX: 1e-4}
# Sentences that exports are compared and timed with.
_PROBE = (
  'Germline mutations of BRCA1 predispose to breast and ovarian cancer.',
  'Aspirin (100 mg/day) reduced the risk of myocardial infarction.',
  'p53',
  'We report IL-2 receptor expression in T cells of 12 patients with ataxia '
  'telangiectasia, a rare autosomal recessive disease; p < 0.05.',
)
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
# The folder of an ONNX export -> scores of its float32 and int8 files.
ScoreInt8 = Callable[[pathlib.Path], dict[str, Any]]


def export(
  model: Pretrained,
  form: str,
  output: str,
  overwrite: bool = False,
  score_int8: ScoreInt8 | None = None,
) -> dict[str, Any]:
  """Writes a model in another form.

  Args:
    model: the one that `load_pretrained` read.
    form: a key of `FORMATS`.
    output: the folder to write.
    overwrite: whether a folder there is replaced.
    score_int8: scores an ONNX export on the data of the model's run, where
      the caller has them.

  Returns:
    A report for the user; the comparison with our own outputs is in it.

  Raises:
    InputError: an unknown form, a model that has no parameters or does not go
      into that form, or a folder that cannot be written.
  """
  check_form(form)
  if model.source.form in detect.COMPILED:
    raise InputError(
      f'{model.source.given}: compiled for {model.source.form}, it holds no '
      'parameters to convert; give what it was exported from'
    )
  if model.head == 'entity_pair' and form in detect.COMPILED:
    raise InputError(
      f'{model.source.given}: its classifier reads where the two entities '
      f'start, which a program for {form} is not told; export it to '
      'huggingface or tensorflow, whose folders predict opens, or train with '
      'data.pooling=cls'
    )
  pretrained.check_known(model)
  reads = model.source.folder
  with model_folder.publish_folder(output, overwrite, reads) as aside:
    model.tokenizer.save(aside, model.bert.max_position_embeddings)
    checked = FORMATS[form](model, aside)
    if form == detect.ONNX and score_int8:
      checked['int8'] |= score_int8(aside)
    card = model_card.write(model, form, checked)
    (aside / model_folder.CARD).write_text(card, 'utf-8')
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
  model: Pretrained,
  aside: pathlib.Path,
  form: str,
  where: str,
  digests: dict[str, str] | None = None,
) -> None:
  record = pretrained.export_record(model, form, where)
  if digests:
    record['tensors'] = digests
  write_json(aside / model_folder.RECORD, record)


def typed(model: Pretrained) -> tuple[str, ...]:
  """Labels with the entity's type after a bare B or I.

  transformers' pipeline joins the tokens of an entity by its type; the record
  keeps the labels as they were trained.
  """
  kind = model.settings.get('entity_type')
  if model.head != 'token' or not kind:
    return model.labels
  return tuple(
    f'{label}-{kind}' if label in ('B', 'I') else label
    for label in model.labels
  )


def _write_architecture(model: Pretrained, path: pathlib.Path) -> None:
  described = huggingface.config_json(model.bert, model.head, typed(model))
  write_json(path, described)


def _huggingface(model: Pretrained, aside: pathlib.Path) -> dict[str, Any]:
  digests = huggingface.write(
    aside, model.params, model.bert, model.head, typed(model)
  )
  model.tokenizer.save(aside, model.bert.max_position_embeddings, fast=True)
  _record(model, aside, detect.HUGGINGFACE, huggingface.WEIGHTS_FILE, digests)
  pretrained.check_equal(model, pretrained.load_pretrained(aside))
  return {'tensors_bit_equal': len(digests)}


def _tensorflow(model: Pretrained, aside: pathlib.Path) -> dict[str, Any]:
  layers = model.bert.num_hidden_layers
  arrays = name_map.write(model.params, name_map.TENSORFLOW, layers)
  slots = {name: slot.read() for name, slot in model.contents.slots.items()}
  tensorflow.write(aside / TF_PREFIX, {**arrays, **slots})
  _write_architecture(model, aside / 'bert_config.json')
  digests = {name: array_sha256(array) for name, array in arrays.items()}
  _record(model, aside, detect.TENSORFLOW, TF_PREFIX, digests)
  pretrained.check_equal(model, pretrained.load_pretrained(aside))
  return {'tensors_bit_equal': len(arrays), 'slots': len(slots)}


def _stablehlo(model: Pretrained, aside: pathlib.Path) -> dict[str, Any]:
  longest = model.bert.max_position_embeddings
  stablehlo.write(aside, model.params, _function(model), longest)
  _write_architecture(model, aside / 'bert_config.json')
  _record(model, aside, detect.STABLEHLO, stablehlo_loader.PROGRAM)
  return _compare(model, stablehlo.StableHloProgram(aside), detect.STABLEHLO)


def _onnx(model: Pretrained, aside: pathlib.Path) -> dict[str, Any]:
  onnx.write(aside, model.params, model.bert, model.head)
  onnx.quantize(aside)
  _write_architecture(model, aside / 'bert_config.json')
  _record(model, aside, detect.ONNX, onnx.FILE)
  checked = _compare(model, onnx.OnnxProgram(aside), detect.ONNX)
  checked['int8'] = onnx.measure_int8(aside, probe(model))
  return checked


FORMATS: dict[str, Callable[[Pretrained, pathlib.Path], dict[str, Any]]] = {
  detect.HUGGINGFACE: _huggingface,
  detect.TENSORFLOW: _tensorflow,
  detect.STABLEHLO: _stablehlo,
  detect.ONNX: _onnx,
}


def _function(model: Pretrained) -> Callable[..., dict[str, jax.Array]]:
  """The model in the signature of transformers."""
  pooler = name_map.POOLER in model.contents.groups
  return unpacked(model.head, model.bert, len(model.labels), pooler)


def probe(model: Pretrained) -> list[Batch]:
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
  model: Pretrained, exported: Callable[..., dict[str, Any]], form: str
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
