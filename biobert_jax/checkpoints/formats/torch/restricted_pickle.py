"""The pickle of a PyTorch file, loaded without executing pickled code.

A pickle is a program for a stack machine that can call any function there
is. Python's own machine runs it here, but only the instructions of a state
dict, and none of the functions that the pickle names: each known name is a
symbol with a meaning given here, and every other name is refused (see
CPython's pickletools.py, PyTorch's torch/serialization.py and torch/_utils.py).
"""

import io
import pathlib
import pickle
import pickletools
import warnings
from typing import Any, NamedTuple

# Teaches NumPy bfloat16 and the 8-bit floats.
import ml_dtypes  # noqa: F401
import numpy as np

from biobert_jax.checkpoints.formats.file_magic import shown
from biobert_jax.errors import InputError

# The state dict of BERT-large takes 60 kB and 20,000 instructions.
MAX_BYTES = 16 * 2**20
_MAX_INSTRUCTIONS = 1_000_000
# Names are BINUNICODE; Python 2 wrote BINSTRING.
_INSTRUCTIONS = {
  *('PROTO', 'FRAME', 'STOP', 'MARK', 'NONE', 'NEWTRUE', 'NEWFALSE'),
  *('BININT', 'BININT1', 'BININT2', 'LONG1', 'LONG4', 'BINFLOAT'),
  *('BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8'),
  *('BINSTRING', 'SHORT_BINSTRING'),
  *('EMPTY_TUPLE', 'TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3'),
  *('EMPTY_LIST', 'APPEND', 'APPENDS', 'EMPTY_DICT', 'SETITEM', 'SETITEMS'),
  *('BINPUT', 'LONG_BINPUT', 'MEMOIZE', 'BINGET', 'LONG_BINGET'),
  *('GLOBAL', 'STACK_GLOBAL', 'REDUCE', 'BUILD', 'BINPERSID'),
}
_DICT = 'collections.OrderedDict'
# Instructions -> their bytes, and what runs in their place: a dict that looks
# at its keys; nothing, for a frame would have another size now.
_REPLACED = {
  'EMPTY_DICT': (1, b'ccollections\nOrderedDict\n)R'),
  'FRAME': (9, b''),
}
# The module of a name that stands where a refused instruction stood.
_REFUSED = 'instruction'
_STORAGES = (
  *(('Double', 'float64'), ('Float', 'float32'), ('Half', 'float16')),
  *(('BFloat16', 'bfloat16'), ('Long', 'int64'), ('Int', 'int32')),
  *(('Short', 'int16'), ('Char', 'int8'), ('Byte', 'uint8'), ('Bool', 'bool')),
  *(('ComplexFloat', 'complex64'), ('ComplexDouble', 'complex128')),
)
_STORAGE_DTYPES = {
  f'{module}.{kind}Storage': dtype
  for module in ('torch', 'torch.cuda')
  for kind, dtype in _STORAGES
} | {'torch.storage.UntypedStorage': 'uint8'}
# Types without a storage of their own, which `_rebuild_tensor_v3` is told.
_DTYPES = {
  f'torch.{name}': name
  for name in (
    *('uint16', 'uint32', 'uint64', 'float8_e8m0fnu'),
    *('float8_e4m3fn', 'float8_e4m3fnuz', 'float8_e5m2', 'float8_e5m2fnuz'),
  )
}
_TENSORS = ('torch._utils._rebuild_tensor', 'torch._utils._rebuild_tensor_v2')
_TENSOR_V3 = 'torch._utils._rebuild_tensor_v3'
_PARAMETER = 'torch._utils._rebuild_parameter'
_KNOWN = {
  *(_DICT, 'torch.Size', 'torch.device', *_TENSORS, _TENSOR_V3, _PARAMETER),
  *(*_STORAGE_DTYPES, *_DTYPES),
}
# Raised by Python's unpickler for damaged pickles, besides ValueError.
_DAMAGED = (
  *(pickle.UnpicklingError, EOFError, AttributeError, TypeError, LookupError),
  *(OverflowError, RecursionError),
)


# Tuples, because a pickle could set the attributes of other objects.
class Storage(NamedTuple):
  """A run of bytes in the file, which tensors view."""

  key: str  # Its name in the file.
  dtype: str  # NumPy's name.
  elements: int

  @property
  def nbytes(self) -> int:
    return self.elements * np.dtype(self.dtype).itemsize


class Tensor(NamedTuple):
  """A view of a storage, whose numbers are not checked yet."""

  storage: Storage
  offset: int  # In elements, as strides.
  shape: tuple[int, ...]
  strides: tuple[int, ...]
  dtype: str  # NumPy's name.


class _Symbol(NamedTuple):
  """A known name; it has no attributes that a pickle could set."""

  name: str

  def __call__(self, *arguments: Any) -> Any:
    """The value that the name stands for with these arguments."""
    name, count = self.name, len(arguments)
    if name == _DICT and count <= 1:
      found = _Dict()
      # Python 2 wrote the pairs here.
      for pair in _need(arguments[0], list) if count else ():
        key, value = _need(pair, list)
        found[key] = value
      return found
    if name == 'torch.Size' and count == 1:
      return _need(arguments[0], tuple)
    if name == 'torch.device' and count in (1, 2):
      return name
    if name == _PARAMETER and count == 3:
      return _need(arguments[0], Tensor)
    v3 = name == _TENSOR_V3 and count in (7, 8)
    if v3 or (name in _TENSORS and count >= 4):
      storage, offset, shape, strides = arguments[:4]
      dtype = _need(storage, Storage).dtype
      if v3:
        dtype = _need(_DTYPES.get(_need(arguments[6], _Symbol).name), str)
      return Tensor(storage, offset, shape, strides, dtype)
    raise ValueError(f'{name} of {count} values')


class _Dict(dict[Any, Any]):
  """A dict of plain keys, each of which is set once."""

  __slots__ = ()

  def __setitem__(self, key: Any, value: Any) -> None:
    # Only names and numbers: a nest of tuples takes ages to hash.
    if not isinstance(key, (str, int)):
      raise ValueError(f'a {type_name(key)} as a key')
    if key in self:
      raise ValueError(f'it holds {shown(key)} twice')
    super().__setitem__(key, value)

  def __setstate__(self, state: Any) -> None:
    """`_metadata` of an OrderedDict: versions of modules, not weights."""


def type_name(value: Any) -> str:
  """The type of a value, in words for a message."""
  if isinstance(value, _Symbol):
    return value.name
  return 'dict' if isinstance(value, dict) else type(value).__name__


def _need(value: Any, kind: type) -> Any:
  if not isinstance(value, kind):
    raise ValueError(f'a {type_name(value)} in place of a {kind.__name__}')
  return value


def load(
  path: pathlib.Path, stream: io.BytesIO, storages: dict[str, Storage]
) -> Any:
  """The value that a pickle describes; `stream` stands behind it afterwards.

  `storages` is filled: key -> storage.
  """
  try:
    return _Unpickler(path, _screened(path, stream), storages).load()
  except InputError:
    raise
  except ValueError as error:
    raise _unreadable(path, f'cut or damaged ({shown(error)})') from error
  except _DAMAGED as error:
    why = 'cut or damaged (its pickle uses what it never made)'
    raise _unreadable(path, why) from error


def _unreadable(path: pathlib.Path, what: str) -> InputError:
  return InputError(f'{path}: {what}; copy it again, or use model.safetensors')


def _screened(path: pathlib.Path, stream: io.BytesIO) -> bytes:
  """The instructions of a pickle, up to one that is refused."""
  content, begin, made = stream.getvalue(), stream.tell(), bytearray()
  with warnings.catch_warnings():
    # pickletools warns of odd backslashes in strings of protocol 0.
    warnings.simplefilter('ignore', DeprecationWarning)
    for count, (code, argument, at) in enumerate(pickletools.genops(stream)):
      if count >= _MAX_INSTRUCTIONS:
        raise _unreadable(path, 'holds more than the tensors of a model')
      if code.name not in _INSTRUCTIONS:
        # Refused in its turn: the name of a class that comes before says
        # more than the instruction that makes an object of it.
        name = f'c{_REFUSED}\n{code.name}\n.'
        return bytes(made + content[begin:at] + name.encode())
      # The unpickler makes room for all numbers below this one.
      if code.name == 'LONG_BINPUT' and argument > _MAX_INSTRUCTIONS:  # type: ignore[operator]
        raise ValueError(f'it counts to {argument}')
      if code.name in _REPLACED:
        size, instead = _REPLACED[code.name]
        made += content[begin:at] + instead
        begin = at + size  # type: ignore[operator]
  return bytes(made + content[begin : stream.tell()])


class _Unpickler(pickle.Unpickler):
  """Knows the names of a state dict, and calls nothing but `_Symbol`."""

  def __init__(
    self, path: pathlib.Path, content: bytes, storages: dict[str, Storage]
  ) -> None:
    # Python 2 wrote names as bytes.
    super().__init__(io.BytesIO(content), fix_imports=False, encoding='latin1')
    self._path, self._storages = path, storages

  def find_class(self, module: str, name: str) -> _Symbol:
    """A name that the pickle uses, if it has a meaning here."""
    if module == _REFUSED:
      raise self._refusal(f'the instruction {name}', 'no state dict needs it')
    name = f'{module}.{name}'
    if name in _KNOWN:
      return _Symbol(name)
    why = 'this file would run code when it is loaded'
    if name.startswith('torch'):
      why = 'only plain dense tensors are read'
    raise self._refusal(name, why)

  def persistent_load(self, identity: Any) -> Storage:
    """The storage that a persistent id names.

    It is ('storage', type, key, device, elements), and in files from before
    PyTorch 1.6 a sixth that is None except for views of another storage.
    """
    if not isinstance(identity, tuple) or len(identity) not in (5, 6):
      raise ValueError('not the name of a storage')
    kind, symbol, key, _, elements = identity[:5]
    dtype = _STORAGE_DTYPES.get(_need(symbol, _Symbol).name)
    if kind != 'storage' or dtype is None or not isinstance(key, str):
      raise ValueError('not the name of a storage')
    if type(elements) is not int or elements < 0:
      raise ValueError(f'storage {shown(key)} of {type_name(elements)} size')
    if identity[5:] not in ((), (None,)):
      raise self._refusal('views of storages', 'only PyTorch 0.1 wrote them')
    storage = Storage(key, dtype, elements)
    if self._storages.setdefault(key, storage) != storage:
      raise ValueError(f'storage {shown(key)} is described in two ways')
    return storage

  def _refusal(self, what: str, why: str) -> InputError:
    return InputError(
      f'{self._path}: refuses {shown(what)}: {why}; use model.safetensors, or '
      'a file that torch.save(model.state_dict(), FILE) wrote'
    )
