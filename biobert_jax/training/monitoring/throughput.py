"""Rates of a run: pieces a second, and the share of the chips' peak (MFU)."""

import dataclasses

import jax

from biobert_jax.models.config import BertConfig
from biobert_jax.models.flops import training_flops

# Beginning of a device's kind -> matrix products of bfloat16 a second, by the
# makers' data sheets. A JAX device of TPU v2 and v3 is a core, half a chip.
_PEAKS = {
  'TPU v2': 22.5e12,
  'TPU v3': 61.5e12,
  'TPU v4': 275e12,
  'TPU v5 lite': 197e12,
  'TPU v5e': 197e12,
  'TPU v5p': 459e12,
  'TPU v5': 459e12,
  'TPU v6 lite': 918e12,
  'TPU v6e': 918e12,
  'TPU7x': 1153e12,
  'NVIDIA A100': 312e12,
  'NVIDIA H100': 989e12,
  'NVIDIA H200': 989e12,
}


def peak_flops(device_kind: str) -> float | None:
  """Operations a second of one device at most; None where unknown."""
  fitting = [kind for kind in _PEAKS if device_kind.startswith(kind)]
  return _PEAKS[max(fitting, key=len)] if fitting else None


@dataclasses.dataclass(frozen=True)
class Meter:
  """What a step of a run amounts to.

  Attributes:
    positions: of a batch, padding included.
    flops: of a step, all devices together.
    peak: of all devices together, operations a second; None where unknown.
  """

  positions: int
  flops: float
  peak: float | None

  @classmethod
  def of(
    cls,
    bert: BertConfig,
    batch_size: int,
    max_seq_length: int,
    predictions: int,
  ) -> 'Meter':
    """Of steps over so many rows, on all devices of the job."""
    peak = peak_flops(jax.devices()[0].device_kind)
    return cls(
      batch_size * max_seq_length,
      batch_size * training_flops(bert, max_seq_length, predictions),
      None if peak is None else peak * jax.device_count(),
    )

  def __call__(
    self, steps_per_second: float, figures: dict[str, float]
  ) -> dict[str, float]:
    """Rates by name.

    Args:
      steps_per_second: as measured.
      figures: of a step; where 'fill' is among them, the fraction 0-1 of its
        positions that hold pieces.

    Returns:
      steps and pieces (padding included) a second; where known those without
      padding, and MFU, a fraction 0-1.
    """
    rates = {
      'steps_per_second': steps_per_second,
      'pieces_per_second': steps_per_second * self.positions,
    }
    if 'fill' in figures:
      useful = rates['pieces_per_second'] * figures['fill']
      rates['useful_pieces_per_second'] = useful
    if self.peak is not None:
      rates['mfu'] = steps_per_second * self.flops / self.peak
    return rates
