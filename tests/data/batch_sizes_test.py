"""After a change of the batch size the data goes on where it stood."""

import numpy as np
import pytest

from biobert_jax.data.batch_sizes import Stage, first_row
from biobert_jax.data.packing import PackedRows
from biobert_jax.data.windows import Windows

EARLIER = (Stage(3, 4), Stage(5, 2))


def test_the_first_row_of_a_step():
  assert first_row(7, 5) == 35
  assert [first_row(s, 8, EARLIER) for s in (5, 6, 9)] == [16, 24, 48]


@pytest.mark.parametrize('hosts', [1, 2])
def test_batches_of_other_sizes_are_one_stream(hosts):
  count = 23
  windows = Windows(
    input_ids=np.arange(count, dtype=np.int32),
    words=np.arange(count, dtype=np.int32),
    offsets=np.arange(count + 1),
    num_words=count,
  )
  labels = np.zeros(count, np.int32)
  rows = PackedRows(windows, labels, max_seq_length=1, pack=False)

  def read(step, size, earlier=()):
    parts = [
      rows.train_batch(step, size, host, hosts, earlier)
      for host in range(hosts)
    ]
    assert [*np.concatenate([p['row_ids'] for p in parts])] == [*range(size)]
    return np.concatenate([p['words'][:, 0] for p in parts]).tolist()

  whole = [word for step in range(60) for word in read(step, 2)]
  found = [word for step in range(3) for word in read(step, 4)]
  found += [w for step in (3, 4) for w in read(step, 2, EARLIER[:1])]
  found += [w for step in range(5, 11) for w in read(step, 8, EARLIER)]
  assert found == whole[: len(found)]
  assert len(found) > 2 * count
