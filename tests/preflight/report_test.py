"""Bounds of a step, by hand."""

import pytest

from biobert_jax.preflight import report, topology
from biobert_jax.preflight.program_cost import Collectives, ProgramCost

SLICE = topology.parse_slice('v5e-16')


def bounds(*messages, flops=0, hbm_bytes=0, slice_=SLICE):
  cost = ProgramCost(flops, hbm_bytes, messages, 0, 0)
  return report.time_bounds(cost, slice_)


def test_the_longer_of_compute_and_memory_and_then_the_messages():
  message = Collectives('all-reduce', 'bf16', 16, 1, 96_000_000)
  found = bounds(message, flops=197 * 10**10, hbm_bytes=819 * 10**6)
  assert found['compute'] == pytest.approx(10e-3)
  assert found['memory'] == pytest.approx(1e-3)
  # Twice round the ring, 15 of 16 parts, over two links of 45 GB/s.
  assert found['links'] == pytest.approx(2 * 96e6 * 15 / 16 / 90e9)
  assert found['step'] == pytest.approx(10e-3 + found['links'])


@pytest.mark.parametrize(
  ('kind', 'sent'),
  [
    ('all-gather', 15 / 16),
    ('reduce-scatter', 15 / 16),
    ('all-to-all', 15 / 16),
  ]
  + [('collective-permute', 1), ('all-reduce', 30 / 16)],
)
def test_what_each_kind_sends(kind, sent):
  found = bounds(Collectives(kind, 'f32', 16, 1, 90_000_000))
  assert found['links'] == pytest.approx(sent * 1e-3)


def test_between_slices_it_goes_over_dcn():
  messages = (
    Collectives('reduce-scatter', 'bf16', 16, 1, 96_000_000),
    Collectives('slices-all-reduce', 'bf16', 4, 1, 5_000_000),
    Collectives('slices-collective-permute', 'bf16', 2, 1, 1_000_000),
  )
  found = bounds(*messages, slice_=topology.parse_slice('4xv5e-16'))
  assert found['links'] == pytest.approx(90e6 / 90e9)
  assert found['network'] == pytest.approx((2 * 0.75 * 5e6 + 1e6) / 3.125e9)
  assert found['step'] == found['links'] + found['network']


def test_a_chip_alone_sends_nothing():
  cost = ProgramCost(1, 1, (Collectives('all-reduce', 'f32', 1, 1, 8),), 0, 0)
  alone = topology.parse_slice('v5e-1')
  assert report.time_bounds(cost, alone)['links'] == 0
