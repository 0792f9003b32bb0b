"""Masks on the device, against their rates and a plain loop over words."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.tasks.masking import Masking, mask_rows

CLS, SEP, MASK = 2, 3, 4
UNUSED = range(5, 20)
VOCABULARY, FIRST_CONTINUATION = 1000, 600
PIECES = np.arange(20, VOCABULARY, dtype=np.int32)
MASKING = Masking(
  rate=0.15,
  max_predictions=80,
  whole_word=False,
  mask_id=MASK,
  never_masked=(CLS, SEP),
  replacements=PIECES,
  continuations=np.arange(VOCABULARY) >= FIRST_CONTINUATION,
)
WORDS = dataclasses.replace(MASKING, whole_word=True)


def make_rows(seed, rows=32, length=512):
  """Rows of packed pairs of random pieces, four in ten continuing a word."""
  draw = np.random.default_rng(seed)
  ids = draw.integers(20, VOCABULARY, (rows, length)).astype(np.int32)
  sequences = np.zeros((rows, length), np.int32)
  for row in range(rows):
    at, number = 0, 0
    while at < length - 8:
      number += 1
      size = min(int(draw.integers(5, 300)), length - at)
      sequences[row, at : at + size] = number
      ids[row, at], ids[row, at + size // 2] = CLS, SEP
      ids[row, at + size - 1] = SEP
      at += size
  return np.where(sequences > 0, ids, 0), sequences


def masked(masking, ids, sequences, seed=1):
  keys = jax.random.split(jax.random.key(seed), len(ids))
  run = jax.jit(lambda *given: mask_rows(masking, *given))
  return [np.asarray(x) for x in run(ids, sequences, keys)]


def shares(ids, sequences):
  """What the reference would predict of each sequence of each row."""
  for row, own in enumerate(sequences):
    for number in range(1, own.max() + 1):
      size = int(np.sum(own == number))
      yield row, number, max(1, round(size * 0.15))


def chosen_of(positions, labels, length):
  chosen = np.zeros((len(labels), length), bool)
  rows, slots = np.nonzero(labels >= 0)
  chosen[rows, positions[rows, slots]] = True
  return chosen


def test_each_sequence_has_its_share_and_labels_are_what_stood_there():
  ids, sequences = make_rows(0)
  shown, positions, labels = masked(MASKING, ids, sequences)
  chosen = chosen_of(positions, labels, ids.shape[1])
  for row, number, share in shares(ids, sequences):
    assert np.sum(chosen[row] & (sequences[row] == number)) == share
  for row in range(len(ids)):
    used = labels[row] >= 0
    assert np.all(np.diff(positions[row][used]) > 0)
    np.testing.assert_array_equal(
      ids[row, positions[row][used]], labels[row][used]
    )
    assert np.all(positions[row][~used] == 0)
  np.testing.assert_array_equal(shown[~chosen], ids[~chosen])
  assert not np.any(np.isin(ids[chosen], (0, CLS, SEP)))


@pytest.mark.parametrize('masking', [MASKING, WORDS])
def test_rates_over_a_million_pieces(masking):
  ids, sequences = make_rows(0, rows=2100)
  shown, positions, labels = masked(masking, ids, sequences, 0)
  chosen = chosen_of(positions, labels, ids.shape[1])
  is_mask = shown[chosen] == MASK
  kept = shown[chosen] == ids[chosen]
  other = shown[chosen][~is_mask & ~kept]
  assert np.all(np.isin(other, PIECES))  # No special, no unused piece.
  pieces, predicted = np.sum(sequences > 0), np.sum(chosen)
  assert pieces > 1e6
  # Sequences of five pieces and more; the least share of one moves the mean.
  assert abs(100 * predicted / pieces - 15) < 0.2
  assert abs(100 * np.sum(is_mask) / predicted - 80) < 0.6
  assert abs(100 * np.sum(kept) / predicted - 10) < 0.4
  assert abs(100 * len(other) / predicted - 10) < 0.4


def test_replacements_are_uniform():
  few = dataclasses.replace(MASKING, replacements=np.arange(20, 24))
  ids, sequences = make_rows(0, rows=840)
  ids = np.where(ids >= 20, np.maximum(ids, 30), ids)
  shown, _, _ = masked(few, ids, sequences, 0)
  seen = shown[(shown >= 20) & (shown < 30)]
  counts = np.bincount(seen, minlength=24)[20:24]
  assert counts.sum() > 4000
  assert np.all(np.abs(counts / counts.sum() - 0.25) < 0.03)


def words_of(ids, sequences):
  """(sequence, places) of each word of a row; a cut front is a word."""
  found = []
  for place, (piece, number) in enumerate(zip(ids, sequences, strict=True)):
    if number == 0 or piece in (CLS, SEP):
      continue
    goes_on = piece >= FIRST_CONTINUATION and found
    if goes_on and found[-1][1][-1] == place - 1:
      found[-1][1].append(place)
    else:
      found.append((number, [place]))
  return found


def test_words_stay_whole_and_fill_their_share():
  ids, sequences = make_rows(3)
  _, positions, labels = masked(WORDS, ids, sequences)
  chosen = chosen_of(positions, labels, ids.shape[1])
  short = total = 0
  for row in range(len(ids)):
    words = words_of(ids[row], sequences[row])
    for _, places in words:
      assert len(set(chosen[row, places])) == 1
  for row, number, share in shares(ids, sequences):
    own = chosen[row] & (sequences[row] == number)
    left = share - own.sum()
    assert left >= 0
    short, total = short + left, total + share
    if left:  # Nothing that was left out would have fitted.
      sizes = [
        len(places)
        for n, places in words_of(ids[row], sequences[row])
        if n == number and not chosen[row, places[0]]
      ]
      assert not sizes or min(sizes) > left
  assert short < 0.01 * total


def test_a_row_of_small_sequences_stays_within_its_slots():
  few = dataclasses.replace(MASKING, max_predictions=7)
  ids, sequences = make_rows(5)
  _, _, labels = masked(few, ids, sequences)
  assert labels.shape == (32, 7)
  assert np.all(np.sum(labels >= 0, axis=1) == 7)


def test_rows_of_padding_and_of_specials_have_no_label():
  ids = np.zeros((2, 16), np.int32)
  sequences = np.zeros((2, 16), np.int32)
  ids[1, :3], sequences[1, :3] = (CLS, SEP, SEP), 1
  for masking in (MASKING, WORDS):
    shown, positions, labels = masked(masking, ids, sequences)
    np.testing.assert_array_equal(shown, ids)
    assert np.all(labels == -1)
    assert np.all(positions == 0)


def test_bits_belong_to_the_key_of_a_row():
  ids, sequences = make_rows(6)
  keys = jax.random.split(jax.random.key(1), 32)
  run = jax.jit(lambda *given: mask_rows(MASKING, *given))
  whole = [np.asarray(x) for x in run(ids, sequences, keys)]
  part = run(ids[8:16], sequences[8:16], keys[8:16])
  for all_rows, some in zip(whole, part, strict=True):
    np.testing.assert_array_equal(all_rows[8:16], some)
  other = run(ids, sequences, jax.random.split(jax.random.key(2), 32))
  assert np.mean(other[1] == whole[1]) < 0.3


def test_shares_are_rounded_as_python_rounds():
  sizes = np.arange(2, 513)
  sequences = (np.arange(512) < sizes[:, None]).astype(np.int32)
  _, _, labels = masked(MASKING, 20 * sequences, sequences)
  expected = [max(1, round(size * 0.15)) for size in sizes.tolist()]
  assert np.sum(labels >= 0, axis=1).tolist() == expected


def test_it_is_jittable_in_a_step_of_any_batch():
  ids, sequences = make_rows(7, rows=4)
  keys = jax.random.split(jax.random.key(0), 4)
  shapes = jax.eval_shape(
    lambda *given: mask_rows(WORDS, *given),
    jnp.asarray(ids),
    jnp.asarray(sequences),
    keys,
  )
  assert [s.shape for s in shapes] == [(4, 512), (4, 80), (4, 80)]
