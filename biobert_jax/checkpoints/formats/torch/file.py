"""Tensors in `pytorch_model.bin`, read without PyTorch and without pickle.

Since 1.6 it is a zip archive of a pickle and storages; before, they followed
one another, without checksums.
"""

import io
import logging
import math
import os
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from biobert_jax.checkpoints.formats import sharded_index
from biobert_jax.checkpoints.formats.file_magic import (
  LazyTensor,
  read_start,
  refused,
  shown,
)
from biobert_jax.checkpoints.formats.torch import restricted_pickle as pickled
from biobert_jax.checkpoints.formats.torch.restricted_pickle import (
  Storage,
  Tensor,
)
from biobert_jax.errors import InputError

WEIGHTS_FILE = 'pytorch_model.bin'
# Where training scripts (NVIDIA's, Lightning's, DeepSpeed's) put the state dict
# beside the optimizer's.
_INNER = ('model', 'state_dict', 'model_state_dict', 'module')
# torch/serialization.py: MAGIC_NUMBER, PROTOCOL_VERSION.
_MAGIC = [0x1950A86A20F9469CFC6C, 1001]
_CHUNK = 8 * 2**20  # Bytes read at a time.
# Deflate cannot do better.
_MAX_RATIOS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1_032}
_MAX_DIMENSIONS = 64  # As in NumPy.
_MAX_EXPANDED = 2**20  # Elements of a tensor that repeats its storage.
# RuntimeError: encryption and other features that no torch uses.
_DAMAGED = (
  *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
  *(ValueError, OverflowError, RuntimeError),
)
_log = logging.getLogger(__name__)
ReadStorage = Callable[[str, Storage], np.ndarray]


def read(path: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """Reads names, shapes and types; the arrays are read on demand.

  The path is a `.bin` or `.pt` file with a state dict, an index of shards, or a
  folder that holds one of them. Tied tensors are there under each name.
  """
  return sharded_index.read(pathlib.Path(path), WEIGHTS_FILE, _read_file)


def _damage(path: pathlib.Path, what: str) -> InputError:
  return InputError(f'{path}: {what}; copy it again')


def _read_file(path: pathlib.Path) -> dict[str, LazyTensor]:
  start = read_start(path)
  with refused(f'{path}: cut or damaged', _DAMAGED, text=shown):
    if start.startswith(b'PK\x03\x04'):
      return _read_zip(path)
    if start.startswith(b'\x80'):
      return _read_legacy(path)
  what = f'{path}: not a file of torch.save'
  raise InputError(f'{what}; give {WEIGHTS_FILE} or model.safetensors')


def _state_dict(path: pathlib.Path, value: Any) -> dict[str, Tensor]:
  """Checks that a pickle describes tensors, each inside its storage."""
  if not isinstance(value, dict):
    kind = pickled.type_name(value)
    what = f'{path}: holds a {kind}, not a state dict; save one'
    raise InputError(f'{what} with torch.save(model.state_dict(), FILE)')
  inner = [key for key in _INNER if _is_state_dict(value.get(key))]
  if len(inner) == 1:
    left = ', '.join(shown(key) for key in value if key != inner[0])
    _log.info('%s: read %r, left aside: %s', path, inner[0], left or 'nothing')
    return _state_dict(path, value[inner[0]])
  others = [k for k, v in value.items() if not isinstance(v, Tensor)]
  if others or not value:
    kinds = [(shown(k), pickled.type_name(v)) for k, v in value.items()]
    held = ', '.join(f'{name} ({kind})' for name, kind in kinds)
    inner = [k for k in others if isinstance(value[k], dict)]
    remedy = repr(inner[0]) if inner else '...'
    raise InputError(
      f'{path}: not a state dict of tensors alone (it holds '
      f'{shown(held[:190]) or "nothing"}); save the inner one: '
      f'torch.save(torch.load(FILE, weights_only=True)[{remedy}], NEW_FILE)'
    )
  for name, tensor in value.items():
    fault = 'has no name' if not isinstance(name, str) else _fault(tensor)
    if fault:
      raise _damage(path, f'tensor {shown(name)} {fault}')
  return value


def _is_state_dict(value: Any) -> bool:
  if not isinstance(value, dict) or not value:
    return False
  return all(isinstance(one, Tensor) for one in value.values())


def _fault(tensor: Tensor) -> str:
  """The fault of a tensor; '' if it has none."""
  if not all(isinstance(x, tuple) for x in (tensor.shape, tensor.strides)):
    return 'has no shape'
  numbers = (tensor.offset, *tensor.shape, *tensor.strides)
  if any(type(number) is not int or number < 0 for number in numbers):
    return 'has a size, stride or offset that is not a number from 0 up'
  axes = len(tensor.shape)
  if axes != len(tensor.strides):
    return f'has {axes} axes and {len(tensor.strides)} strides'
  if axes > _MAX_DIMENSIONS:
    return f'has {axes} axes'
  available = tensor.storage.nbytes // np.dtype(tensor.dtype).itemsize
  elements = math.prod(tensor.shape)
  if elements > max(available, _MAX_EXPANDED):
    return f'claims {elements} elements of a storage of {available}'
  pairs = zip(tensor.shape, tensor.strides, strict=True)
  end = tensor.offset + sum((size - 1) * stride for size, stride in pairs) + 1
  if elements and end > available:
    return f'reaches to element {end} of a storage of {available}'
  return ''


def _lazy(name: str, tensor: Tensor, read_storage: ReadStorage) -> LazyTensor:
  def read_tensor() -> np.ndarray:
    return _view(read_storage(name, tensor.storage), tensor)

  return LazyTensor(tensor.shape, tensor.dtype, read_tensor)


def _view(data: np.ndarray, tensor: Tensor) -> np.ndarray:
  """A tensor of the bytes of its storage, in C order."""
  dtype = np.dtype(tensor.dtype)
  size = dtype.itemsize
  if not all(tensor.shape):
    return np.empty(tensor.shape, dtype)
  elements = data[: len(data) // size * size].view(dtype)
  rest, strides = elements[tensor.offset :], [n * size for n in tensor.strides]
  as_strided = np.lib.stride_tricks.as_strided
  view = as_strided(rest, tensor.shape, strides, writeable=False)
  if view.nbytes == data.nbytes and view.flags.c_contiguous:
    return elements.reshape(tensor.shape)
  return view.copy('C')  # A part: lets the rest of the storage go.


def _read_zip(path: pathlib.Path) -> dict[str, LazyTensor]:
  # Stays open as long as a tensor of it may be read.
  archive = zipfile.ZipFile(path)
  members = {info.filename: info for info in archive.infolist()}
  if len(members) < len(archive.infolist()):
    raise _damage(path, 'has two members of one name')
  roots = [n[:-9] for n in members if n.endswith('/data.pkl')]
  if len(roots) != 1:
    problem = f'{path}: a zip archive, but not of torch.save (no data.pkl)'
    raise InputError(f'{problem}; give {WEIGHTS_FILE} or model.safetensors')
  root = roots[0]
  if f'{root}/constants.pkl' in members:
    problem = f'{path}: a TorchScript program, not weights; save those'
    raise InputError(f'{problem} with torch.save(model.state_dict(), FILE)')
  order = members.get(f'{root}/byteorder')
  if order and _member(archive, order, 16).tobytes() != b'little':
    message = f'{path}: from a big-endian machine; use model.safetensors'
    raise InputError(message)
  most = pickled.MAX_BYTES
  content = _member(archive, members[f'{root}/data.pkl'], most)
  value = pickled.load(path, io.BytesIO(content.tobytes()), {})
  tensors = _state_dict(path, value)
  for name, tensor in tensors.items():
    wanted = tensor.storage.nbytes
    info = members.get(f'{root}/data/{tensor.storage.key}')
    if info is None:
      raise _damage(path, f'tensor {shown(name)} is not in the file')
    if info.file_size != wanted:
      sizes = f'{info.file_size} bytes in the file, not {wanted}'
      raise _damage(path, f'tensor {shown(name)} has {sizes}')

  def read_storage(name: str, storage: Storage) -> np.ndarray:
    what = f'{path}: tensor {shown(name)} is cut or damaged'
    with refused(what, _DAMAGED, text=shown):
      home = members[f'{root}/data/{storage.key}']
      return _member(archive, home, storage.nbytes)

  return {name: _lazy(name, t, read_storage) for name, t in tensors.items()}


def _member(
  archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int
) -> np.ndarray:
  """The bytes of a member, as uint8; zipfile compares their CRC32."""
  ratio = _MAX_RATIOS.get(info.compress_type)
  if ratio is None:
    raise ValueError(f'compressed by method {info.compress_type}')
  # Before memory is allocated: as much as the file could hold at all.
  length = os.fstat(archive.fp.fileno()).st_size  # type: ignore[union-attr]
  if info.file_size > min(most, min(info.compress_size, length) * ratio):
    raise ValueError(f'claims {info.file_size} bytes')
  data = np.empty(info.file_size, np.uint8)
  view, at = data.data, 0
  with archive.open(info) as member:
    while count := member.readinto(view[at : at + _CHUNK]):  # type: ignore[attr-defined]
      at += count
    if at < len(data) or member.read(1):
      raise EOFError(f'{at} bytes of {len(data)}')
  return data


def _read_legacy(path: pathlib.Path) -> dict[str, LazyTensor]:
  storages: dict[str, Storage] = {}
  with path.open('rb') as file:
    stream = io.BytesIO(file.read(pickled.MAX_BYTES))

    def load() -> Any:
      return pickled.load(path, stream, storages)

    if any(load() != number for number in _MAGIC):
      what = f'{path}: a pickle, but not of torch.save'
      raise InputError(f'{what}; give {WEIGHTS_FILE} or model.safetensors')
    load()  # Sizes of C types on the machine that wrote it.
    value, described = load(), dict(storages)
    keys = load()
    tensors = _state_dict(path, value)
    homes = _find_storages(file, stream.tell(), keys, described)
  for name, tensor in tensors.items():
    if tensor.storage.key not in homes:
      fault = 'is not in the file, which is cut or damaged'
      raise _damage(path, f'tensor {shown(name)} {fault}')

  def read_storage(name: str, storage: Storage) -> np.ndarray:
    data = np.empty(storage.nbytes, np.uint8)
    try:
      with path.open('rb') as file:
        file.seek(homes[storage.key])
        count = file.readinto(data.data)
    except OSError as error:
      raise InputError(f'{path}: {error.strerror}') from error
    if count < len(data):
      raise _damage(path, f'tensor {shown(name)} is cut')
    return data

  return {name: _lazy(name, t, read_storage) for name, t in tensors.items()}


def _find_storages(
  file: io.BufferedReader, at: int, keys: object, storages: dict[str, Storage]
) -> dict[str, int]:
  """key -> where the elements start, after a count, of all whole storages."""
  length = os.fstat(file.fileno()).st_size
  homes: dict[str, int] = {}
  for key in keys if isinstance(keys, list) else [None]:
    if not isinstance(key, str) or key not in storages or key in homes:
      raise ValueError('its list of storages does not fit its tensors')
    file.seek(at)
    count = file.read(8)
    if len(count) < 8:
      break
    if struct.unpack('<q', count)[0] != storages[key].elements:
      raise ValueError(f'storage {shown(key)} has not the size described')
    at += 8 + storages[key].nbytes
    if at > length:
      break
    homes[key] = at - storages[key].nbytes
  return homes
