"""Weights out: to Hugging Face, TF1, StableHLO and ONNX.

Each export is compared with the original before it is renamed into place.
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
from biobert_jax.checkpoints.formats.file_magic import refuse_nonfinite
from biobert_jax.checkpoints.formats.onnx import onnx
from biobert_jax.checkpoints.formats.stablehlo import loader, stablehlo
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.errors import InputError
from biobert_jax.io.checksums import array_sha256
from biobert_jax.io.json_files import write_json
from biobert_jax.models.hf_signature import unpacked
from biobert_jax.models.param_tree import to_tree

TF_PREFIX = 'bert_model.ckpt'
# Format -> the file or prefix that holds the tensors.
FORMATS = {
  detect.HUGGINGFACE: huggingface.WEIGHTS_FILE,
  detect.TENSORFLOW: TF_PREFIX,
  detect.STABLEHLO: loader.PROGRAM,
  detect.ONNX: onnx.FILE,
}
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
  """Writes a model in another form, and compares it with our own outputs.

  `form` is a key of `FORMATS`; `score_int8` scores an ONNX export on the data
  of the model's run. Returns a report for the user.
  """
  check_form(form)
  pretrained.check_parameters(model, 'convert')
  if model.head == 'entity_pair' and form in detect.COMPILED:
    raise InputError(
      f'{model.source.given}: its classifier reads where the two entities '
      f'start, which a program for {form} is not told; export it to '
      'huggingface or tensorflow, whose folders predict opens (give '
      '--format=huggingface), or train with --config.data.pooling=cls'
    )
  pretrained.check_known(model)
  reads = model.source.origin or model.source.folder
  with model_folder.publish_folder(output, overwrite, reads) as aside:
    model.tokenizer.save(aside, model.bert.max_position_embeddings)
    checked = _write_and_check(model, aside, form)
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
  """Refuses an unknown form."""
  if form not in FORMATS:
    raise InputError(f'--format is {form!r}; choose from {sorted(FORMATS)}')


def typed(model: Pretrained) -> tuple[str, ...]:
  """Labels with the entity's type after a bare B or I.

  transformers' pipeline joins tokens by it; the record keeps those as trained.
  """
  kind = model.settings.get('entity_type')
  if model.head != 'token' or not kind:
    return model.labels
  bare = {'B': f'B-{kind}', 'I': f'I-{kind}'}
  return tuple(bare.get(label, label) for label in model.labels)


def _write_and_check(
  model: Pretrained, aside: pathlib.Path, form: str
) -> dict[str, Any]:
  """Writes files and record, and compares what is read again with the model."""
  bert, head, params = model.bert, model.head, model.params
  about = bert, head, typed(model), model.tokenizer.pad_id
  digests: dict[str, str] = {}
  slots: dict[str, np.ndarray] = {}
  if form == detect.HUGGINGFACE:
    digests = huggingface.write(aside, params, *about)
    model.tokenizer.save(aside, bert.max_position_embeddings, fast=True)
  elif form == detect.TENSORFLOW:
    arrays = name_map.write(params, form, bert.num_hidden_layers)
    slots = model.contents.read_slots(model.source.given)
    tensorflow.write(aside / TF_PREFIX, {**arrays, **slots})
    digests = {name: array_sha256(array) for name, array in arrays.items()}
  elif form == detect.STABLEHLO:
    longest = bert.max_position_embeddings
    stablehlo.write(aside, params, _function(model), longest)
  else:
    onnx.write(aside, params, bert, head)
    onnx.quantize(aside)
  if form != detect.HUGGINGFACE:  # It has its config.json.
    described = huggingface.config_json(*about)
    write_json(aside / 'bert_config.json', described)
  record = pretrained.export_record(model, form, FORMATS[form])
  write_json(
    aside / model_folder.RECORD,
    record | ({'tensors': digests} if digests else {}),
  )
  if form == detect.STABLEHLO:
    return _compare(model, stablehlo.StableHloProgram(aside), form)
  if form == detect.ONNX:
    compared = _compare(model, onnx.OnnxProgram(aside), form)
    return compared | {'int8': onnx.measure_int8(aside, probe(model))}
  pretrained.check_equal(model, pretrained.load_pretrained(aside))
  checked = {'tensors_bit_equal': len(digests)}
  return checked | ({'slots': len(slots)} if form == detect.TENSORFLOW else {})


def _function(model: Pretrained) -> Callable[..., dict[str, jax.Array]]:
  """The model in the signature of transformers."""
  pooler = name_map.POOLER in model.contents.groups
  return unpacked(model.head, model.bert, len(model.labels), pooler)


def probe(model: Pretrained) -> list[Batch]:
  """Two small batches of real sentences, of different shape, one padded."""
  tokenizer = model.tokenizer
  longest = model.bert.max_position_embeddings - 2
  batches = []
  for texts in (_PROBE, _PROBE[:1]):
    rows = [tokenizer.encode(text)[0][:longest] for text in texts]
    length = max(map(len, rows)) + 2
    ids = np.full((len(rows), length), tokenizer.pad_id, np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
      ids[i, : len(row) + 2] = [tokenizer.cls_id, *row, tokenizer.sep_id]
      mask[i, : len(row) + 2] = 1
    batches.append((ids, mask, np.zeros_like(ids)))
  return batches


def _compare(
  model: Pretrained, exported: Callable[..., dict[str, Any]], form: str
) -> dict[str, Any]:
  """Refuses outputs that differ from ours by more than the form allows."""
  function = jax.jit(_function(model))
  params = to_tree(model.params, scan_layers=False)
  largest = 0.0
  for ids, mask, types in probe(model):
    ours = jax.device_get(function(params, ids, mask, types))
    theirs = exported(ids, mask, types)
    if ours.keys() != theirs.keys():
      raise RuntimeError(f'{form} gives {sorted(theirs)}, not {sorted(ours)}')
    for name, array in ours.items():
      other = np.asarray(theirs[name])
      refuse_nonfinite(model.source.given, f'the output {name}', array)
      refuse_nonfinite(f'the {form} export', f'the output {name}', other)
      # Padded positions mean nothing, and are computed otherwise.
      real = mask > 0 if array.shape[:2] == mask.shape else ...
      array, other = array[real], other[real]
      largest = max(largest, float(np.abs(array - other).max()))
  if not largest <= TOLERANCES[form]:
    what = f'the {form} export differs from the model by {largest:.2g}, more'
    raise RuntimeError(f'{what} than {TOLERANCES[form]:.0e}; it was not kept')
  return {'largest_difference': largest, 'tolerance': TOLERANCES[form]}
