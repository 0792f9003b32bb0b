"""tf.data gives the batches of `train_batch`, from any step, to any host."""

import numpy as np
import pytest
import tensorflow as tf

from biobert_jax.data import pipeline
from biobert_jax.data.packing import FEATURES, PackedRows
from biobert_jax.data.windows import Windows

LENGTHS = np.random.default_rng(0).integers(2, 13, 40)


@pytest.fixture(scope='module')
def rows():
  total = int(LENGTHS.sum())
  words = np.arange(total, dtype=np.int32)
  offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
  windows = Windows(words + 1, words, offsets, total)
  return PackedRows(windows, words % 3, max_seq_length=12, pack=True, seed=5)


@pytest.mark.parametrize(
  ('start', 'end', 'host', 'hosts'),
  [(0, 9, 0, 1), (7, 9, 0, 1), (1000, 1002, 0, 1), (3, 6, 1, 2), (3, 6, 3, 4)],
)
def test_batches_are_those_of_the_steps(rows, start, end, host, hosts):
  dataset = pipeline.train_dataset(
    rows, batch_size=4, start_step=start, num_steps=end, host=host, hosts=hosts
  )
  batches = list(pipeline.train_batches(dataset))
  assert len(batches) == end - start
  for step, batch in enumerate(batches, start):
    expected = rows.train_batch(step, 4, host, hosts)
    assert set(batch) == set(FEATURES)
    for name in FEATURES:
      assert batch[name].dtype == np.int32
      np.testing.assert_array_equal(batch[name], expected[name])


def test_shapes_are_known_before_the_first_batch(rows):
  dataset = pipeline.train_dataset(
    rows, batch_size=4, start_step=0, num_steps=1, host=0, hosts=2
  )
  row = tf.TensorSpec([2, 12], tf.int32)
  expected = dict.fromkeys(FEATURES, row)
  assert dataset.element_spec == expected | {
    'row_ids': tf.TensorSpec([2], tf.int32)
  }


def test_a_run_that_is_done_has_no_batches(rows):
  dataset = pipeline.train_dataset(
    rows, batch_size=4, start_step=5, num_steps=5
  )
  assert list(pipeline.train_batches(dataset)) == []
