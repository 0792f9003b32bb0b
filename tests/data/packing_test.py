"""Packing: each window once an epoch, and the batch a function of the step."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobert_jax.data.packing import FEATURES, PackedRows, plan_rows
from biobert_jax.data.windows import Windows

PER_PIECE = (
  'input_ids',
  'segment_ids',
  'position_ids',
  'sequence_ids',
  'labels',
  'words',
)


def windows_of(lengths):
  """Windows whose ids are all different; every second piece begins a word."""
  total = int(np.sum(lengths))
  begins = np.arange(total) % 2 == 0
  words = np.where(begins, np.cumsum(begins) - 1, -1)
  return Windows(
    np.arange(1, total + 1, dtype=np.int32),
    words.astype(np.int32),
    np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    int(begins.sum()),
  )


def rows_of(lengths, max_seq_length=16, pack=True, seed=0):
  windows = windows_of(lengths)
  labels = np.arange(windows.num_words, dtype=np.int32) % 3
  return PackedRows(
    windows, labels, max_seq_length=max_seq_length, pack=pack, seed=seed
  )


def sequences(batch):
  """The windows of a batch, each as its ids; checks all of its arrays."""
  found = []
  for row in range(len(batch['input_ids'])):
    arrays = {name: batch[name][row] for name in PER_PIECE}
    of = arrays['sequence_ids']
    count = of.max(initial=0)
    real = int((of > 0).sum())
    # Sequences 1, 2, ... from the left, then padding.
    assert np.all(np.diff(of[:real]) >= 0)
    assert set(of[:real]) == set(range(1, count + 1))
    assert not of[real:].any()
    assert not arrays['segment_ids'].any()
    for name, empty in (('input_ids', 0), ('labels', -1), ('words', -1)):
      assert np.all(arrays[name][real:] == empty)
    for n in range(1, count + 1):
      place = of == n
      size = int(place.sum())
      assert arrays['position_ids'][place].tolist() == list(range(size))
      ids = arrays['input_ids'][place]
      # Ids are 1 + the piece's index: words and labels follow from them.
      words = np.where(ids % 2 == 1, (ids - 1) // 2, -1)
      assert arrays['words'][place].tolist() == words.tolist()
      labels = np.where(words >= 0, words % 3, -1)
      assert arrays['labels'][place].tolist() == labels.tolist()
      found.append(tuple(ids.tolist()))
  return found


def all_windows(rows):
  cuts = rows.windows.offsets[1:-1]
  return [tuple(w.tolist()) for w in np.split(rows.windows.input_ids, cuts)]


lengths_lists = st.lists(st.integers(1, 16), min_size=1, max_size=40)


# The hash behind every order.


def test_order_is_frozen():
  rows = rows_of([5, 3, 8, 8, 2, 13, 5, 3], seed=4)
  digest = hashlib.sha256()
  for step in range(6):
    batch = rows.train_batch(step, 2)
    for name in (*PER_PIECE, 'row_ids'):
      digest.update(batch[name].astype('<i4').tobytes())
  assert digest.hexdigest() == (
    'a6973b9a10ffb381f382cc284cf80b5d12307a21e4089e768f88b5c3bca2325b'
  )


# The plan.


@settings(max_examples=200, deadline=None)
@given(lengths_lists, st.booleans())
def test_a_plan_places_every_window_once(lengths, pack):
  plan = plan_rows(np.asarray(lengths), 16, pack)
  assert Counter(plan.lengths.tolist()) == Counter(lengths)
  assert plan.row_offsets[0] == 0
  assert plan.row_offsets[-1] == len(lengths)
  for begin, end in zip(
    plan.row_offsets[:-1], plan.row_offsets[1:], strict=True
  ):
    sizes = plan.lengths[begin:end]
    assert 0 < sizes.sum() <= 16
    assert (
      plan.starts[begin:end].tolist() == (np.cumsum(sizes) - sizes).tolist()
    )
    assert plan.ordinals[begin:end].tolist() == list(range(1, len(sizes) + 1))
  if not pack:
    assert plan.lengths.tolist() == lengths


def test_the_longest_that_fits_comes_next():
  plan = plan_rows(np.array([2, 7, 9, 4, 3, 3]), 12, pack=True)
  rows = np.split(plan.lengths, plan.row_offsets[1:-1])
  assert [row.tolist() for row in rows] == [[9, 3], [7, 4], [3, 2]]


def test_a_row_holds_no_more_windows_than_it_may():
  plan = plan_rows(np.array([2, 7, 1, 1, 3, 3]), 12, True, max_sequences=2)
  rows = np.split(plan.lengths, plan.row_offsets[1:-1])
  assert [row.tolist() for row in rows] == [[7, 3], [3, 2], [1, 1]]
  assert plan.ordinals.max() == 2


def test_a_plan_depends_on_the_multiset_of_lengths_only():
  lengths = np.random.default_rng(0).integers(1, 17, 50)
  plans = [plan_rows(x, 16, True) for x in (lengths, np.sort(lengths))]
  for name in ('lengths', 'starts', 'ordinals', 'row_offsets'):
    assert np.array_equal(*(getattr(plan, name) for plan in plans))


def test_sentences_of_usual_lengths_leave_little_padding():
  # Log-normal with median 33 pieces, as sentences of abstracts have.
  draw = np.random.default_rng(0).lognormal(3.5, 0.6, 4000)
  rows = rows_of(np.clip(draw, 4, 128).astype(int), max_seq_length=128)
  batches = list(rows.eval_batches(8))
  held = sum(int((b['sequence_ids'] > 0).sum()) for b in batches)
  assert rows.fill == held / (rows.num_rows * 128)
  assert rows.fill > 0.95


# Training batches.


@settings(max_examples=100, deadline=None)
@given(lengths_lists, st.integers(0, 5), st.integers(0, 3), st.booleans())
def test_an_epoch_holds_every_window_once(lengths, seed, epoch, pack):
  rows = rows_of(lengths, pack=pack, seed=seed)
  n = rows.num_rows
  batches = [rows.train_batch(i, 1) for i in range(epoch * n, (epoch + 1) * n)]
  found = [s for batch in batches for s in sequences(batch)]
  assert sorted(found) == sorted(all_windows(rows))


def test_epochs_and_seeds_differ_in_order_and_in_neighbours():
  lengths = np.random.default_rng(0).integers(1, 9, 800)

  def epoch(rows, number):
    step = rows.train_batch(number, rows.num_rows)
    order = sequences(step)
    together = set()
    first = 0
    for row in step['sequence_ids']:
      neighbours = order[first : first + row.max()]
      together |= {(a, b) for a in neighbours for b in neighbours if a < b}
      first += row.max()
    return order, together

  rows = rows_of(lengths)
  order, together = epoch(rows, 0)
  for other in (epoch(rows, 1), epoch(rows_of(lengths, seed=1), 0)):
    assert other[0] != order
    assert len(other[1] & together) < 0.1 * len(together)


def test_unpacked_rows_hold_one_window_each():
  rows = rows_of([5, 3, 8, 16], pack=False)
  assert rows.num_rows == 4
  batch = rows.train_batch(0, 4)
  assert batch['sequence_ids'].max() == 1
  assert sequences(batch) != all_windows(rows)
  assert sorted(sequences(batch)) == sorted(all_windows(rows))


def test_rows_run_on_over_the_end_of_an_epoch():
  rows = rows_of([9] * 5)
  steps = [s for i in range(5) for s in sequences(rows.train_batch(i, 3))]
  for epoch in range(3):
    part = steps[5 * epoch : 5 * (epoch + 1)]
    assert sorted(part) == all_windows(rows)


def test_a_batch_may_hold_several_epochs():
  rows = rows_of([9, 9])
  found = sequences(rows.train_batch(0, 8))
  assert Counter(found) == dict.fromkeys(all_windows(rows), 4)


def equal(one, other):
  return all(np.array_equal(one[name], other[name]) for name in one)


def test_any_step_may_be_asked_for_first():
  lengths = np.random.default_rng(0).integers(1, 17, 60)
  going = rows_of(lengths, seed=3)
  batches = [going.train_batch(step, 4) for step in range(40)]
  for step in (39, 0, 17, 21):
    assert equal(rows_of(lengths, seed=3).train_batch(step, 4), batches[step])


@pytest.mark.parametrize('hosts', [1, 2, 4, 8])
def test_hosts_share_the_same_batch(hosts):
  rows = rows_of(np.random.default_rng(0).integers(1, 17, 60))
  for step in (0, 3, 11):
    whole = rows.train_batch(step, 16)
    parts = [rows.train_batch(step, 16, h, hosts) for h in range(hosts)]
    assert {len(part['row_ids']) for part in parts} == {16 // hosts}
    for name, array in whole.items():
      joined = np.concatenate([part[name] for part in parts])
      assert joined.tobytes() == array.tobytes(), name
      assert joined.dtype == np.int32
    assert whole['row_ids'].tolist() == list(range(16))
  assert set(FEATURES) == set(whole) - {'words'}


# Evaluation.


@pytest.mark.parametrize('pack', [True, False])
def test_evaluation_covers_all_and_pads_the_last_batch(pack):
  rows = rows_of(np.random.default_rng(0).integers(1, 17, 30), pack=pack)
  size = rows.num_rows - 2
  batches = list(rows.eval_batches(size))
  assert [b['input_ids'].shape for b in batches] == [(size, 16)] * 2
  found = [s for batch in batches for s in sequences(batch)]
  assert sorted(found) == sorted(all_windows(rows))
  if not pack:
    assert found == all_windows(rows)
  last = batches[-1]
  assert not last['sequence_ids'][2:].any()
  assert np.all(last['labels'][2:] == -1)
  assert np.all(last['words'][2:] == -1)


def test_labels_must_be_one_a_word():
  windows = windows_of([4, 4])
  with pytest.raises(ValueError, match='3 labels for 4 words'):
    PackedRows(windows, np.zeros(3, np.int32), max_seq_length=8, pack=True)
