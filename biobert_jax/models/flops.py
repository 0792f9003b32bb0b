"""Floating-point operations of a BERT, counted from its sizes.

Only matrix products count, an addition and a multiplication each. Training
BERT-base takes 300.3 GFLOP per sequence of 512 with 76 predictions.
"""

from biobert_jax.models.config import BertConfig


def forward_flops(
  config: BertConfig, length: int, predictions: int = 0
) -> float:
  """FLOP of a forward pass over one packed sequence of `length` tokens.

  `predictions` are the positions at which the masked language model decodes.
  """
  d, f = config.hidden_size, config.intermediate_size
  body = 2 * length * (4 * d * d + 2 * d * f)
  attention = 4 * length * length * d
  decoding = 2 * predictions * d * (d + config.vocab_size)
  return float(config.num_hidden_layers * (body + attention) + decoding)


def training_flops(
  config: BertConfig, length: int, predictions: int = 0
) -> float:
  """Operations per packed sequence of a step, without recomputation."""
  # A backward pass costs two products where the forward pass has one.
  return 3 * forward_flops(config, length, predictions)
