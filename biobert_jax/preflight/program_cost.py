"""The cost of a compiled program: operations, traffic, messages.

The compiler's own totals count the body of a loop once; here each counts as
often as it runs.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Iterator

from biobert_jax.preflight import kernel_cost
from biobert_jax.preflight.hlo import Array, Computation, Instruction, Module

COLLECTIVES = (
  *('all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all'),
  *('collective-permute', 'collective-broadcast', 'ragged-all-to-all'),
)
# What moves no bytes itself: names of others' results, and the ends of what
# another instruction began.
_FREE = {
  *('parameter', 'constant', 'tuple', 'get-tuple-element', 'bitcast'),
  *('while', 'conditional', 'call', 'after-all', 'partition-id'),
  *('replica-id', 'opt-barrier', 'async-update'),
}
# Custom calls that only name memory: XLA:TPU's own.
_FREE_CALLS = ('AllocateBuffer', 'ConcatBitcast', 'AssumeGatherIndicesInBound')
# Between slices the compiler sends through the hosts, in a way of its own.
_ACROSS = re.compile(r'_xla_megascale_transfer_type="(\w+)"')
_TARGET = re.compile(r'_xla_megascale_target="\{([\d,:]*)\}')
ACROSS_SLICES = 'slices-'  # Before the kind of such a message.
_SLICES = {'slice', 'dynamic-slice', 'gather'}


@dataclasses.dataclass(frozen=True)
class Collectives:
  """Collectives of one kind and dtype among groups of one size.

  Attributes:
    kind: 'all-reduce', …; 'slices-all-reduce', … between slices.
    dtype: of what is sent, 'bf16'.
    group: chips that take part in one of them; or slices.
    count: of them in a step.
    bytes: that each chip puts in, or of an all-gather gets out, in a step.
  """

  kind: str
  dtype: str
  group: int
  count: int
  bytes: int


@dataclasses.dataclass(frozen=True)
class ProgramCost:
  """The cost of a step on one chip.

  Attributes:
    flops: of matrix products.
    hbm_bytes: read from and written to the chip's main memory.
    messages: collectives.
    random_bytes: of random bits.
    rematerialized: instructions that the compiler runs twice to save memory.
  """

  flops: int
  hbm_bytes: int
  messages: tuple[Collectives, ...]
  random_bytes: int
  rematerialized: int


def analyze(module: Module) -> ProgramCost:
  """Adds up the cost of a program."""
  flops = hbm_bytes = random_bytes = rematerialized = 0
  sent: collections.Counter[tuple[str, str, int]] = collections.Counter()
  counts: collections.Counter[tuple[str, str, int]] = collections.Counter()
  for computation, times, fused in walk(module):
    for one in computation.instructions.values():
      if one.opcode in ('convolution', 'dot'):
        flops += times * matmul_flops(one, computation)
      elif one.opcode == 'custom-call':
        flops += times * kernel_cost.kernel_flops(one, computation)
      elif one.opcode == 'rng-bit-generator':
        random_bytes += times * max(a.bytes for a in one.arrays)
      elif kind := collective_kind(one):
        group = group_size(one, module.partitions)
        parts = list(_sent(one, kind, group, computation))
        for key, size in parts:
          sent[key] += times * size
        counts[parts[0][0]] += times
      rematerialized += '.remat' in one.name and not fused
      if not fused:
        hbm_bytes += times * hbm_traffic(one, computation, module)
  messages = [Collectives(*key, counts[key], sent[key]) for key in sorted(sent)]
  return ProgramCost(
    flops, hbm_bytes, tuple(messages), random_bytes, rematerialized
  )


def walk(module: Module) -> Iterator[tuple[Computation, int, bool]]:
  """Computations, how often each runs, and whether inside one instruction.

  One that is called from several places comes several times.
  """
  todo = [(module.entry, 1, False)]
  while todo:
    name, times, fused = todo.pop()
    computation = module.computations[name]
    yield computation, times, fused
    for one in computation.instructions.values():
      called = one.called
      if one.opcode == 'while':
        trips = trip_count(one, computation, module)
        todo.append((called['body'], times * trips, fused))
      elif one.opcode in ('fusion', 'async-start', 'call', 'custom-call'):
        inside = fused or one.opcode != 'call'
        names = [v for k, v in called.items() if k in ('calls', 'to_apply')]
        todo += [(name, times, inside) for name in names]
      elif one.opcode == 'conditional':
        todo += [(name, times, fused) for name in called.values()]


def trip_count(
  loop: Instruction, computation: Computation, module: Module
) -> int:
  """How often the body of a loop runs.

  JAX's loops count from a constant, by one, up to a constant.

  Raises:
    ValueError: this one does not.
  """
  if known := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.rest):
    return int(known[1])
  condition = module.computations[loop.called['condition']]
  bounds = [
    int(one.operands[0])
    for one in _reachable(condition, module)
    if one.opcode == 'constant' and re.match(r's32\[\]', one.shape)
  ]
  if len(bounds) != 1:
    raise ValueError(
      f'{loop.name} in {computation.name}: its condition has {len(bounds)} '
      'constants; how often it runs is unknown'
    )
  return bounds[0]


def _reachable(
  computation: Computation, module: Module
) -> Iterator[Instruction]:
  for one in computation.instructions.values():
    yield one
    for name in one.called.values():
      yield from _reachable(module.computations[name], module)


def matmul_flops(one: Instruction, computation: Computation) -> int:
  """Operations of a matrix product: an addition and a multiplication each.

  The TPU's compiler writes every product as a convolution; products of a batch
  have the batch as a window of which one place meets the input.
  """
  out = one.arrays[0]
  operands = [computation.instructions[name] for name in one.operands]
  left, right = (operand.arrays[0].dims for operand in operands)
  if one.opcode == 'dot':
    axes = re.findall(r'\d+', one.attribute('lhs_contracting_dims'))
    depth = math.prod(left[int(axis)] for axis in axes)
    return 2 * depth * math.prod(out.dims)
  labels = one.attribute('dim_labels')
  inputs, rest = labels.split('_')
  kernel, outputs = rest.split('->')
  total = 2 * right[kernel.index('i')]
  total *= out.dims[outputs.index('b')] * out.dims[outputs.index('f')]
  window = _window(one.attribute('window'))
  for axis in sorted(set(outputs) - {'b', 'f'}):
    place = int(axis)
    sizes = (
      *(left[inputs.index(axis)], right[kernel.index(axis)]),
      out.dims[outputs.index(axis)],
    )
    total *= _meetings(sizes, window, place)
  return total


def _window(text: str) -> dict[str, list[str]]:
  """`{size=12x12 stride=11x11}` by name."""
  pairs = (part.split('=') for part in text.strip('{}').split() if '=' in part)
  return {name: values.split('x') for name, values in pairs}


def _meetings(
  sizes: tuple[int, int, int], window: dict[str, list[str]], place: int
) -> int:
  """Pairs of an output and a window's place that meet a real input."""
  size_in, size_window, size_out = sizes

  def of(name: str, default: str) -> str:
    values = window.get(name)
    return values[place] if values else default

  stride, pad = int(of('stride', '1')), int(of('pad', '0_0').split('_')[0])
  spread = int(of('lhs_dilate', '1'))
  step = int(of('rhs_dilate', '1'))
  last = (size_in - 1) * spread
  count = 0
  for output in range(size_out):
    for k in range(size_window):
      at = output * stride + k * step - pad
      count += 0 <= at <= last and at % spread == 0
  return count


def collective_kind(one: Instruction) -> str:
  """The kind of collective that an instruction is; '' for none."""
  if one.opcode == 'send' and (across := _ACROSS.search(one.rest)):
    return ACROSS_SLICES + across[1].lower().replace('_', '-')
  opcode = one.opcode.removesuffix('-start')
  return opcode if opcode in COLLECTIVES else ''


def _sent(
  one: Instruction, kind: str, group: int, computation: Computation
) -> Iterator[tuple[tuple[str, str, int], int]]:
  """((kind, dtype, group), bytes) of each array that a collective takes."""
  for name in one.operands:
    for array in computation.instructions[name].arrays:
      if array.dtype == 'token':  # The order of what is sent.
        continue
      size = array.bytes * (group if kind == 'all-gather' else 1)
      yield (kind, array.dtype, group), size


def group_size(one: Instruction, partitions: int) -> int:
  """Chips, or slices, of a group of a collective; 2 of a permutation.

  Args:
    one: the collective.
    partitions: chips that the program runs on, a group where none is named.
  """
  if target := _TARGET.search(one.rest):
    ranges = [part.split(':') for part in target[1].split(',')]
    return sum(int(r[-1]) - int(r[0]) + 1 for r in ranges)
  groups = re.search(r'replica_groups=\{\{([\d,]*)\}', one.rest)
  if groups:
    return groups[1].count(',') + 1
  if tiled := re.search(r'replica_groups=\[\d+,(\d+)\]', one.rest):
    return int(tiled[1])
  # mesh['axis_0'=8,'axis_1'=2] {'axis_0'}; of half an axis {'axis_0':(1)4}.
  if axes := re.search(
    r'replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}', one.rest
  ):
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", axes[1]))
    named = re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", axes[2])
    return math.prod(int(part or sizes[name]) for name, part in named)
  return 2 if 'source_target_pairs' in one.rest else partitions


def hbm_traffic(
  one: Instruction, computation: Computation, module: Module
) -> int:
  """Bytes between HBM and the core that an instruction moves.

  Of an operand of which only slices are read, the slices; of a result that is
  written in place, what is written.
  """
  if one.opcode in _FREE or one.opcode.endswith('-done'):
    return 0
  if one.opcode == 'custom-call' and any(c in one.rest for c in _FREE_CALLS):
    return 0
  inner = None
  if one.opcode in ('fusion', 'async-start'):
    inner = module.computations[one.called['calls']]
  total = kernel_cost.bytes_read_again(one, computation)
  for number, name in enumerate(one.operands):
    operand = computation.instructions[name]
    if inner is not None:
      total += _read(operand.arrays, number, inner)
    elif one.opcode in _SLICES:
      total += _in_hbm(one.arrays) if number == 0 else _in_hbm(operand.arrays)
    elif one.opcode == 'dynamic-update-slice' and number == 0:
      continue
    else:
      total += _in_hbm(operand.arrays)
  return total + _written(one, computation, inner)


def _in_hbm(arrays: tuple[Array, ...]) -> int:
  return sum(a.bytes for a in arrays if a.space == 0)


def _read(arrays: tuple[Array, ...], number: int, inner: Computation) -> int:
  """Bytes that a fusion reads of its operand of that number."""
  whole = _in_hbm(arrays)
  if not whole:
    return 0
  mine = next(
    i
    for i in inner.instructions.values()
    if i.opcode == 'parameter' and i.operands[0] == str(number)
  )
  users = [i for i in inner.instructions.values() if mine.name in i.operands]
  total = 0
  for user in users:
    first = user.operands[0] == mine.name
    if user.opcode in _SLICES and first:
      total += sum(a.bytes for a in user.arrays)
    elif user.opcode != 'dynamic-update-slice' or not first:
      return whole
  return min(whole, total)


def _written(
  one: Instruction, computation: Computation, inner: Computation | None
) -> int:
  """Bytes that an instruction writes of its result."""
  if one.opcode == 'send':  # Its result is its operand.
    return 0
  if one.opcode in ('copy-start', 'recv'):
    return _in_hbm(one.arrays[:1])
  if one.opcode.endswith('-start'):
    # (operands, results, context), or of an all-reduce the results alone.
    count = sum(len(computation.instructions[n].arrays) for n in one.operands)
    after = one.arrays[count:] or one.arrays
    # What has no dimensions is the context.
    return _in_hbm(tuple(a for a in after if a.dims))
  scope = computation if inner is None else inner
  result = one if inner is None else inner.root
  results = [result]
  if inner is not None and result.opcode == 'tuple':
    results = [inner.instructions[name] for name in result.operands]
  if len(results) != len(one.arrays):
    return _in_hbm(one.arrays)
  total = 0
  for array, source in zip(one.arrays, results, strict=True):
    update = source.opcode == 'dynamic-update-slice'
    if array.space == 0 and update:
      written = scope.instructions[source.operands[1]].arrays
      total += sum(a.bytes for a in written)
    elif array.space == 0:
      total += array.bytes
  return total


def estimated_cycles(module: Module) -> int:
  """The cycles that the compiler estimates, loops by their trips.

  It estimates none for random bits, collectives and Pallas kernels.
  """
  total = 0
  for computation, times, fused in walk(module):
    if not fused:
      for one in computation.instructions.values():
        found = re.search(r'"estimated_cycles":"(\d+)"', one.rest)
        total += times * int(found[1]) if found else 0
  return total
