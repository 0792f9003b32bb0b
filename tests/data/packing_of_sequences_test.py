"""Labels of sequences: one slot each, at their [CLS], whatever shares a row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobert_jax.data.packing import STARTS, PackedRows
from biobert_jax.data.windows import Windows
from biobert_jax.tasks.task import Rows


def rows_of(lengths, max_sequences=3, pack=True, seed=0, starts=None):
  """Windows whose pieces all are 1 + the number of their example."""
  lengths = np.asarray(lengths)
  offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
  words = np.full(offsets[-1], -1, np.int32)
  words[offsets[:-1]] = np.arange(len(lengths))
  ids = np.repeat(np.arange(1, len(lengths) + 1), lengths).astype(np.int32)
  windows = Windows(ids, words, offsets, len(lengths))
  return PackedRows(
    windows,
    np.arange(len(lengths), dtype=np.int32) % 4,
    max_seq_length=16,
    max_sequences=max_sequences,
    pack=pack,
    seed=seed,
    per_sequence=True,
    starts=starts,
  )


def examples_of(batch):
  """The examples of a batch in reading order; checks all of its arrays."""
  found = []
  assert 'words' not in batch
  for row, examples in enumerate(batch['examples']):
    sequences = batch['sequence_ids'][row]
    count = int(sequences.max(initial=0))
    assert np.all(examples[:count] >= 0)
    for name, empty in (('examples', -1), ('labels', -1), ('cls_positions', 0)):
      assert np.all(batch[name][row, count:] == empty)
    for slot, example in enumerate(examples[:count]):
      place = np.flatnonzero(sequences == slot + 1)
      assert batch['cls_positions'][row, slot] == place[0]
      assert batch['position_ids'][row, place[0]] == 0
      assert np.all(batch['input_ids'][row, place] == example + 1)
      assert batch['labels'][row, slot] == example % 4
      found.append(int(example))
  return found


lengths_lists = st.lists(st.integers(1, 16), min_size=1, max_size=40)


@settings(max_examples=100)
@given(lengths_lists, st.integers(1, 5), st.integers(0, 3), st.booleans())
def test_an_epoch_holds_every_example_once(lengths, most, epoch, pack):
  rows = rows_of(lengths, most, pack)
  n = rows.num_rows
  found = []
  for step in range(epoch * n, (epoch + 1) * n):
    found += examples_of(rows.train_batch(step, 1))
  assert sorted(found) == list(range(len(lengths)))
  found = [e for batch in rows.eval_batches(4) for e in examples_of(batch)]
  assert sorted(found) == list(range(len(lengths)))


@settings(max_examples=50)
@given(lengths_lists, st.integers(1, 5), st.booleans())
def test_entities_start_as_far_from_cls_as_was_said(lengths, most, pack):
  starts = np.asarray([[n - 1, n // 2] for n in lengths], np.int32)
  rows = rows_of(lengths, most, pack, starts=starts)
  for batch in (*rows.eval_batches(4), rows.train_batch(1, 4)):
    assert set(batch) == {*rows.feature_shapes(4), 'examples'}
    real = batch['examples'] >= 0
    for column, name in enumerate(STARTS):
      assert batch[name].shape == rows.feature_shapes(4)[name]
      away = starts[batch['examples'][real], column]
      expected = batch['cls_positions'][real] + away
      assert batch[name][real].tolist() == expected.tolist()
      assert not batch[name][~real].any()


def test_no_row_holds_more_than_its_slots():
  assert rows_of([2] * 9).num_rows == 3
  assert rows_of([2] * 9, max_sequences=8).num_rows == 2
  assert rows_of([2] * 9, max_sequences=1).num_rows == 9


def test_rows_of_one_sequence_have_one_slot():
  rows = rows_of([3, 5, 4], pack=False)
  assert rows.num_rows == 3
  assert rows.feature_shapes(2)['labels'] == (2, 1)
  batches = list(rows.eval_batches(2))
  assert [examples_of(batch) for batch in batches] == [[0, 1], [2]]


@pytest.mark.parametrize('pack', [True, False])
def test_batches_have_the_shapes_that_are_announced(pack):
  rows = rows_of([3, 5, 4, 16, 1], pack=pack)
  assert isinstance(rows, Rows)
  for batch in (rows.train_batch(0, 4), *rows.eval_batches(4)):
    shapes = rows.feature_shapes(4)
    assert {n: batch[n].shape for n in shapes} == shapes
    assert set(batch) == {*shapes, 'examples'}
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int32)}


@pytest.mark.parametrize('hosts', [2, 4])
def test_hosts_share_the_same_batch(hosts):
  rows = rows_of(np.random.default_rng(0).integers(1, 17, 60), seed=3)
  whole = rows.train_batch(5, 16)
  parts = [rows.train_batch(5, 16, h, hosts) for h in range(hosts)]
  for name, array in whole.items():
    joined = np.concatenate([part[name] for part in parts])
    np.testing.assert_array_equal(joined, array)
