"""The least time that a step can take on a slice, from what it does.

Four separate bounds: matrix products at the chips' peak; main memory at its
bandwidth; messages over ICI within a slice, and over DCN between slices. The
first two run at the same time, the compiler's collectives wait (notes of
XLA:TPU: `all-reduce`, not `all-reduce-start`), so a step takes the longer of
the two and the messages.
No program reaches it; the longest of them is what limits the step.
"""

import dataclasses

from biobert_jax.preflight.program_cost import (
  ACROSS_SLICES,
  Collectives,
  ProgramCost,
)
from biobert_jax.preflight.topology import Slice

# How often a chip sends the n - 1 of n parts of its bytes round a ring of n.
_TURNS = {'all-reduce': 2}


@dataclasses.dataclass(frozen=True)
class Bounds:
  """Seconds a step.

  Attributes:
    compute: of matrix products at the peak.
    memory: of HBM at its bandwidth.
    ici: of collectives within a slice.
    dcn: of those between slices.
  """

  compute: float
  memory: float
  ici: float
  dcn: float

  @property
  def step(self) -> float:
    """The least that all of it takes."""
    return max(self.compute, self.memory) + self.ici + self.dcn


def time_bounds(cost: ProgramCost, slice_: Slice) -> Bounds:
  """The bounds of a step of which one chip has this cost."""
  within, across = 0.0, 0.0
  for messages in cost.messages:
    if messages.kind.startswith(ACROSS_SLICES):
      across += _sent(messages)
    else:
      within += _sent(messages)
  return Bounds(
    cost.flops / slice_.chip.peak_flops,
    cost.hbm_bytes / slice_.chip.hbm_bandwidth,
    within / (slice_.ici_bandwidth or 1.0),
    across / slice_.chip.dcn_bandwidth,
  )


def _sent(messages: Collectives) -> float:
  """Bytes that a chip sends for them."""
  kind = messages.kind.removeprefix(ACROSS_SLICES)
  if kind == 'collective-permute':
    return messages.bytes
  share = (messages.group - 1) / messages.group
  return _TURNS.get(kind, 1) * share * messages.bytes
