"""Small models with random numbers, and batches for them."""

import functools

import jax
import numpy as np

from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import module_of
from biobert_jax.models.parameters import to_flat, to_tree
from biobert_jax.models.unpacked import unpacked

LABELS = 3
CONFIG = BertConfig(
  vocab_size=50,
  hidden_size=24,
  num_hidden_layers=2,
  num_attention_heads=3,
  intermediate_size=40,
  max_position_embeddings=64,
  type_vocab_size=2,
)
# Batch and length; the last two have padding.
SHAPES = ((1, 1), (1, 7), (5, 1), (5, 7), (5, 64))


@functools.cache
def _drawn(head, config):
  sizes = jax.ShapeDtypeStruct((1, 4), np.int32)
  pools = head in ('encoder', 'sequence', 'yes_no')
  predicts = head in ('masked_lm', 'pretraining')
  pairs = head == 'entity_pair'
  arguments = [sizes] * (4 + pools + 2 * predicts + 2 * pairs)
  module = module_of(head, config, LABELS)
  shapes = jax.eval_shape(module.init, jax.random.key(0), *arguments)
  draw = np.random.default_rng(3).normal
  return {
    path: draw(0, 0.3, leaf.shape).astype(np.float32)
    for path, leaf in to_flat(shapes['params']).items()
  }


def flat_params(head, config=CONFIG):
  """Random parameters of a head, by path."""
  return dict(_drawn(head, config))


def batch(rows, length):
  """Random ids; from two rows on, each row is one piece shorter than the last.

  Padding holds ids too, so that whatever looks at it gives itself away.
  """
  draw = np.random.default_rng(rows * 100 + length).integers
  ids = draw(0, CONFIG.vocab_size, (rows, length))
  lengths = np.maximum(length - np.arange(rows), 1)
  mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
  return ids, mask, draw(0, 2, (rows, length))


@functools.cache
def _compiled(head, config):
  return jax.jit(unpacked(head, config, LABELS))


def expected(head, flat, given, config=CONFIG):
  """The outputs of our own model, which sees more padding than is `given`."""
  rows, length = given[0].shape
  around = ((0, 5 - rows), (0, 64 - length))
  arrays = [np.pad(array, around).astype(np.int32) for array in given]
  outputs = _compiled(head, config)(to_tree(flat, False), *arrays)
  return {
    name: np.asarray(x)[:rows, :length]
    if x.shape[1:2] == (64,)
    else np.asarray(x)[:rows]
    for name, x in outputs.items()
  }


def assert_same(actual, wanted, mask, atol):
  """Equal names, shapes, types and numbers, wherever a piece is real."""
  assert set(actual) == set(wanted)
  for name, array in wanted.items():
    assert isinstance(actual[name], np.ndarray)
    assert actual[name].dtype == np.float32
    assert actual[name].shape == array.shape, name
    where = mask > 0 if array.shape[:2] == mask.shape else ...
    np.testing.assert_allclose(
      actual[name][where],
      np.asarray(array)[where],
      atol=atol,
      rtol=0,
      err_msg=name,
    )
