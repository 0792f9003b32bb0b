"""Tensors in a TensorFlow checkpoint (`PREFIX.index`, `PREFIX.data-...`).

TensorFlow itself reads and writes them, and compares the CRC32C of every
tensor. It is imported when the first is needed.
"""

import contextlib
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from biobert_jax.checkpoints.formats.file_magic import read_start, shown
from biobert_jax.checkpoints.formats.lazy_tensor import LazyTensor
from biobert_jax.errors import InputError
from biobert_jax.io.atomic import write_text

_INDEX = '.index'
_STATE = 'checkpoint'  # Beside checkpoints: a text proto that names the last.
_STATE_LINE = re.compile(r'^\s*model_checkpoint_path:\s*"(.*)"\s*$', re.M)
_DATA = r'\.data-(\d{5})-of-(\d{5})'


def find_prefix(path: str | os.PathLike[str]) -> pathlib.Path | None:
  """Finds the checkpoint that lies at a path. Does not need TensorFlow.

  Args:
    path: a prefix (`.../bert_model.ckpt`) or a folder.

  Returns:
    The prefix; of several in a folder, the one that its `checkpoint` file
    names. None where there is no `.index` file.

  Raises:
    InputError: several, and no `checkpoint` file that names one of them.
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
  named = path / _named_by_state_file(path)
  if named in prefixes:
    return named
  raise InputError(
    f'{path}: holds {len(prefixes)} checkpoints; name the one that you mean: '
    + ', '.join(str(p) for p in prefixes[:8])
    + (', ...' if len(prefixes) > 8 else '')
  )


def _named_by_state_file(folder: pathlib.Path) -> str:
  """The file name of the last checkpoint; '' where none is named."""
  try:
    text = (folder / _STATE).read_text('utf-8', errors='replace')
  except OSError:
    return ''
  match = _STATE_LINE.search(text)
  # Often the full path on the machine that trained, so only the end counts.
  return pathlib.PurePosixPath(match[1]).name if match else ''


def read(prefix: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """Reads names, shapes and types; the arrays are read on demand.

  Args:
    prefix: of the checkpoint, as `find_prefix` gives it.

  Returns:
    variable's name -> tensor, not yet read. Slots of the optimizer and the
    int64 scalar `global_step` are among them.

  Raises:
    InputError: a missing, damaged or cut file, or no TensorFlow.
  """
  prefix = pathlib.Path(prefix)
  _check_data(prefix)
  return list_tensors(prefix)


def list_tensors(prefix: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """As `read`, where the data files need not be there.

  Args:
    prefix: of the checkpoint.

  Returns:
    variable's name -> tensor; reading one asks for the data files.

  Raises:
    InputError: a missing, damaged or cut index, or no TensorFlow.
  """
  prefix = pathlib.Path(prefix)
  index = prefix.with_name(prefix.name + _INDEX)
  read_start(index)
  tf = _tensorflow(prefix)
  try:
    reader = tf.train.load_checkpoint(str(prefix))
    shapes = reader.get_variable_to_shape_map()
    dtypes = reader.get_variable_to_dtype_map()
  except _faults(tf) as error:
    raise InputError(
      f'{index}: cut or damaged ({_one_line(error)}); copy it again'
    ) from error
  return {
    name: _stored(tf, reader, prefix, name, shapes[name], dtypes[name].name)
    for name in sorted(shapes)
  }


def _stored(
  tf: Any,
  reader: Any,
  prefix: pathlib.Path,
  name: str,
  shape: list[int],
  dtype: str,
) -> LazyTensor:
  def read_tensor() -> np.ndarray:
    _check_data(prefix)
    try:
      return np.asarray(reader.get_tensor(name))
    except _faults(tf) as error:
      raise InputError(
        f'{prefix}.data-*: {shown(name)} cannot be read, the file is cut or '
        f'damaged ({_one_line(error)}); copy it again'
      ) from error

  return LazyTensor(tuple(shape), dtype, read_tensor)


def _check_data(prefix: pathlib.Path) -> None:
  """Raises where a data file is missing."""
  try:
    names = [p.name for p in prefix.parent.iterdir() if p.is_file()]
  except OSError as error:
    raise InputError(f'{prefix.parent}: {error.strerror}') from error
  parts: dict[int, set[int]] = {}
  for name in names:
    if match := re.fullmatch(re.escape(prefix.name) + _DATA, name):
      parts.setdefault(int(match[2]), set()).add(int(match[1]))
  missing = [
    f'{prefix}.data-{i:05}-of-{total:05}'
    for total in sorted(parts) or [1]
    for i in range(total)
    if i not in parts.get(total, set())
  ]
  if missing:
    raise InputError(
      f'{missing[0]}: no such file; the weights lie in it, copy it beside '
      f'{prefix.name}{_INDEX}'
    )


def write(
  prefix: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]
) -> None:
  """Writes a checkpoint that TF 1.x and 2.x read by variable names.

  Args:
    prefix: of the files: `.index` and `.data-00000-of-00001` are added. A
      `checkpoint` file beside them names this one.
    arrays: variable's name -> array; types are kept.

  Raises:
    InputError: a file cannot be written, or no TensorFlow.
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
      os.replace(f'{aside}{ending}', f'{prefix}{ending}')
    _write_state(prefix)
  except _faults(tf) as error:
    for ending in endings:
      with contextlib.suppress(OSError):
        pathlib.Path(f'{aside}{ending}').unlink(missing_ok=True)
    raise InputError(
      f'{prefix}: cannot be written ({_one_line(error)})'
    ) from error


def _tensor(tf: Any, array: np.ndarray) -> Any:
  """A tensor that shares the array's memory: `tf.constant` copies it twice."""
  if array.dtype != np.float32:
    return tf.constant(array)
  shared = np.require(array, requirements=['C', 'W'])
  return tf.experimental.dlpack.from_dlpack(shared.__dlpack__())


def _write_state(prefix: pathlib.Path) -> None:
  """Names the checkpoint as the last one, relative to its folder."""
  name = prefix.name.replace('\\', '\\\\').replace('"', '\\"')
  write_text(
    prefix.with_name(_STATE),
    f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n',
  )


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
  """Exceptions of TensorFlow for damaged files, and for those not written."""
  # Its checkpoint reader raises by the status: a short read is an IndexError.
  return (tf.errors.OpError, OSError, IndexError, RuntimeError, ValueError)


def _one_line(error: BaseException) -> str:
  return shown(' '.join(str(error).split())[:180])
