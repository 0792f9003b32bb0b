"""Counts of operations, against those of the TPU compiler's unrolled steps."""

import pytest

from biobert_jax.models.config import BertConfig
from biobert_jax.models.flops import forward_flops, training_flops


@pytest.mark.parametrize(
  ('length', 'predictions', 'expected'), [(512, 76, 300.3e9), (128, 20, 69.8e9)]
)
def test_bert_base(length, predictions, expected):
  counted = training_flops(BertConfig.base(), length, predictions)
  assert abs(counted / expected - 1) < 1e-3


def test_parts_add_up():
  base = BertConfig.base()
  assert forward_flops(base, 512) == pytest.approx(96.6e9, rel=1e-3)
  one = forward_flops(base.replace(num_hidden_layers=1), 512)
  assert 12 * one == forward_flops(base, 512)
