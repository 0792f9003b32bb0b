"""Facts of chips, by their makers' data sheets."""

from typing import NamedTuple

_GIB = 2**30


class Chip(NamedTuple):
  """A generation of TPUs (cloud.google.com/tpu/docs; jax-ml/scaling-book)."""

  kind: str  # What JAX calls its devices.
  peak_flops: float  # Operations per second of bfloat16 matrix products.
  cores: int  # That a slice's name counts for each chip.
  # Cycles per second; with it four matrix units of 128 x 128 in each core give
  # the published peak. v6e's is taken to be v5p's.
  clock: float
  # That a program may fill, as the compiler says when one does not fit (libtpu
  # 0.0.42 and 0.0.52); less than the data sheet has.
  hbm_bytes: int
  hbm_bandwidth: float  # Bytes per second.
  ici_link_bandwidth: float  # Bytes per second, of one link one way.
  # Bytes per second to other slices: a chip's share of its host's network. v4's
  # is not published, but taken to be v5p's.
  dcn_bandwidth: float
  shapes: tuple[tuple[int, ...], ...]  # The slices that are sold, in chips.
  torus: int  # Sizes that close to a ring in a dimension divide by this.


_FLAT = ((1, 1), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))
_SOLID = (
  *((2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 4, 4), (4, 4, 4), (4, 4, 8)),
  *((4, 8, 8), (8, 8, 8), (8, 8, 16), (8, 16, 16), (16, 16, 16)),
)
# In the order of `Chip`: compute, memory and network, the slices.
CHIPS = {
  'v4': Chip(
    *('TPU v4', 275e12, 2, 1.05e9),
    *(int(30.75 * _GIB), 1.228e12, 45e9, 6.25e9),
    *(_SOLID[:-1], 4),
  ),
  'v5e': Chip(
    *('TPU v5 lite', 197e12, 1, 1.5e9),
    *(int(15.75 * _GIB), 819e9, 45e9, 3.125e9),
    *(_FLAT, 16),
  ),
  'v5p': Chip(
    *('TPU v5', 459e12, 2, 1.75e9),
    *(int(95.73 * _GIB), 2.765e12, 90e9, 6.25e9),
    *((*_SOLID, (16, 16, 24)), 4),
  ),
  'v6e': Chip(
    *('TPU v6 lite', 918e12, 1, 1.75e9),
    *(int(31.24 * _GIB), 1.64e12, 90e9, 12.5e9),
    *(_FLAT, 16),
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
