"""The text of a compiled program, as computations of instructions.

HLO (openxla.org/xla/hlo_dumps) has one instruction a line, `%name = SHAPE
opcode(%operand, ...), attribute=value, ...`. A shape is `f32[12,512]{1,0:S(1)}`
or a tuple of shapes; without `S(n)` it lies in the chip's main memory (HBM).
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

_BITS = {'pred': 8, 'token': 0, 'opaque': 0, 'bf16': 16, 'c64': 64, 'c128': 128}
_LEAF = re.compile(r'([a-z]\w*)\[([0-9,<=]*)\](?:\{([^}]*)\})?')
_SPACE = re.compile(r'S\((\d+)\)')
_COMPUTATION = re.compile(r'(ENTRY )?%?([^ (]+) \(.*\{$')
_INSTRUCTION = re.compile(r'\s+(ROOT )?%?([^ ]+) = ')
_OPCODE = re.compile(r'\s*([a-z][\w-]*)\(')
_CALLED = re.compile(
  r'\b(calls|body|condition|to_apply|true_computation|false_computation)='
  r'%?([\w.-]+)'
)
_PARTITIONS = re.compile(r'^HloModule .*\bnum_partitions=(\d+)', re.MULTILINE)
_BRANCHES = re.compile(r'\bbranch_computations=\{([^}]*)\}')


class Array(NamedTuple):
  """One array of a shape."""

  dtype: str  # As HLO spells it, 'bf16'.
  dims: tuple[int, ...]
  space: int  # The memory it lies in, 0 for HBM.

  @property
  def bytes(self) -> int:
    """Its size, without what the layout pads."""
    found = re.search(r'\d+', self.dtype)
    bits = _BITS.get(self.dtype, int(found[0]) if found else 0)
    return math.prod(self.dims) * bits // 8


@dataclasses.dataclass(frozen=True)
class Instruction:
  """One line of a computation."""

  name: str
  shape: str  # Of its result, as text.
  opcode: str
  operands: tuple[str, ...]  # Names, in order.
  rest: str  # The attributes, as text.
  is_root: bool  # Whether it is what its computation returns.

  @functools.cached_property
  def arrays(self) -> tuple[Array, ...]:
    """The arrays of its result, tuples laid flat."""
    return tuple(arrays(self.shape))

  @property
  def called(self) -> dict[str, str]:
    """Computations by the attribute that names them."""
    found = dict(_CALLED.findall(self.rest))
    if branches := _BRANCHES.search(self.rest):
      for number, name in enumerate(branches[1].split(',')):
        found[f'branch {number}'] = name.strip().lstrip('%')
    return found

  def attribute(self, name: str) -> str:
    """The text of an attribute up to the next comma or space; '' for none."""
    found = re.search(rf'[ ,]{name}=(\{{[^}}]*\}}|[^ ,]+)', self.rest)
    return found[1] if found else ''


class Computation(NamedTuple):
  """Instructions by name, in order."""

  name: str
  instructions: dict[str, Instruction]

  @property
  def root(self) -> Instruction:
    """The instruction whose result it returns."""
    return next(i for i in self.instructions.values() if i.is_root)


class Module(NamedTuple):
  """A program."""

  computations: dict[str, Computation]
  entry: str  # The name of the first to run.
  partitions: int  # Chips that it runs on together.


def arrays(shape: str) -> Iterator[Array]:
  """The arrays of a shape's text."""
  for dtype, dims, layout in _LEAF.findall(shape):
    sizes = tuple(int(d.lstrip('<=')) for d in dims.split(',') if d)
    space = _SPACE.search(layout)
    yield Array(dtype, sizes, int(space[1]) if space else 0)


def parse(text: str) -> Module:
  """Reads what XLA dumps, or a compiled program's `as_text`."""
  computations: dict[str, Computation] = {}
  entry, current = '', Computation('', {})
  for line in text.splitlines():
    if line.endswith('{') and (found := _COMPUTATION.match(line)):
      current = Computation(found[2], {})
      computations[found[2]] = current
      entry = found[2] if found[1] else entry
    elif (found := _INSTRUCTION.match(line)) and current.name:
      one = _instruction(line[found.end() :], found[2], bool(found[1]))
      current.instructions[one.name] = one
  if not entry:
    raise ValueError('the text holds no ENTRY computation')
  partitions = _PARTITIONS.search(text)
  return Module(computations, entry, int(partitions[1]) if partitions else 1)


def _instruction(line: str, name: str, is_root: bool) -> Instruction:
  """`SHAPE opcode(operands), attributes`."""
  end = _closing(line, 0) if line.startswith('(') else line.index(' ')
  shape, line = line[:end], line[end:]
  found = _OPCODE.match(line)
  if found is None:
    raise ValueError(f'no instruction: {name} = {shape}{line}')
  end = _closing(line, found.end() - 1)
  inside = line[found.end() : end - 1]
  operands = tuple(re.findall(r'%([\w.-]+)', inside))
  if found[1] in ('parameter', 'constant'):
    operands = (inside,)
  return Instruction(name, shape, found[1], operands, line[end:], is_root)


def _closing(text: str, start: int) -> int:
  """The end of the parenthesis that opens at `start`."""
  depth = 0
  for found in re.finditer(r'[()]', text[start:]):
    depth += 1 if found[0] == '(' else -1
    if depth == 0:
      return start + found.end()
  raise ValueError(f'a parenthesis is not closed: {text[:80]}')
