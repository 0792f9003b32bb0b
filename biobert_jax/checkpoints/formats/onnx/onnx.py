"""Our parameters -> an ONNX file, its int8 sibling, and both run on a CPU.

One file holds everything, up to protobuf's 2 GB (BERT-large has 1.3).
"""

import importlib
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biobert_jax.checkpoints.formats.file_magic import refuse_nonfinite
from biobert_jax.checkpoints.formats.onnx.graph import INPUTS, WORD_TABLE, build
from biobert_jax.errors import InputError
from biobert_jax.io.atomic import staged
from biobert_jax.models.config import BertConfig

FILE = 'model.onnx'
INT8_FILE = 'model_int8.onnx'
_LIMIT = 2**31  # Bytes of a protobuf.
_INSTALL = 'pip install onnx==1.23.2 onnxruntime==1.32.0'

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


def _optional(module: str) -> Any:
  try:
    return importlib.import_module(module)
  except ImportError as error:
    package = module.split('.')[0]
    why = f'{package} is not installed; run: {_INSTALL}'
    raise InputError(why) from error


def write(
  directory: str | pathlib.Path,
  flat: Mapping[str, np.ndarray],
  config: BertConfig,
  head: str,
) -> None:
  """Writes `model.onnx`: opset 20, any batch size and length.

  Inputs are int64 [batch, sequence]; outputs `last_hidden_state` and those of
  the head, named as in Hugging Face's transformers. See `graph.build`.
  """
  onnx = _optional('onnx')
  model, weights = build(flat, config, head)
  total = model.ByteSize() + sum(array.nbytes for array in weights.values())
  if total >= _LIMIT:
    raise InputError(
      f'ONNX: {total / 1e9:.1f} GB of weights, but one file holds 2 GB at '
      'most; export this model as StableHLO'
    )
  for path, array in weights.items():
    array = np.asarray(array, np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(array, path))
  with staged(pathlib.Path(directory) / FILE) as aside:
    onnx.save(model, aside)


def quantize(directory: str | pathlib.Path) -> None:
  """Writes `model_int8.onnx` beside `model.onnx`.

  Weights become int8 with one scale a column, of which seven bits are used:
  processors without VNNI (x86 before 2019) overflow on eight, without a word.
  Measured with 6 layers on the NCBI disease corpus (cosine of tokens' vectors
  with those of float32, mean and lowest): one scale a matrix .952 and .709; a
  column .990 and .955, of seven bits .989 and .958.
  """
  source = pathlib.Path(directory) / FILE
  target = source.with_name(INT8_FILE)
  onnx, quantization = _optional('onnx'), _optional('onnxruntime.quantization')
  if not source.is_file():
    raise InputError(f'{source}: no such file; export the model first')
  nodes = onnx.load(source, load_external_data=False).graph.node
  # A tied decoder needs the float32 table, so int8 would be a second copy.
  tied = any(n.op_type == 'Gemm' and WORD_TABLE in n.input for n in nodes)
  lookups = [n.name for n in nodes if WORD_TABLE in n.input]
  with staged(target) as aside:
    quantization.quantize_dynamic(
      source,
      aside,
      weight_type=quantization.QuantType.QInt8,
      per_channel=True,
      reduce_range=True,
      nodes_to_exclude=lookups if tied else [],
    )


class OnnxProgram:
  """An ONNX file on the processor's cores, called as `StableHloProgram`."""

  def __init__(self, path: str | pathlib.Path, int8: bool = False):
    """Loads a file, or that of a folder; `int8` takes the folder's int8."""
    onnxruntime = _optional('onnxruntime')
    state = _optional('onnxruntime.capi.onnxruntime_pybind11_state')
    path = pathlib.Path(path)
    if path.is_dir():
      path = path / (INT8_FILE if int8 else FILE)
    if not path.is_file():
      raise InputError(f'{path}: no such file; export the model first')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    failures = (
      *(state.InvalidProtobuf, state.InvalidGraph, state.InvalidArgument),
      *(state.Fail, state.NotImplemented, state.RuntimeException),
    )
    try:
      cpu = ['CPUExecutionProvider']
      self._session = onnxruntime.InferenceSession(path, options, cpu)
    except failures as error:
      first = str(error).splitlines()[0]
      raise InputError(f'{path}: not an ONNX model ({first})') from error
    properties = self._session.get_modelmeta().custom_metadata_map
    if 'max_position_embeddings' not in properties:
      raise InputError(f'{path}: an ONNX model, but not one exported here')
    self.path = path
    self.max_length = int(properties['max_position_embeddings'])
    self._refused = state.InvalidArgument
    self._names = [output.name for output in self._session.get_outputs()]

  def __call__(self, *given: np.ndarray) -> dict[str, np.ndarray]:
    """Runs a batch of the three `INPUTS`, each [batch, sequence].

    The outputs are float32, by name; vectors at padding mean nothing.
    """
    shapes = [np.shape(array) for array in given]
    if len(set(shapes)) > 1 or len(shapes[0]) != 2 or 0 in shapes[0]:
      what = f'{self.path}: takes three arrays of one shape [batch, sequence]'
      raise InputError(f'{what}, not {shapes}')
    if shapes[0][1] > self.max_length:
      what = f'{self.path}: {shapes[0][1]} tokens, more than {self.max_length}'
      raise InputError(f'{what}; cut the text into windows')
    arrays = [np.asarray(array, np.int64) for array in given]
    feed = dict(zip(INPUTS, arrays, strict=True))
    try:
      arrays = self._session.run(self._names, feed)
    except self._refused as error:
      first = str(error).splitlines()[0]
      raise InputError(f'{self.path}: refuses the batch ({first})') from error
    return dict(zip(self._names, arrays, strict=True))


def _decisions(outputs: Mapping[str, np.ndarray], mask: np.ndarray) -> Any:
  """The decisions that the logits lead to, one row per decision."""
  real = mask != 0
  made: list[np.ndarray] = [np.zeros(0)]
  for name, array in outputs.items():
    if name in ('start_logits', 'end_logits'):
      array = np.where(real, array, -np.inf)
    if name.endswith('logits'):
      if array.ndim == 3:
        array = array[real]
      # One logit: yes or no.
      made.append(array > 0 if array.ndim == 1 else array.argmax(-1))
  return np.concatenate(made)


def measure_int8(
  directory: str | pathlib.Path, batches: Sequence[Batch]
) -> dict[str, float]:
  """The loss and the speed of int8, on the caller's own batches of real text.

  Returns:
    'max_abs_diff', 'mean_cosine' and 'min_cosine' of `last_hidden_state` at
    real tokens; 'same_decisions', the share (0-1) of equal decisions by the
    logits (absent without a head); 'speed_ratio', float32's seconds by
    int8's, both models taking turns on every batch.
  """
  models = OnnxProgram(directory), OnnxProgram(directory, int8=True)
  seconds = [0.0, 0.0]
  differences, cosines, same = [], [], []
  for model in models:
    model(*batches[0])  # The first run allocates.
  for batch in batches:
    results = []
    for i, model in enumerate(models):
      start = time.perf_counter()
      results.append(model(*batch))
      seconds[i] += time.perf_counter() - start
    real = batch[1] != 0
    for model, outputs in zip(models, results, strict=True):
      for name, array in outputs.items():
        refuse_nonfinite(model.path, f'the output {name}', array)
    x, y = (result['last_hidden_state'][real] for result in results)
    differences.append(np.abs(x - y).max())
    norms = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    # Where both are zeros, they are the same.
    cosine = (x * y).sum(-1) / np.where(norms > 0, norms, 1)
    cosines.append(np.where(norms > 0, cosine, (x == y).all(-1)))
    exact, rounded = (_decisions(result, batch[1]) for result in results)
    same.append(exact == rounded)
  every = np.concatenate(cosines)
  figures = {
    'max_abs_diff': float(np.max(differences)),
    'mean_cosine': float(np.mean(every)),
    'min_cosine': float(np.min(every)),
    'speed_ratio': seconds[0] / seconds[1],
  }
  if (equal := np.concatenate(same)).size:
    figures['same_decisions'] = float(equal.mean())
  return figures
