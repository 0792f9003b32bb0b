"""Facts of chips, by their makers' data sheets."""

import dataclasses

_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
  """A generation of TPUs.

  Attributes:
    kind: what JAX calls its devices.
    peak_flops: operations a second of bfloat16 matrix products.
    cores: that a slice's name counts for each chip.
    clock: cycles a second; with it four matrix units of 128 x 128 in each of
      its cores give the peak that is published. v6e's is taken to be v5p's.
    hbm_bytes: that a program may fill, as the compiler says when one does not
      fit (libtpu 0.0.42 and 0.0.52); less than the data sheet has.
    hbm_bandwidth: bytes a second.
    ici_link_bandwidth: bytes a second, of one link one way.
    dcn_bandwidth: bytes a second to other slices: a chip's share of its
      host's network. All bandwidths: cloud.google.com/tpu/docs and
      jax-ml/scaling-book, tpus.md.
    shapes: the slices that are sold, in chips.
    torus: sizes that close to a ring in a dimension divide by this.
  """

  kind: str
  peak_flops: float
  cores: int
  clock: float
  hbm_bytes: int
  hbm_bandwidth: float
  ici_link_bandwidth: float
  dcn_bandwidth: float
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
    peak_flops=275e12,
    cores=2,
    clock=1.05e9,
    hbm_bytes=int(30.75 * _GIB),
    hbm_bandwidth=1.228e12,
    ici_link_bandwidth=45e9,
    dcn_bandwidth=6.25e9,  # Not published: taken to be v5p's.
    shapes=_SOLID[:-1],
    torus=4,
  ),
  'v5e': Chip(
    kind='TPU v5 lite',
    peak_flops=197e12,
    cores=1,
    clock=1.5e9,
    hbm_bytes=int(15.75 * _GIB),
    hbm_bandwidth=819e9,
    ici_link_bandwidth=45e9,
    dcn_bandwidth=3.125e9,
    shapes=_FLAT,
    torus=16,
  ),
  'v5p': Chip(
    kind='TPU v5',
    peak_flops=459e12,
    cores=2,
    clock=1.75e9,
    hbm_bytes=int(95.73 * _GIB),
    hbm_bandwidth=2.765e12,
    ici_link_bandwidth=90e9,
    dcn_bandwidth=6.25e9,
    shapes=(*_SOLID, (16, 16, 24)),
    torus=4,
  ),
  'v6e': Chip(
    kind='TPU v6 lite',
    peak_flops=918e12,
    cores=1,
    clock=1.75e9,
    hbm_bytes=int(31.24 * _GIB),
    hbm_bandwidth=1.64e12,
    ici_link_bandwidth=90e9,
    dcn_bandwidth=12.5e9,
    shapes=_FLAT,
    torus=16,
  ),
}
# Other devices. A JAX device of TPU v2 and v3 is a core, half a chip.
_PEAK_FLOPS = {
  'TPU v2': 22.5e12,
  'TPU v3': 61.5e12,
  'TPU7x': 1153e12,
  'NVIDIA A100': 312e12,
  'NVIDIA H100': 989e12,
  'NVIDIA H200': 989e12,
}
# Some generations are spelt in two ways: 'TPU v5 lite' and 'TPU v5e'.
for _generation, _chip in CHIPS.items():
  _PEAK_FLOPS[_chip.kind] = _PEAK_FLOPS[f'TPU {_generation}'] = _chip.peak_flops


def peak_flops(device_kind: str) -> float | None:
  """The peak of one device by the beginning of its kind; None where unknown."""
  fitting = [kind for kind in _PEAK_FLOPS if device_kind.startswith(kind)]
  return _PEAK_FLOPS[max(fitting, key=len)] if fitting else None
