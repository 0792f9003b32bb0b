"""tf.data gives the batches of `train_batch`, from any step, to any host."""

import numpy as np
import pytest

from biobert_jax.data import input_pipeline
from biobert_jax.data.packing import FEATURES, PackedRows
from biobert_jax.data.windows import Windows
from biobert_jax.errors import InputError

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
def test_batches_are_those_of_the_steps(rows, start, end, host, hosts, caplog):
  batches = list(
    input_pipeline.train_batches(
      rows,
      batch_size=4,
      start_step=start,
      num_steps=end,
      host=host,
      hosts=hosts,
    )
  )
  assert len(batches) == end - start
  for step, batch in enumerate(batches, start):
    expected = rows.train_batch(step, 4, host, hosts)
    assert set(batch) == set(FEATURES)
    for name in FEATURES:
      assert batch[name].dtype == np.int32
      np.testing.assert_array_equal(batch[name], expected[name])
  assert not caplog.records  # AutoGraph's, on Python 3.13.


def test_a_run_that_is_done_has_no_batches(rows):
  batches = input_pipeline.train_batches(
    rows, batch_size=4, start_step=5, num_steps=5
  )
  assert list(batches) == []


class Damaged:
  """Rows of which one cannot be read."""

  def feature_shapes(self, batch_size):
    return {'row_ids': (batch_size,)}

  def train_batch(self, step, batch_size, host, hosts, earlier):
    del earlier
    if step == 2:
      raise InputError('shard-3: record 7 is damaged')
    return {'row_ids': np.full(batch_size // hosts, step, np.int32)}


def test_what_rows_raise_is_what_the_loop_sees():
  batches = input_pipeline.train_batches(
    Damaged(), batch_size=4, start_step=0, num_steps=5
  )
  seen = [next(batches)['row_ids'][0] for _ in range(2)]
  assert seen == [0, 1]
  with pytest.raises(InputError, match='shard-3: record 7 is damaged'):
    next(batches)
