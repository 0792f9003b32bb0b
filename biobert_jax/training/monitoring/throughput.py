"""Rates of a run: tokens/s, and the fraction of the chips' peak (MFU)."""

import dataclasses

import jax

from biobert_jax.models.config import BertConfig
from biobert_jax.models.flops import training_flops
from biobert_jax.parallel.chips import peak_flops


@dataclasses.dataclass(frozen=True)
class Meter:
  """The size of a step, which turns steps/s into other rates.

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
    self, steps_per_second: float, metrics: dict[str, float]
  ) -> dict[str, float]:
    """Rates by name.

    Args:
      steps_per_second: as measured.
      metrics: those of a step; where 'fill' is among them, the fraction 0-1 of
        its positions that hold tokens.

    Returns:
      steps/s and tokens/s (padding included); where known, tokens/s without
      padding, and MFU, a fraction 0-1.
    """
    rates = {
      'steps_per_second': steps_per_second,
      'pieces_per_second': steps_per_second * self.positions,
    }
    if 'fill' in metrics:
      useful = rates['pieces_per_second'] * metrics['fill']
      rates['useful_pieces_per_second'] = useful
    if self.peak is not None:
      rates['mfu'] = steps_per_second * self.flops / self.peak
    return rates
