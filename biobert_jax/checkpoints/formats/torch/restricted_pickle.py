"""The pickle of a PyTorch file, read as a description in which nothing runs.

A pickle is a program for a stack machine that can call any function there
is. This machine knows what state dicts are made of and calls nothing: a name
such as `torch._utils._rebuild_tensor_v2` is a symbol with a meaning given
here, and every other name is refused.

Sources: CPython's pickletools.py (the instructions); PyTorch's
torch/serialization.py and torch/_utils.py (what is stored).
"""

import pathlib
import pickletools
import warnings
from collections.abc import Iterable
from typing import Any, BinaryIO

from biobert_jax.checkpoints.formats.file_magic import shown
from biobert_jax.checkpoints.formats.torch.tensors import (
  Storage,
  Symbol,
  Tensor,
  kind_of,
)
from biobert_jax.errors import InputError

# The state dict of BERT-large takes 60 kB and 20,000 instructions.
MAX_BYTES = 16 * 2**20
_MAX_INSTRUCTIONS = 1_000_000

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
  'collections.OrderedDict',
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
    self._clear()

  def _clear(self) -> None:
    self._stack: list[Any] = []
    self._outer: list[list[Any]] = []  # The stacks below each mark.
    self._memo: dict[int, Any] = {}

  def run(self, stream: BinaryIO) -> Any:
    """Reads one pickle.

    Args:
      stream: stands behind it afterwards.

    Returns:
      What it describes.

    Raises:
      InputError: a name or an instruction that is not known here, or damage.
    """
    self._clear()
    try:
      with warnings.catch_warnings():
        # pickletools warns of odd backslashes in strings of protocol 0.
        warnings.simplefilter('ignore', DeprecationWarning)
        return self._run(pickletools.genops(stream))
    except InputError:
      raise
    except ValueError as error:
      raise self._error(f'cut or damaged ({shown(error)})') from error
    except (IndexError, KeyError) as error:
      raise self._error(
        'cut or damaged (its pickle uses what it never made)'
      ) from error

  def _run(self, instructions: Iterable[tuple[Any, Any, Any]]) -> Any:
    for count, (code, argument, _) in enumerate(instructions):
      if count >= _MAX_INSTRUCTIONS:
        raise self._error('holds more than the tensors of a model')
      if code.name == 'STOP':
        return self._stack.pop()
      self._step(code.name, argument)
    raise ValueError('it does not end')

  def _error(self, what: str) -> InputError:
    return InputError(
      f'{self._path}: {what}; copy it again, or use model.safetensors'
    )

  def _refusal(self, what: str, why: str) -> InputError:
    return InputError(
      f'{self._path}: refuses {shown(what)}: {why}; use model.safetensors, or '
      'a file that torch.save(model.state_dict(), FILE) wrote'
    )

  def _step(self, code: str, argument: Any) -> None:
    """Carries out one instruction."""
    if code in _PUSHED:
      self._stack.append(argument)
    elif code in _CONSTANTS:
      self._stack.append(_CONSTANTS[code])
    elif code in ('PROTO', 'FRAME'):
      pass
    elif code == 'MARK':
      self._outer.append(self._stack)
      self._stack = []
    elif code in ('EMPTY_DICT', 'EMPTY_LIST'):
      self._stack.append({} if code == 'EMPTY_DICT' else [])
    elif code in ('BINPUT', 'LONG_BINPUT', 'MEMOIZE'):
      at = len(self._memo) if argument is None else argument
      self._memo[at] = self._stack[-1]
    elif code in ('BINGET', 'LONG_BINGET'):
      self._stack.append(self._memo[argument])
    elif code in ('GLOBAL', 'STACK_GLOBAL'):
      self._symbol(argument)
    elif code == 'BINPERSID':
      self._stack.append(self._storage(self._stack.pop()))
    elif code == 'REDUCE':
      arguments = self._stack.pop()
      self._stack.append(self._meaning(self._stack.pop(), arguments))
    elif code == 'BUILD':
      # `_metadata` of an OrderedDict: versions of modules, not weights.
      self._stack.pop()
      self._need(self._stack[-1], dict)
    else:
      self._collect(code)

  def _collect(self, code: str) -> None:
    """Carries out the instructions that put values into a container."""
    if code in _TUPLES:
      size = _TUPLES[code]
      values = self._stack[len(self._stack) - size :]
      if len(values) < size:
        raise IndexError('stack underflow')
      del self._stack[len(self._stack) - size :]
      self._stack.append(tuple(values))
    elif code == 'TUPLE':
      values = self._to_mark()
      self._stack.append(tuple(values))
    elif code in ('APPEND', 'APPENDS'):
      values = [self._stack.pop()] if code == 'APPEND' else self._to_mark()
      self._need(self._stack[-1], list).extend(values)
    elif code in ('SETITEM', 'SETITEMS'):
      if code == 'SETITEM':
        value = self._stack.pop()
        values = [self._stack.pop(), value]
      else:
        values = self._to_mark()
      pairs = zip(values[::2], values[1::2], strict=True)
      target = self._need(self._stack[-1], dict)
      for key, value in pairs:
        self._set(target, key, value)
    else:
      raise self._refusal(f'the instruction {code}', 'no state dict needs it')

  def _to_mark(self) -> list[Any]:
    values = self._stack
    self._stack = self._outer.pop()
    return values

  def _need(self, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
      raise ValueError(f'a {kind_of(value)} in place of a {kind.__name__}')
    return value

  def _set(self, target: dict[Any, Any], key: Any, value: Any) -> None:
    # Nothing but names and numbers: a nest of tuples takes ages to hash.
    if not isinstance(key, (str, int)):
      raise ValueError(f'a {kind_of(key)} as a key')
    if key in target:
      raise self._error(f'holds {shown(key)} twice')
    target[key] = value

  def _symbol(self, argument: str | None) -> None:
    """Pushes a name that the pickle asks for, if it has a meaning."""
    if argument is None:
      name = self._need(self._stack.pop(), str)
      module = self._need(self._stack.pop(), str)
    else:
      module, _, name = argument.partition(' ')
    name = f'{module}.{name}'
    if name not in _KNOWN:
      if name.startswith(('torch', _REBUILD)):
        raise self._refusal(name, 'only plain dense tensors are read')
      raise self._refusal(name, 'this file would run code when it is loaded')
    self._stack.append(Symbol(name))

  def _storage(self, identity: Any) -> Storage:
    """The storage that a persistent id names.

    It is ('storage', type, key, device, elements), and in files from before
    PyTorch 1.6 a sixth that is None but for views of another storage.
    """
    if not isinstance(identity, tuple) or len(identity) not in (5, 6):
      raise ValueError('not the name of a storage')
    kind, symbol, key, _, elements = identity[:5]
    dtype = _STORAGE_DTYPES.get(self._need(symbol, Symbol).name)
    if kind != 'storage' or dtype is None or not isinstance(key, str):
      raise ValueError('not the name of a storage')
    if type(elements) is not int or elements < 0:
      raise ValueError(f'storage {shown(key)} of {kind_of(elements)} size')
    if identity[5:] not in ((), (None,)):
      raise self._refusal('views of storages', 'only PyTorch 0.1 wrote them')
    storage = Storage(key, dtype, elements)
    if self.storages.setdefault(key, storage) != storage:
      raise ValueError(f'storage {shown(key)} is described in two ways')
    return storage

  def _meaning(self, symbol: Any, arguments: Any) -> Any:
    """What a known name stands for with these arguments."""
    name = self._need(symbol, Symbol).name
    count = len(self._need(arguments, tuple))
    if name == 'collections.OrderedDict' and count <= 1:
      found: dict[Any, Any] = {}
      # Python 2 wrote the pairs here.
      for pair in self._need(arguments[0], list) if count else ():
        key, value = self._need(pair, list)
        self._set(found, key, value)
      return found
    if name == 'torch.Size' and count == 1:
      return self._need(arguments[0], tuple)
    if name == 'torch.device' and count in (1, 2):
      return name
    if name == _PARAMETER and count == 3:
      return self._need(arguments[0], Tensor)
    if name in _TENSORS and count >= 4:
      storage = self._need(arguments[0], Storage)
      return _tensor(arguments, storage.dtype)
    if name == _TENSOR_V3 and count in (7, 8):
      self._need(arguments[0], Storage)
      dtype = _DTYPES.get(self._need(arguments[6], Symbol).name)
      return _tensor(arguments, self._need(dtype, str))
    raise ValueError(f'{name} of {count} values')


# Instructions that push their own argument. Names are BINUNICODE; Python 2
# wrote BINSTRING.
_PUSHED = {
  *('BININT', 'BININT1', 'BININT2', 'LONG1', 'LONG4', 'BINFLOAT'),
  *('BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8'),
  *('BINSTRING', 'SHORT_BINSTRING'),
}
_CONSTANTS = {
  'NONE': None,
  'NEWTRUE': True,
  'NEWFALSE': False,
  'EMPTY_TUPLE': (),
}
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}


def _tensor(arguments: tuple[Any, ...], dtype: str) -> Tensor:
  """A tensor as described; `state_dict` looks at what the numbers are."""
  storage, offset, shape, strides = arguments[:4]
  return Tensor(storage, offset, shape, strides, dtype)
