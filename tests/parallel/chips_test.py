"""Facts of chips that agree with each other."""

import pytest

from biobert_jax.parallel.chips import CHIPS, peak_flops


@pytest.mark.parametrize(
  ('kind', 'peak'),
  [
    ('TPU v4', 275e12),
    ('TPU v5 lite', 197e12),
    ('TPU v5p', 459e12),
    ('TPU v5', 459e12),
    ('TPU v6 lite', 918e12),
    ('NVIDIA H100 80GB HBM3', 989e12),
    ('cpu', None),
  ],
)
def test_peaks_by_the_name_of_the_device(kind, peak):
  assert peak_flops(kind) == peak


@pytest.mark.parametrize('generation', ['v4', 'v5e', 'v5p'])
def test_clocks_give_the_peaks(generation):
  chip = CHIPS[generation]
  a_unit = 2 * 128 * 128 * chip.clock
  assert 4 * chip.cores * a_unit == pytest.approx(chip.peak_flops, rel=0.005)
