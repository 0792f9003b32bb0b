"""Tensors in a TensorFlow checkpoint (`PREFIX.index`, `PREFIX.data-...`).

TensorFlow reads and writes them, and compares the CRC32C of every tensor.
"""

import contextlib
import functools
import heapq
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from biobert_jax.checkpoints.formats.file_magic import (
  LazyTensor,
  read_start,
  refused,
  shown,
)
from biobert_jax.errors import InputError
from biobert_jax.io.atomic import publish, write_text

_INDEX = '.index'
# In a TF2 object checkpoint: its graph, and what ends its variables' keys.
OBJECT_GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH'
_VALUE = '/.ATTRIBUTES/VARIABLE_VALUE'
_NUMBERED = re.compile(r'layer(_with_weights)?-\d+')
_STATE = 'checkpoint'  # Beside checkpoints: a text proto that names the last.
_STATE_LINE = re.compile(r'^\s*model_checkpoint_path:\s*"(.*)"\s*$', re.M)


def find_prefix(path: str | os.PathLike[str]) -> pathlib.Path | None:
  """The prefix of the checkpoint at a path, a prefix or a folder, or None.

  Of several in a folder it is the one that the `checkpoint` file names.
  """
  path = pathlib.Path(path)
  if path.with_name(path.name + _INDEX).is_file():
    return path
  if not path.is_dir():
    return None
  found = sorted(p for p in path.glob('*' + _INDEX) if p.is_file())
  prefixes = [p.with_name(p.name.removesuffix(_INDEX)) for p in found]
  if len(prefixes) <= 1:
    return prefixes[0] if prefixes else None
  last = None
  with contextlib.suppress(OSError):
    text = (path / _STATE).read_text('utf-8', errors='replace')
    last = _STATE_LINE.search(text)
  # Often the full path on the machine that trained, so only the end counts.
  if last and (named := path / pathlib.PurePosixPath(last[1]).name) in prefixes:
    return named
  raise InputError(
    f'{path}: holds {len(prefixes)} checkpoints; name the one that you mean: '
    + ', '.join(str(p) for p in prefixes[:8])
    + (', ...' if len(prefixes) > 8 else '')
  )


def read(prefix: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """Reads names, shapes and types; the arrays are read on demand.

  Slots of the optimizer and the int64 scalar `global_step` are among them.
  """
  prefix = pathlib.Path(prefix)
  _check_data(prefix)
  return list_tensors(prefix)


def list_tensors(prefix: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """As `read`, but the data files need not be there until a tensor is read."""
  prefix = pathlib.Path(prefix)
  index = prefix.with_name(prefix.name + _INDEX)
  read_start(index)
  tf = _tensorflow(prefix)
  with refused(f'{index}: cut or damaged', _faults(tf), text=_one_line):
    reader = tf.train.load_checkpoint(str(prefix))
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()

  def read_tensor(name: str) -> np.ndarray:
    _check_data(prefix)
    what = f'{shown(name)} cannot be read, the file is cut or damaged'
    with refused(f'{prefix}.data-*: {what}', _faults(tf), text=_one_line):
      return np.asarray(reader.get_tensor(name))

  others: dict[str, tuple[str, ...]] = {}
  if OBJECT_GRAPH in shapes:
    others = _other_names(read_tensor(OBJECT_GRAPH))
  tensors = {}
  for key in sorted(shapes):
    name = key.removesuffix(_VALUE)
    if '/.ATTRIBUTES/' in name:
      continue  # Settings of an object, as text.
    read, also = functools.partial(read_tensor, key), others.get(key, ())
    sizes, dtype = tuple(shapes[key]), dtypes[key].name
    tensors[name] = LazyTensor(sizes, dtype, read, also)
  return tensors


def _other_names(graph: np.ndarray) -> dict[str, tuple[str, ...]]:
  """Key -> the variable's name, and its place by attributes with names.

  They are of the graph in a TF2 object checkpoint, whose keys go by
  `layer_with_weights-1` where an attribute is called `classifier`.
  """
  from tensorflow.core.protobuf import trackable_object_graph_pb2

  parsed = trackable_object_graph_pb2.TrackableObjectGraph()
  parsed.ParseFromString(graph.item())
  places: dict[int, tuple[str, ...]] = {}
  ahead: list[tuple[int, int, tuple[str, ...], int]] = [(0, 0, (), 0)]
  while ahead:
    numbered, length, place, at = heapq.heappop(ahead)
    if at in places or at >= len(parsed.nodes):
      continue
    places[at] = place
    for child in parsed.nodes[at].children:
      more = bool(_NUMBERED.fullmatch(child.local_name))
      there = (*place, child.local_name)
      heapq.heappush(ahead, (numbered + more, length + 1, there, child.node_id))
  return {
    one.checkpoint_key: (one.full_name, '/'.join(places.get(at, ())))
    for at, node in enumerate(parsed.nodes)
    for one in node.attributes
  }


def _check_data(prefix: pathlib.Path) -> None:
  """Raises where a data file is missing."""
  try:
    names = [p.name for p in prefix.parent.iterdir() if p.is_file()]
  except OSError as error:
    raise InputError(f'{prefix.parent}: {error.strerror}') from error
  pattern = re.compile(re.escape(prefix.name) + r'\.data-(\d{5})-of-(\d{5})')
  parts: dict[int, set[int]] = {}
  for name in names:
    if match := pattern.fullmatch(name):
      parts.setdefault(int(match[2]), set()).add(int(match[1]))
  missing = [
    f'{prefix}.data-{i:05}-of-{total:05}'
    for total in sorted(parts) or [1]
    for i in range(total)
    if i not in parts.get(total, set())
  ]
  if missing:
    what = f'{missing[0]}: no such file; the weights lie in it'
    raise InputError(f'{what}, copy it beside {prefix.name}{_INDEX}')


def write(
  prefix: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]
) -> None:
  """Writes a checkpoint that TF 1.x and 2.x read by variable names.

  A `checkpoint` file beside it names it. Types are kept.
  """
  prefix = pathlib.Path(prefix)
  tf = _tensorflow(prefix)
  aside = prefix.with_name(prefix.name + '.tmp')
  # The data comes first and the index last: without it there is none.
  endings = ('.data-00000-of-00001', _INDEX)
  names = sorted(arrays)
  try:
    with tf.device('CPU'):
      tf.raw_ops.SaveV2(
        prefix=str(aside),
        tensor_names=names,
        shape_and_slices=[''] * len(names),
        tensors=[_tensor(tf, arrays[name]) for name in names],
      )
    for ending in endings:
      publish(f'{aside}{ending}', f'{prefix}{ending}')
    # Names the checkpoint as the last one, relative to its folder.
    name = prefix.name.replace('\\', '\\\\').replace('"', '\\"')
    last, every = 'model_checkpoint_path', 'all_model_checkpoint_paths'
    text = f'{last}: "{name}"\n{every}: "{name}"\n'
    write_text(prefix.with_name(_STATE), text)
  except _faults(tf) as error:
    for ending in endings:
      with contextlib.suppress(OSError):
        pathlib.Path(f'{aside}{ending}').unlink(missing_ok=True)
    why = _one_line(error)
    raise InputError(f'{prefix}: cannot be written ({why})') from error


def _tensor(tf: Any, array: np.ndarray) -> Any:
  """A tensor that shares the array's memory: `tf.constant` copies it twice."""
  if array.dtype != np.float32:
    return tf.constant(array)
  shared = np.require(array, requirements=['C', 'W'])
  return tf.experimental.dlpack.from_dlpack(shared.__dlpack__())


def _tensorflow(prefix: pathlib.Path) -> Any:
  """TensorFlow, told to be quiet and to leave accelerators to JAX."""
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')
  try:
    import tensorflow as tf
  except ImportError as error:
    raise InputError(
      f"{prefix}: TF checkpoints need TensorFlow: pip install 'biobert-jax"
      "[train]'; Hugging Face folders (model.safetensors, pytorch_model.bin) "
      'are read and written without it'
    ) from error
  with contextlib.suppress(RuntimeError):  # Devices are in use already.
    tf.config.set_visible_devices([], 'GPU')
  return tf


def _faults(tf: Any) -> tuple[type[Exception], ...]:
  # The checkpoint reader raises by the status: a short read is an IndexError.
  return (tf.errors.OpError, OSError, IndexError, RuntimeError, ValueError)


def _one_line(error: object) -> str:
  return shown(' '.join(str(error).split())[:180])
