"""The cost of a compiled program: operations, traffic, messages.

The compiler's own totals count the body of a loop once; here each counts as
often as it runs. Of a Pallas kernel XLA sees only operands and results: the
cost of JAX's splash attention, the one kernel of the model, follows from its
name and shapes.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

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
_SPLASH = re.compile(r'splash_mha_(fwd|dq|dkv)_')
# Matrix products [L, K] x [K, L] or [L, L] x [L, K] of a head: the scores, and
# what is made of them; backwards, the scores once more.
_PRODUCTS = {'fwd': 2, 'dq': 3, 'dkv': 4}
_RESULTS_OF_DKV = 4  # Two of its own use, two gradients.


@dataclasses.dataclass(frozen=True)
class Collectives:
  """Collectives of one kind and dtype among groups of one size."""

  kind: str  # 'all-reduce', …; 'slices-all-reduce', … between slices.
  dtype: str  # Of what is sent, 'bf16'.
  group: int  # Chips that take part in one of them; or slices.
  count: int  # Of them in a step.
  bytes: int  # In, or of an all-gather out, of each chip in a step.


class ProgramCost(NamedTuple):
  """The cost of a step on one chip."""

  flops: int  # Of matrix products.
  hbm_bytes: int  # Read from and written to the chip's main memory.
  messages: tuple[Collectives, ...]
  random_bytes: int  # Of random bits.
  rematerialized: int  # Instructions run twice, to save memory.


def analyze(module: Module) -> ProgramCost:
  """Adds up the cost of a program."""
  flops = hbm_bytes = random_bytes = rematerialized = 0
  sent: collections.Counter[tuple[str, str, int]] = collections.Counter()
  counts: collections.Counter[tuple[str, str, int]] = collections.Counter()
  for computation, times, fused in walk(module):
    for one in computation.instructions.values():
      if one.opcode in ('convolution', 'dot'):
        flops += times * _matmul_flops(one, computation)
      elif one.opcode == 'custom-call':
        flops += times * _splash_cost(one, computation)[0]
      elif one.opcode == 'rng-bit-generator':
        random_bytes += times * max(a.bytes for a in one.arrays)
      elif kind := _collective_kind(one):
        group = _group_size(one, module.partitions)
        shares = group if kind == 'all-gather' else 1
        # Tokens are the order of what is sent.
        taken = [a for a in _taken(one, computation) if a.dtype != 'token']
        for array in taken:
          sent[kind, array.dtype, group] += times * shares * array.bytes
        counts[kind, taken[0].dtype, group] += times
      rematerialized += '.remat' in one.name and not fused
      if not fused:
        hbm_bytes += times * _hbm_traffic(one, computation, module)
  messages = tuple(Collectives(*k, counts[k], sent[k]) for k in sorted(sent))
  return ProgramCost(flops, hbm_bytes, messages, random_bytes, rematerialized)


def walk(module: Module) -> Iterator[tuple[Computation, int, bool]]:
  """Computations at each place, how often they run, whether inside another."""
  todo = [(module.entry, 1, False)]
  while todo:
    name, times, fused = todo.pop()
    computation = module.computations[name]
    yield computation, times, fused
    for one in computation.instructions.values():
      called = one.called
      if one.opcode == 'while':
        trips = _trip_count(one, computation, module)
        todo.append((called['body'], times * trips, fused))
      elif one.opcode in ('fusion', 'async-start', 'call', 'custom-call'):
        inside = fused or one.opcode != 'call'
        names = [v for k, v in called.items() if k in ('calls', 'to_apply')]
        todo += [(name, times, inside) for name in names]
      elif one.opcode == 'conditional':
        todo += [(name, times, fused) for name in called.values()]


def _trip_count(
  loop: Instruction, computation: Computation, module: Module
) -> int:
  """How often a loop runs; JAX's count from a constant, by one, up to one."""
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


def _matmul_flops(one: Instruction, computation: Computation) -> int:
  """Operations of a matrix product: an addition and a multiplication each.

  The TPU's compiler writes every product as a convolution; products of a batch
  have the batch as a window of which one place meets the input.
  """
  out = one.arrays[0].dims
  left, right = (
    computation.instructions[name].arrays[0].dims for name in one.operands
  )
  if one.opcode == 'dot':
    axes = re.findall(r'\d+', one.attribute('lhs_contracting_dims'))
    depth = math.prod(left[int(axis)] for axis in axes)
    return 2 * depth * math.prod(out)
  inputs, rest = one.attribute('dim_labels').split('_')
  kernel, outputs = rest.split('->')
  total = 2 * right[kernel.index('i')]
  total *= out[outputs.index('b')] * out[outputs.index('f')]
  # `{size=12x12 stride=11x11}`
  window = dict(re.findall(r'(\w+)=(\S+)', one.attribute('window').strip('{}')))
  for axis in sorted(set(outputs) - {'b', 'f'}):
    place = int(axis)
    total *= _meetings(
      *(left[inputs.index(axis)], right[kernel.index(axis)]),
      out[outputs.index(axis)],
      {name: values.split('x')[place] for name, values in window.items()},
    )
  return total


def _meetings(
  size_in: int, size_window: int, size_out: int, window: dict[str, str]
) -> int:
  """Pairs of an output and a window's place that meet a real input."""
  stride = int(window.get('stride', '1'))
  pad = int(window.get('pad', '0_0').split('_')[0])
  spread = int(window.get('lhs_dilate', '1'))
  step = int(window.get('rhs_dilate', '1'))
  last = (size_in - 1) * spread
  count = 0
  for output in range(size_out):
    for k in range(size_window):
      at = output * stride + k * step - pad
      count += 0 <= at <= last and at % spread == 0
  return count


def _splash_cost(one: Instruction, computation: Computation) -> tuple[int, int]:
  """(operations, bytes of HBM read again) of splash attention, else zeros.

  Forwards and for the gradient of queries, keys and values are read for each
  block of queries; for their own gradient, it is the other way round.
  """
  if (found := _SPLASH.match(one.name)) is None:
    return 0, 0
  arrays = [a for a in _taken(one, computation) if re.match(r'b?f\d', a.dtype)]
  # The others: sums of weights, a gradient, and its sums.
  query, key, value, *others = arrays
  products = _PRODUCTS[found[1]]
  if found[1] == 'dkv' and len(one.arrays) > _RESULTS_OF_DKV:
    products += 1  # The gradient of queries too.
  flops = 2 * products * math.prod(query.dims) * key.dims[-2]
  # Its first result is its scratch, as long as a block.
  blocks = query.dims[-2] // one.arrays[0].dims[-2]
  again = [query, *others] if found[1] == 'dkv' else [key, value]
  return flops, (blocks - 1) * _in_hbm(again)


def _collective_kind(one: Instruction) -> str:
  """The kind of collective that an instruction is; '' for none."""
  if one.opcode == 'send' and (across := _ACROSS.search(one.rest)):
    return ACROSS_SLICES + across[1].lower().replace('_', '-')
  opcode = one.opcode.removesuffix('-start')
  return opcode if opcode in COLLECTIVES else ''


def _taken(one: Instruction, computation: Computation) -> list[Array]:
  """The arrays of its operands."""
  operands = [computation.instructions[name] for name in one.operands]
  return [array for operand in operands for array in operand.arrays]


def _group_size(one: Instruction, partitions: int) -> int:
  """Chips, or slices, of a group of a collective; 2 of a permutation."""
  if target := _TARGET.search(one.rest):
    ranges = [part.split(':') for part in target[1].split(',')]
    return sum(int(r[-1]) - int(r[0]) + 1 for r in ranges)
  if groups := re.search(r'replica_groups=\{\{([\d,]*)\}', one.rest):
    return groups[1].count(',') + 1
  if tiled := re.search(r'replica_groups=\[\d+,(\d+)\]', one.rest):
    return int(tiled[1])
  # mesh['axis_0'=8,'axis_1'=2] {'axis_0'}; of half an axis {'axis_0':(1)4}.
  mesh = r'replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}'
  if axes := re.search(mesh, one.rest):
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", axes[1]))
    named = re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", axes[2])
    return math.prod(int(part or sizes[name]) for name, part in named)
  return 2 if 'source_target_pairs' in one.rest else partitions


def _hbm_traffic(
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
  total = _splash_cost(one, computation)[1]
  for number, name in enumerate(one.operands):
    operand = computation.instructions[name].arrays
    if inner is not None:
      total += _read(operand, number, inner)
    elif one.opcode in _SLICES and number == 0:
      total += _in_hbm(one.arrays)
    elif one.opcode != 'dynamic-update-slice' or number:
      total += _in_hbm(operand)
  return total + _written(one, computation, inner)


def _in_hbm(arrays: Iterable[Array]) -> int:
  return sum(a.bytes for a in arrays if a.space == 0)


def _read(arrays: tuple[Array, ...], number: int, inner: Computation) -> int:
  """Bytes that a fusion reads of its operand of that number."""
  whole = _in_hbm(arrays)
  if not whole:
    return 0
  inside = inner.instructions.values()
  parameters = (i for i in inside if i.opcode == 'parameter')
  mine = next(i.name for i in parameters if i.operands[0] == str(number))
  total = 0
  for user in (i for i in inside if mine in i.operands):
    first = user.operands[0] == mine
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
    after = one.arrays[len(_taken(one, computation)) :] or one.arrays
    # What has no dimensions is the context.
    return _in_hbm(a for a in after if a.dims)
  scope = inner or computation
  results = [one if inner is None else inner.root]
  if inner is not None and inner.root.opcode == 'tuple':
    results = [inner.instructions[name] for name in inner.root.operands]
  if len(results) != len(one.arrays):
    return _in_hbm(one.arrays)
  total = 0
  for array, source in zip(one.arrays, results, strict=True):
    if array.space == 0 and source.opcode == 'dynamic-update-slice':
      written = scope.instructions[source.operands[1]].arrays
      total += sum(a.bytes for a in written)
    elif array.space == 0:
      total += array.bytes
  return total


def estimated_cycles(module: Module) -> int:
  """The compiler's estimate; none of random bits, collectives or Pallas."""
  total = 0
  for computation, times, fused in walk(module):
    for one in computation.instructions.values() if not fused else ():
      found = re.search(r'"estimated_cycles":"(\d+)"', one.rest)
      total += times * int(found[1]) if found else 0
  return total
