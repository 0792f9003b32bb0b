"""Slices of TPUs by the names that people launch them under.

`v5e-16` and `v6e-16` count chips; `v4-32` and `v5p-32` count cores, two a
chip, as Google Cloud does. `v5p:4x4x4` names a shape, in chips. `2xv5e-256` is
two slices that the data centre's network joins (multislice).
"""

import dataclasses
import difflib
import math
import re
from typing import Any

from biobert_jax.errors import InputError

_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
  """A generation of TPUs.

  Attributes:
    kind: what JAX calls one; `throughput.peak_flops` knows its peak.
    cores: that a slice's name counts for each chip.
    clock: cycles a second; with it four matrix units of 128 x 128 in each of
      its cores give the peak that is published. v6e's is taken to be v5p's.
    hbm_bytes: that a program may fill, as the compiler says when one does not
      fit (libtpu 0.0.42 and 0.0.52); less than the data sheet has.
    hbm_bandwidth: bytes a second.
    link_bandwidth: bytes a second, of one link one way.
    network_bandwidth: bytes a second, of a chip's share of its host's way to
      other slices. All bandwidths: cloud.google.com/tpu/docs and
      jax-ml/scaling-book, tpus.md.
    shapes: the slices that are sold, in chips.
    torus: sizes that close to a ring in a dimension divide by this.
  """

  kind: str
  cores: int
  clock: float
  hbm_bytes: int
  hbm_bandwidth: float
  link_bandwidth: float
  network_bandwidth: float
  shapes: tuple[tuple[int, ...], ...]
  torus: int


_FLAT = ((1, 1), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))
_SOLID = (
  *((2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 4, 4), (4, 4, 4), (4, 4, 8)),
  *((4, 8, 8), (8, 8, 8), (8, 8, 16), (8, 16, 16), (16, 16, 16)),
)
CHIPS = {
  'v4': Chip(
    kind='TPU v4',
    cores=2,
    clock=1.05e9,
    hbm_bytes=int(30.75 * _GIB),
    hbm_bandwidth=1.228e12,
    link_bandwidth=45e9,
    network_bandwidth=6.25e9,  # Not published: taken to be v5p's.
    shapes=_SOLID[:-1],
    torus=4,
  ),
  'v5e': Chip(
    kind='TPU v5 lite',
    cores=1,
    clock=1.5e9,
    hbm_bytes=int(15.75 * _GIB),
    hbm_bandwidth=819e9,
    link_bandwidth=45e9,
    network_bandwidth=3.125e9,
    shapes=_FLAT,
    torus=16,
  ),
  'v5p': Chip(
    kind='TPU v5',
    cores=2,
    clock=1.75e9,
    hbm_bytes=int(95.73 * _GIB),
    hbm_bandwidth=2.765e12,
    link_bandwidth=90e9,
    network_bandwidth=6.25e9,
    shapes=(*_SOLID, (16, 16, 24)),
    torus=4,
  ),
  'v6e': Chip(
    kind='TPU v6 lite',
    cores=1,
    clock=1.75e9,
    hbm_bytes=int(31.24 * _GIB),
    hbm_bandwidth=1.64e12,
    link_bandwidth=90e9,
    network_bandwidth=12.5e9,
    shapes=_FLAT,
    torus=16,
  ),
}
_ALIASES = {'v5litepod': 'v5e'}  # As gcloud spells it.


@dataclasses.dataclass(frozen=True)
class Slice:
  """Chips that are joined by their own links; or several such slices.

  Attributes:
    name: as given.
    generation: a key of `CHIPS`.
    shape: chips in each dimension, of one slice.
    slices: how many.
  """

  name: str
  generation: str
  shape: tuple[int, ...]
  slices: int = 1

  @property
  def chip(self) -> Chip:
    """Its generation's figures."""
    return CHIPS[self.generation]

  @property
  def chips(self) -> int:
    """How many there are; JAX sees each as one device."""
    return self.slices * math.prod(self.shape)

  @property
  def _of_host(self) -> tuple[int, ...]:
    """Chips of one host."""
    chips = math.prod(self.shape)
    if len(self.shape) == 2 and chips <= 8 and chips != 4:
      return (*self.shape, 1)
    return (2, 2, 1)

  @property
  def hosts(self) -> int:
    """Machines that it hangs on."""
    return self.chips // math.prod(self._of_host)

  @property
  def description(self) -> dict[str, Any]:
    """What `topologies.get_topology_desc` takes.

    JAX's own default makes two devices of a chip of v4.
    """
    shape = 'x'.join(map(str, self.shape))
    asked: dict[str, Any] = {'topology_name': f'{self.generation}:{shape}'}
    asked['chips_per_host_bounds'] = self._of_host
    if self.generation == 'v4':
      asked['chip_config_name'] = 'megacore'
    if self.slices > 1:
      asked['num_slices'] = self.slices
    return asked

  @property
  def links_bandwidth(self) -> float:
    """Bytes a second that a chip can send, in all directions together.

    A dimension that does not close to a ring has half: its ends have one
    neighbour.
    """
    cubes = len(self.shape) == 2 or all(
      n % self.chip.torus == 0 for n in self.shape
    )
    links = 0
    for size in self.shape:
      ring = cubes and size % self.chip.torus == 0
      links += 0 if size == 1 else (2 if ring else 1)
    return links * self.chip.link_bandwidth


def slice_of(name: str) -> Slice:
  """The slice of a name.

  Raises:
    InputError: no such slice, with those that are named most alike.
  """
  several = re.fullmatch(r'([1-9][0-9]{0,3})x(v.*)', name.lower())
  if several:
    one = slice_of(several[2])
    return dataclasses.replace(one, name=name, slices=int(several[1]))
  generation, mark, size = re.sub(
    '^v5litepod', _ALIASES['v5litepod'], name.lower()
  ).partition(':' if ':' in name else '-')
  chip = CHIPS.get(generation)
  if chip is not None and mark == ':':
    shape = tuple(int(n) for n in size.split('x') if n.isdigit())
    of_host = Slice(name, generation, shape)
    fits = (
      len(shape) == len(chip.shapes[0]) and 'x'.join(map(str, shape)) == size
    )
    if fits and _splits(of_host):
      return of_host
  elif chip is not None and size.isdigit():
    for shape in chip.shapes:
      if math.prod(shape) * chip.cores == int(size):
        return Slice(name, generation, shape)
  near = ', '.join(_nearest(name))
  raise InputError(
    f'--topology {name}: no such slice; the nearest: {near}; or a shape '
    'in chips, such as v5e:4x4 or v4:2x2x4; 2xv5e-16 for two slices'
  )


def _splits(one: Slice) -> bool:
  """Whether hosts share it evenly."""
  sizes = zip(one.shape, one._of_host, strict=False)
  return all(size > 0 and size % host == 0 for size, host in sizes)


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
    mine = [n for n in known if n.startswith(f'{generation}-')]
    return sorted(
      mine,
      key=lambda n: abs(math.log(int(n.split('-')[1]) / max(1, int(size)))),
    )
  return difflib.get_close_matches(name, known, len(known), 0.0)
