"""The least time that a step can take on a slice, from what it does.

Four bounds apart: matrix products at the chips' peak; main memory at its
bandwidth; messages over a slice's links, and over the network between slices.
The first two run beside each other, the compiler's collectives wait (notes of
XLA:TPU: `all-reduce`, not `all-reduce-start`), so a step takes the longer of
the two and the messages.
No program reaches it; which is the longest says what to mend.
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
    links: of collectives within a slice.
    network: of those between slices.
  """

  compute: float
  memory: float
  links: float
  network: float

  @property
  def step(self) -> float:
    """The least that all of it takes."""
    return max(self.compute, self.memory) + self.links + self.network


def bounds_of(account: ProgramCost, slice_: Slice, peak_flops: float) -> Bounds:
  """The bounds of a step.

  Args:
    account: what one chip does.
    slice_: where.
    peak_flops: of one chip, operations a second.

  Returns:
    Seconds.
  """
  within, across = 0.0, 0.0
  for messages in account.messages:
    if messages.kind.startswith(ACROSS_SLICES):
      across += _sent(messages)
    else:
      within += _sent(messages)
  return Bounds(
    account.flops / peak_flops,
    account.hbm_bytes / slice_.chip.hbm_bandwidth,
    within / (slice_.links_bandwidth or 1.0),
    across / slice_.chip.network_bandwidth,
  )


def _sent(messages: Collectives) -> float:
  """Bytes that a chip sends for them."""
  kind = messages.kind.removeprefix(ACROSS_SLICES)
  if kind == 'collective-permute':
    return messages.bytes
  share = (messages.group - 1) / messages.group
  return _TURNS.get(kind, 1) * share * messages.bytes
