"""Slices of TPUs by the names that people launch them under.

`v5e-16` and `v6e-16` count chips; `v4-32` and `v5p-32` count cores, two a
chip, as Google Cloud does. `v5p:4x4x4` names a shape, in chips. `2xv5e-256` is
two slices joined by the data center network (DCN).
"""

import dataclasses
import difflib
import math
import re
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.parallel.chips import CHIPS, Chip


@dataclasses.dataclass(frozen=True)
class Slice:
  """Chips that ICI joins, or several such slices joined by DCN."""

  name: str  # As given.
  generation: str  # A key of `CHIPS`.
  shape: tuple[int, ...]  # Chips in each dimension, of one slice.
  slices: int = 1

  @property
  def chip(self) -> Chip:
    """The facts of its generation."""
    return CHIPS[self.generation]

  @property
  def chips(self) -> int:
    """Chips of all slices; JAX sees each as one device."""
    return self.slices * math.prod(self.shape)

  @property
  def _host_bounds(self) -> tuple[int, ...]:
    """Chips of one host."""
    chips = math.prod(self.shape)
    flat = len(self.shape) == 2 and chips <= 8 and chips != 4
    return (*self.shape, 1) if flat else (2, 2, 1)

  @property
  def hosts(self) -> int:
    """Machines that the chips are attached to."""
    return self.chips // math.prod(self._host_bounds)

  @property
  def description(self) -> dict[str, Any]:
    """For `topologies.get_topology_desc`, with one device a chip of v4."""
    shape = 'x'.join(map(str, self.shape))
    found: dict[str, Any] = {
      'topology_name': f'{self.generation}:{shape}',
      'chips_per_host_bounds': self._host_bounds,
    }
    if self.generation == 'v4':
      found['chip_config_name'] = 'megacore'
    if self.slices > 1:
      found['num_slices'] = self.slices
    return found

  @property
  def ici_bandwidth(self) -> float:
    """Bytes a second that a chip can send; half in a dimension of no ring."""
    closed = [size % self.chip.torus == 0 for size in self.shape]
    cubes = len(self.shape) == 2 or all(closed)
    links = sum(
      (2 if cubes and ring else 1)
      for size, ring in zip(self.shape, closed, strict=True)
      if size > 1
    )
    return links * self.chip.ici_link_bandwidth


def parse_slice(name: str) -> Slice:
  """The slice that a name means; an InputError names the nearest ones."""
  if several := re.fullmatch(r'([1-9][0-9]{0,3})x(v.*)', name.lower()):
    one = parse_slice(several[2])
    return dataclasses.replace(one, name=name, slices=int(several[1]))
  spelled = re.sub('^v5litepod', 'v5e', name.lower())  # Google Cloud's.
  generation, mark, size = spelled.partition(':' if ':' in name else '-')
  chip = CHIPS.get(generation)
  if chip is not None and mark == ':':
    shape = tuple(int(n) for n in size.split('x') if n.isdigit())
    found = Slice(name, generation, shape)
    same = 'x'.join(map(str, shape)) == size
    sizes = zip(shape, found._host_bounds, strict=False)
    # Its hosts have equally many chips.
    whole = all(size > 0 and size % host == 0 for size, host in sizes)
    if same and len(shape) == len(chip.shapes[0]) and whole:
      return found
  elif chip is not None and size.isdigit():
    for shape in chip.shapes:
      if math.prod(shape) * chip.cores == int(size):
        return Slice(name, generation, shape)
  if re.fullmatch('v[23]-[0-9]+', name.lower()):
    what = f'--topology {name}: preflight knows v4 and newer'
    raise InputError(f'{what}; tpu_setup/launch.sh goes without it')
  near = ', '.join(_nearest(name)[:8])
  raise InputError(
    f'--topology {name}: no such slice; the nearest: {near}; or a shape '
    'in chips, such as v5e:4x4 or v4:2x2x4; 2xv5e-16 for two slices'
  )


def names() -> list[str]:
  """Every slice that is sold."""
  return [
    f'{generation}-{math.prod(shape) * chip.cores}'
    for generation, chip in CHIPS.items()
    for shape in chip.shapes
  ]


def _nearest(name: str) -> list[str]:
  """Known names, the most alike first: of the same generation by size."""
  generation, _, size = name.partition('-')
  known = names()
  if generation in CHIPS and size.isdigit():
    wanted = max(1, int(size))
    sizes = [int(n.split('-')[1]) for n in known if n.startswith(generation)]
    sizes.sort(key=lambda n: abs(math.log(n / wanted)))
    return [f'{generation}-{n}' for n in sizes]
  return difflib.get_close_matches(name, known, len(known), 0.0)
