"""Tensors in `pytorch_model.bin`, read without PyTorch and without pickle.

Since 1.6 PyTorch writes a zip archive: `data.pkl` describes the tensors, and
every storage is a member with a CRC32. Files from before hold the pickles and
then the storages, one after another, without checksums.
"""

import io
import os
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from biobert_jax.checkpoints.formats import sharded_index
from biobert_jax.checkpoints.formats.file_magic import read_start, shown
from biobert_jax.checkpoints.formats.lazy_tensor import LazyTensor
from biobert_jax.checkpoints.formats.torch.restricted_pickle import (
  MAX_BYTES,
  Machine,
)
from biobert_jax.checkpoints.formats.torch.tensors import (
  Storage,
  Tensor,
  state_dict,
)
from biobert_jax.errors import InputError

WEIGHTS_FILE = 'pytorch_model.bin'

_ZIP = b'PK\x03\x04'
_PICKLE = b'\x80'
# torch/serialization.py: MAGIC_NUMBER, PROTOCOL_VERSION.
_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_CHUNK = 8 * 2**20  # Bytes read at a time.
_MAX_RATIO = 1_032  # Deflate cannot do better.
_DAMAGED = (
  zipfile.BadZipFile,
  zlib.error,
  struct.error,
  EOFError,
  OSError,
  ValueError,
  OverflowError,
  RuntimeError,  # Encryption and other features that no torch uses.
)
ReadStorage = Callable[[str, Storage], np.ndarray]


def read(path: str | os.PathLike[str]) -> dict[str, LazyTensor]:
  """Reads names, shapes and types; the arrays are read on demand.

  Args:
    path: a `.bin` or `.pt` file with a state dict, an index of shards
      (`pytorch_model.bin.index.json`), or a folder that holds one of them.

  Returns:
    name -> tensor, not yet read. Tied tensors are there under each name.

  Raises:
    InputError: no such file, a damaged or cut one, one that would run code,
      or one that holds something else.
  """
  found = sharded_index.locate(pathlib.Path(path), WEIGHTS_FILE)
  if found.name.endswith(sharded_index.SUFFIX):
    return sharded_index.read(found, _read_file)
  return _read_file(found)


def _read_file(path: pathlib.Path) -> dict[str, LazyTensor]:
  start = read_start(path)
  try:
    if start.startswith(_ZIP):
      return _read_zip(path)
    if start.startswith(_PICKLE):
      return _read_legacy(path)
  except InputError:
    raise
  except _DAMAGED as error:
    raise InputError(
      f'{path}: cut or damaged ({shown(error)}); copy it again'
    ) from error
  raise InputError(
    f'{path}: not a file of torch.save; give {WEIGHTS_FILE} or '
    'model.safetensors'
  )


def _stored(
  tensors: dict[str, Tensor], read_storage: ReadStorage
) -> dict[str, LazyTensor]:
  """Joins the descriptions with a way to read storages."""

  def one(name: str, tensor: Tensor) -> LazyTensor:
    return LazyTensor(
      tensor.shape,
      tensor.dtype,
      lambda: _view(read_storage(name, tensor.storage), tensor),
    )

  return {name: one(name, tensor) for name, tensor in tensors.items()}


def _view(data: np.ndarray, tensor: Tensor) -> np.ndarray:
  """A tensor of the bytes of its storage, in C order."""
  dtype = np.dtype(tensor.dtype)
  usable = len(data) // dtype.itemsize * dtype.itemsize
  elements = data[:usable].view(dtype)
  if not all(tensor.shape):
    return np.empty(tensor.shape, dtype)
  view = np.lib.stride_tricks.as_strided(
    elements[tensor.offset :],
    tensor.shape,
    [stride * dtype.itemsize for stride in tensor.strides],
    writeable=False,
  )
  if view.nbytes == data.nbytes and view.flags.c_contiguous:
    return elements.reshape(tensor.shape)
  return view.copy('C')  # A part: lets the rest of the storage go.


def _read_zip(path: pathlib.Path) -> dict[str, LazyTensor]:
  # Stays open as long as a tensor of it may be read.
  archive = zipfile.ZipFile(path)
  members = {info.filename: info for info in archive.infolist()}
  if len(members) < len(archive.infolist()):
    raise InputError(f'{path}: has two members of one name; copy it again')
  roots = [n[:-9] for n in members if n.endswith('/data.pkl')]
  if len(roots) != 1:
    raise InputError(
      f'{path}: a zip archive, but not of torch.save (no data.pkl); give '
      f'{WEIGHTS_FILE} or model.safetensors'
    )
  root = roots[0]
  if f'{root}/constants.pkl' in members:
    raise InputError(
      f'{path}: a TorchScript program, not weights; save those with '
      'torch.save(model.state_dict(), FILE)'
    )
  order = members.get(f'{root}/byteorder')
  if order and _member(archive, order, 16).tobytes() != b'little':
    raise InputError(
      f'{path}: from a big-endian machine; use model.safetensors'
    )
  pickled = _member(archive, members[f'{root}/data.pkl'], MAX_BYTES)
  machine = Machine(path)
  tensors = state_dict(path, machine.run(io.BytesIO(pickled.tobytes())))
  for name, tensor in tensors.items():
    _check_member(path, name, tensor, members.get(_home(root, tensor.storage)))

  def read_storage(name: str, storage: Storage) -> np.ndarray:
    try:
      return _member(archive, members[_home(root, storage)], storage.nbytes)
    except _DAMAGED as error:
      raise InputError(
        f'{path}: tensor {shown(name)} is cut or damaged ({shown(error)}); '
        'copy it again'
      ) from error

  return _stored(tensors, read_storage)


def _home(root: str, storage: Storage) -> str:
  return f'{root}/data/{storage.key}'


def _check_member(
  path: pathlib.Path,
  name: str,
  tensor: Tensor,
  info: zipfile.ZipInfo | None,
) -> None:
  """Raises unless the member can be the tensor's storage."""
  wanted = tensor.storage.nbytes
  if info is None:
    fault = 'is not in the file'
  elif info.file_size != wanted:
    fault = f'has {info.file_size} bytes in the file, not {wanted}'
  else:
    return
  raise InputError(f'{path}: tensor {shown(name)} {fault}; copy it again')


def _member(
  archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int
) -> np.ndarray:
  """The bytes of a member, as uint8; zipfile compares their CRC32."""
  ratios = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: _MAX_RATIO}
  if info.compress_type not in ratios:
    raise ValueError(f'compressed by method {info.compress_type}')
  # Before memory is allocated: as much as the file could hold at all.
  length = os.fstat(archive.fp.fileno()).st_size  # type: ignore[union-attr]
  possible = min(info.compress_size, length) * ratios[info.compress_type]
  if info.file_size > min(most, possible):
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
  machine = Machine(path)
  with path.open('rb') as file:
    stream = io.BytesIO(file.read(MAX_BYTES))
    if machine.run(stream) != _MAGIC or machine.run(stream) != _VERSION:
      raise InputError(
        f'{path}: a pickle, but not of torch.save; give {WEIGHTS_FILE} or '
        'model.safetensors'
      )
    machine.run(stream)  # Sizes of C types on the machine that wrote it.
    value = machine.run(stream)
    storages = dict(machine.storages)
    keys = machine.run(stream)
    tensors = state_dict(path, value)
    homes = _walk(file, stream.tell(), keys, storages)
  for name, tensor in tensors.items():
    if tensor.storage.key not in homes:
      raise InputError(
        f'{path}: tensor {shown(name)} is not in the file, which is cut or '
        'damaged; copy it again'
      )

  def read_storage(name: str, storage: Storage) -> np.ndarray:
    data = np.empty(storage.nbytes, np.uint8)
    try:
      with path.open('rb') as file:
        file.seek(homes[storage.key])
        count = file.readinto(data.data)
    except OSError as error:
      raise InputError(f'{path}: {error.strerror}') from error
    if count < len(data):
      raise InputError(f'{path}: tensor {shown(name)} is cut; copy it again')
    return data

  return _stored(tensors, read_storage)


def _walk(
  file: io.BufferedReader,
  at: int,
  keys: object,
  storages: dict[str, Storage],
) -> dict[str, int]:
  """Finds the storages of a legacy file: 8 bytes of count, then the elements.

  Returns:
    key -> where its elements start, of those that are there whole.
  """
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
