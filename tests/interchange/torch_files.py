"""Writes files as torch.save does, without PyTorch, instruction by instruction.

That PyTorch writes the same is held by tests/peers/torch_file_test.py.
"""

import pathlib
import struct
import zipfile
from collections.abc import Mapping, Sequence

import ml_dtypes
import numpy as np

from biobert_jax.interchange.stored import Stored

STORAGES = {
  'float32': 'FloatStorage',
  'float64': 'DoubleStorage',
  'float16': 'HalfStorage',
  'bfloat16': 'BFloat16Storage',
  'int64': 'LongStorage',
  'bool': 'BoolStorage',
}
FORMS = ('zip', 'legacy')
ORDERED_DICT = b'ccollections\nOrderedDict\n)R'
MAGIC = b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'
# Type sizes of the machine that wrote the file; nothing reads them.
LEGACY_HEAD = MAGIC + b'\x80\x02M\xe9\x03.' + b'\x80\x02}q\x00.'


def text(value: str) -> bytes:
  encoded = value.encode()
  return b'X' + struct.pack('<I', len(encoded)) + encoded


def integer(value: int) -> bytes:
  if -(2**31) <= value < 2**31:
    return b'J' + struct.pack('<i', value)
  return b'\x8a\x10' + value.to_bytes(16, 'little', signed=True)


def symbol(name: str) -> bytes:
  return f'c{name.rpartition(".")[0]}\n{name.rpartition(".")[2]}\n'.encode()


def sequence(items: Sequence[bytes]) -> bytes:
  return b'(' + b''.join(items) + b't'


def storage(key: str, kind: str, elements: int, form: str) -> bytes:
  identity = [
    text('storage'),
    symbol(kind if '.' in kind else f'torch.{kind}'),
    text(key),
    text('cpu'),
    integer(elements),
  ]
  return sequence(identity + [b'N'] * (form == 'legacy')) + b'Q'


def tensor(
  of: bytes, shape: Sequence[int], strides: Sequence[int], offset: int = 0
) -> bytes:
  return (
    symbol('torch._utils._rebuild_tensor_v2')
    + sequence(
      [
        of,
        integer(offset),
        sequence([integer(n) for n in shape]),
        sequence([integer(n) for n in strides]),
        b'\x89',
        ORDERED_DICT,
      ]
    )
    + b'R'
  )


def state_dict(tensors: Mapping[str, bytes]) -> bytes:
  items = b''.join(text(name) + value for name, value in tensors.items())
  return b'\x80\x02' + ORDERED_DICT + b'(' + items + b'u.'


def write(
  path: pathlib.Path,
  form: str,
  pickled: bytes,
  storages: Mapping[str, np.ndarray],
  compression: int = zipfile.ZIP_STORED,
) -> pathlib.Path:
  """Writes one file.

  Args:
    path: where to.
    form: 'zip' or 'legacy'.
    pickled: of the state dict.
    storages: key -> its elements.
    compression: of zip members.

  Returns:
    The path.
  """
  if form == 'zip':
    with zipfile.ZipFile(path, 'w', compression) as archive:
      archive.writestr('archive/data.pkl', pickled)
      archive.writestr('archive/byteorder', 'little')
      for key, array in storages.items():
        archive.writestr(f'archive/data/{key}', array.tobytes())
      archive.writestr('archive/version', '3\n')
    return path
  keys = b'\x80\x02](' + b''.join(map(text, storages)) + b'e.'
  data = b''.join(
    struct.pack('<q', array.size) + array.tobytes()
    for array in storages.values()
  )
  path.write_bytes(LEGACY_HEAD + pickled + keys + data)
  return path


def whole(key: str, array: np.ndarray, form: str) -> bytes:
  """A tensor that is all of a storage."""
  strides = [n // array.itemsize for n in array.strides]
  kind = STORAGES[array.dtype.name]
  return tensor(storage(key, kind, array.size, form), array.shape, strides)


def write_arrays(
  path: pathlib.Path, form: str, arrays: Mapping[str, np.ndarray]
) -> pathlib.Path:
  """Writes arrays, each in a storage of its own."""
  keys = {name: str(i) for i, name in enumerate(arrays)}
  pickled = state_dict(
    {name: whole(keys[name], array, form) for name, array in arrays.items()}
  )
  storages = {keys[name]: array for name, array in arrays.items()}
  return write(path, form, pickled, storages)


def examples() -> dict[str, np.ndarray]:
  """Arrays of every type that models are stored in."""
  generator = np.random.default_rng(0)
  values = generator.normal(size=(3, 5))
  return {
    'dense.weight': values.astype(np.float32),
    'half': values.astype(np.float16),
    'brain': values.astype(ml_dtypes.bfloat16),
    'double': values,
    'position_ids': np.arange(7)[None],
    'mask': np.array([True, False, True]),
    'step': np.array(12, np.int64),
    'empty': np.empty((0, 4), np.float32),
  }


def same(stored: Stored, array: np.ndarray) -> bool:
  """Whether an array was read to the last bit, and by itself."""
  found = stored.read()
  return (
    stored.shape == found.shape == array.shape
    and stored.dtype == found.dtype.name == array.dtype.name
    and found.tobytes() == array.tobytes()
    # In C order; a part does not hold on to the rest of its storage.
    and found.flags.c_contiguous
    and (found.base is None or found.base.nbytes == found.nbytes)
  )
