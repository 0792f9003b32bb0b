"""The pickle of a PyTorch file, loaded without executing pickled code.

A pickle is a program for a stack machine that can call any function there
is. Python's own machine runs it here, but only the instructions of a state
dict, and none of the functions that the pickle names: a name such as
`torch._utils._rebuild_tensor_v2` is a symbol with a meaning given here, and
every other name is refused.

Sources: CPython's pickletools.py (the instructions); PyTorch's
torch/serialization.py and torch/_utils.py (the contents).
"""

import io
import pathlib
import pickle
import pickletools
import warnings
from typing import Any

from biobert_jax.checkpoints.formats.file_magic import shown
from biobert_jax.checkpoints.formats.torch.tensors import (
  Storage,
  Symbol,
  Tensor,
  type_name,
)
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

_STORAGES = {
  'DoubleStorage': 'float64',
  'FloatStorage': 'float32',
  'HalfStorage': 'float16',
  'BFloat16Storage': 'bfloat16',
  'LongStorage': 'int64',
  'IntStorage': 'int32',
  'ShortStorage': 'int16',
  'CharStorage': 'int8',
  'ByteStorage': 'uint8',
  'BoolStorage': 'bool',
  'ComplexFloatStorage': 'complex64',
  'ComplexDoubleStorage': 'complex128',
}
_STORAGE_DTYPES = {
  f'{module}.{name}': dtype
  for module in ('torch', 'torch.cuda')
  for name, dtype in _STORAGES.items()
} | {'torch.storage.UntypedStorage': 'uint8'}
# Types without a storage of their own, which `_rebuild_tensor_v3` is told.
_DTYPES = {
  f'torch.{name}': name
  for name in (
    *('uint16', 'uint32', 'uint64'),
    *('float8_e4m3fn', 'float8_e4m3fnuz', 'float8_e5m2', 'float8_e5m2fnuz'),
    'float8_e8m0fnu',
  )
}
_REBUILD = 'torch._utils._rebuild_'
_TENSORS = (_REBUILD + 'tensor', _REBUILD + 'tensor_v2')
_TENSOR_V3 = _REBUILD + 'tensor_v3'
_PARAMETER = _REBUILD + 'parameter'
_KNOWN = {
  _DICT,
  'torch.Size',
  'torch.device',
  *_TENSORS,
  _TENSOR_V3,
  _PARAMETER,
  *_STORAGE_DTYPES,
  *_DTYPES,
}


class Machine:
  """Runs the pickles of one file.

  Attributes:
    storages: key -> storage, of every storage named so far.
  """

  def __init__(self, path: pathlib.Path) -> None:
    self.storages: dict[str, Storage] = {}
    self._path = path

  def run(self, stream: io.BytesIO) -> Any:
    """Reads one pickle.

    Args:
      stream: stands behind the pickle afterwards.

    Returns:
      The value that it describes.

    Raises:
      InputError: a name or an instruction that is not known here, or damage.
    """
    try:
      return _Unpickler(self, io.BytesIO(self._screened(stream))).load()
    except InputError:
      raise
    except ValueError as error:
      raise self._error(f'cut or damaged ({shown(error)})') from error
    except _DAMAGED as error:
      raise self._error(
        'cut or damaged (its pickle uses what it never made)'
      ) from error

  def _screened(self, stream: io.BytesIO) -> bytes:
    """The instructions of a pickle, up to one that is refused."""
    content, begin, made = stream.getvalue(), stream.tell(), bytearray()
    with warnings.catch_warnings():
      # pickletools warns of odd backslashes in strings of protocol 0.
      warnings.simplefilter('ignore', DeprecationWarning)
      for count, (code, argument, at) in enumerate(pickletools.genops(stream)):
        if count >= _MAX_INSTRUCTIONS:
          raise self._error('holds more than the tensors of a model')
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

  def _error(self, what: str) -> InputError:
    return InputError(
      f'{self._path}: {what}; copy it again, or use model.safetensors'
    )

  def refusal(self, what: str, why: str) -> InputError:
    """The error for contents that are known, and not read."""
    return InputError(
      f'{self._path}: refuses {shown(what)}: {why}; use model.safetensors, or '
      'a file that torch.save(model.state_dict(), FILE) wrote'
    )


# Raised by Python's unpickler for damaged pickles, besides ValueError.
_DAMAGED = (
  *(pickle.UnpicklingError, EOFError, AttributeError, TypeError, LookupError),
  *(OverflowError, RecursionError),
)


class _Unpickler(pickle.Unpickler):
  """Knows the names of a state dict, and calls nothing but `_Meaning`."""

  def __init__(self, machine: Machine, stream: io.BytesIO) -> None:
    # Python 2 wrote names as bytes.
    super().__init__(stream, fix_imports=False, encoding='latin1')
    self._machine = machine

  def find_class(self, module: str, name: str) -> Symbol:
    """A name that the pickle uses, if it has a meaning here.

    Raises:
      InputError: it has none.
    """
    if module == _REFUSED:
      what = f'the instruction {name}'
      raise self._machine.refusal(what, 'no state dict needs it')
    name = f'{module}.{name}'
    if name in _KNOWN:
      return _Meaning(name)
    why = 'this file would run code when it is loaded'
    if name.startswith('torch'):
      why = 'only plain dense tensors are read'
    raise self._machine.refusal(name, why)

  def persistent_load(self, identity: Any) -> Storage:
    """The storage that a persistent id names.

    It is ('storage', type, key, device, elements), and in files from before
    PyTorch 1.6 a sixth that is None except for views of another storage.
    """
    if not isinstance(identity, tuple) or len(identity) not in (5, 6):
      raise ValueError('not the name of a storage')
    kind, symbol, key, _, elements = identity[:5]
    dtype = _STORAGE_DTYPES.get(_need(symbol, Symbol).name)
    if kind != 'storage' or dtype is None or not isinstance(key, str):
      raise ValueError('not the name of a storage')
    if type(elements) is not int or elements < 0:
      raise ValueError(f'storage {shown(key)} of {type_name(elements)} size')
    if identity[5:] not in ((), (None,)):
      raise self._machine.refusal(
        'views of storages', 'only PyTorch 0.1 wrote them'
      )
    storage = Storage(key, dtype, elements)
    if self._machine.storages.setdefault(key, storage) != storage:
      raise ValueError(f'storage {shown(key)} is described in two ways')
    return storage


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


class _Meaning(Symbol):
  """A known name; an instance has no attributes that a pickle could set."""

  __slots__ = ()

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
    if name in _TENSORS and count >= 4:
      storage = _need(arguments[0], Storage)
      return _tensor(arguments, storage.dtype)
    if name == _TENSOR_V3 and count in (7, 8):
      _need(arguments[0], Storage)
      dtype = _DTYPES.get(_need(arguments[6], Symbol).name)
      return _tensor(arguments, _need(dtype, str))
    raise ValueError(f'{name} of {count} values')


def _need(value: Any, kind: type) -> Any:
  if not isinstance(value, kind):
    raise ValueError(f'a {type_name(value)} in place of a {kind.__name__}')
  return value


def _tensor(arguments: tuple[Any, ...], dtype: str) -> Tensor:
  """A tensor as described; `state_dict` looks at what the numbers are."""
  storage, offset, shape, strides = arguments[:4]
  return Tensor(storage, offset, shape, strides, dtype)
