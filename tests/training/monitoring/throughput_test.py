"""Rates that follow from steps a second."""

from biobert_jax.models.config import BertConfig
from biobert_jax.training.monitoring.throughput import Meter


def test_rates():
  meter = Meter(positions=1000, flops=5e12, peak=100e12)
  assert meter(4.0, {'fill': 0.75, 'loss': 1.0}) == {
    'steps_per_second': 4.0,
    'pieces_per_second': 4000.0,
    'useful_pieces_per_second': 3000.0,
    'mfu': 0.2,
  }


def test_what_is_not_known_is_not_said():
  meter = Meter.of(BertConfig.tiny(), 8, 128, 20)
  assert set(meter(1.0, {})) == {'steps_per_second', 'pieces_per_second'}
  assert meter.positions == 1024
