"""Pre-training rows: true text, true labels, and a function of the step."""

import concurrent.futures
import functools
import hashlib
import threading
from collections import Counter

import numpy as np
import pytest

from biobert_jax.data.batch_sizes import Stage
from biobert_jax.data.pretraining.sequences import PretrainingSequences
from biobert_jax.errors import InputError
from tests.fixtures.sentence_corpora import (
  abstracts,
  check_pairs,
  pairs_of,
  reference_pairs,
  tokenizer_of,
  write,
)

L = 128


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  return write(tmp_path_factory.mktemp('corpus'), abstracts(150))


@pytest.fixture(scope='module')
def small(tmp_path_factory):
  return write(tmp_path_factory.mktemp('small'), abstracts(40))


def rows_of(corpus, **options):
  options = {'max_seq_length': L, 'block_rows': 16, **options}
  return PretrainingSequences(corpus.shards, corpus.tokenizer, **options)


def same(left, right):
  return left.keys() == right.keys() and all(
    np.array_equal(left[name], right[name]) for name in left
  )


def joined(parts):
  return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}


def whole_pass(rows, batch_size=8):
  """All rows of the evaluation's pass, without its padding."""
  batch = joined(list(rows.eval_batches(batch_size)))
  return {name: array[: rows.num_rows] for name, array in batch.items()}


# A function of the step.


def test_another_batch_size_repeats_and_leaves_out_nothing(small):
  rows = rows_of(small)
  steps = range(rows.block_rows)
  whole = joined([rows.train_batch(step, 6) for step in steps])
  first = [rows.train_batch(step, 6) for step in range(5)]
  left = len(whole['input_ids']) - 30
  then = [
    rows.train_batch(step, 2, earlier=(Stage(5, 6),))
    for step in range(5, 5 + left // 2)
  ]
  rest = joined(then)['input_ids']
  seen = Counter(row.tobytes() for row in joined(first)['input_ids'])
  again = Counter(row.tobytes() for row in rest)
  assert (seen + again).most_common(1)[0][1] == 1
  # What 6 slots would have read of the same blocks is read by 2.
  same_blocks = {row.tobytes() for row in whole['input_ids']} - seen.keys()
  assert len(same_blocks & again.keys()) > left // 2


def test_the_batch_is_frozen(tmp_path):
  """A resumed run must meet the same rows, whatever the release."""
  digest = hashlib.sha256()
  articles = [
    [[3 + i * j * k % 40 for k in range(2 + i % 7)] for j in range(1 + i % 3)]
    for i in range(90)
  ]
  rows = rows_of(write(tmp_path, articles), seed=3)
  for step in (0, 7, 1000):
    batch = rows.train_batch(step, 4)
    for name in rows.feature_shapes(4):
      digest.update(batch[name].astype('<i4').tobytes())
  assert digest.hexdigest() == (
    'ebc992ae3365298a9ac856bb21d80b3cdc657f8ae416fd92d7509f6f71e74038'
  )


@pytest.mark.parametrize('pack', [True, False])
def test_hosts_share_a_batch(small, pack):
  whole = rows_of(small, pack=pack).train_batch(5, 8)
  assert whole['row_ids'].tolist() == list(range(8))
  for hosts in (2, 8):
    rows = [rows_of(small, pack=pack) for _ in range(hosts)]
    parts = [rows[h].train_batch(5, 8, h, hosts) for h in range(hosts)]
    assert all(len(part['input_ids']) == 8 // hosts for part in parts)
    assert same(joined(parts), whole)


def test_any_step_can_be_the_first(small):
  rows = rows_of(small)
  batches = [rows.train_batch(step, 4) for step in range(60)]
  for step in (0, 17, 59):
    assert same(rows_of(small).train_batch(step, 4), batches[step])
  for step in reversed(range(60)):
    assert same(rows.train_batch(step, 4), batches[step])


def test_seeds_and_epochs_differ(corpus):
  rows = rows_of(corpus)
  steps = range(2 * rows.num_rows // 4)
  batch = joined([rows.train_batch(step, 4) for step in steps])
  texts = {row.tobytes() for row in batch['input_ids']}
  assert len(texts) > 0.99 * len(batch['input_ids'])
  other = rows_of(corpus, seed=1)
  assert other.num_rows == rows.num_rows
  assert not same(other.train_batch(0, 4), rows.train_batch(0, 4))


def test_threads_make_each_block_once(small, monkeypatch):
  alone = rows_of(small)
  wanted = [alone.train_batch(step, 8) for step in range(40)]
  made, lock = Counter(), threading.Lock()
  make = PretrainingSequences._make_block

  def counted(self, epoch, index):
    with lock:
      made[epoch, index] += 1
    return make(self, epoch, index)

  monkeypatch.setattr(PretrainingSequences, '_make_block', counted)
  rows = rows_of(small)
  with concurrent.futures.ThreadPoolExecutor(4) as pool:
    found = list(pool.map(lambda step: rows.train_batch(step, 8), range(40)))
  assert all(same(a, b) for a, b in zip(found, wanted, strict=True))
  # Each row of the batch meets up to 40 / 16 + 1 blocks.
  assert set(made.values()) == {1}
  assert 8 * 40 / rows.block_rows <= len(made) <= 8 * 4


def test_generation_is_spread_over_steps(corpus, monkeypatch):
  made = []
  make = PretrainingSequences._make_block
  monkeypatch.setattr(
    PretrainingSequences,
    '_make_block',
    lambda self, *which: made.append(step) or make(self, *which),
  )
  rows = rows_of(corpus)
  for step in range(1, 33):
    rows.train_batch(step, 32)
  counts = Counter(made)
  assert counts.pop(1) >= 32  # One for each row of the batch.
  assert max(counts.values()) <= 8
  assert sum(counts.values()) in range(50, 70)  # 31 steps of 32 / 16.


def test_features_are_as_told(small):
  for options in ({}, {'pack': False}, {'max_pairs': 3}):
    rows = rows_of(small, **options)
    batch = rows.train_batch(0, 4)
    assert {k: v.shape for k, v in batch.items()} == rows.feature_shapes(4)
    assert all(array.dtype == np.int32 for array in batch.values())
    assert batch['cls_positions'].shape[1] == rows.max_pairs


# Evaluation.


def test_evaluation_is_one_pass(small):
  rows = rows_of(small)
  batches, again = (list(rows.eval_batches(13)) for _ in range(2))
  assert all(same(a, b) for a, b in zip(batches, again, strict=True))
  batch = joined(batches)
  assert len(batches) == -(-rows.num_rows // 13)
  assert batch['row_ids'].tolist() == list(range(13 * len(batches)))
  real = batch['sequence_ids'].any(1)
  assert real.tolist() == [i < rows.num_rows for i in range(len(real))]
  other = joined(list(rows.eval_batches(8)))
  assert np.array_equal(
    other['input_ids'][: rows.num_rows], batch['input_ids'][: rows.num_rows]
  )


def test_evaluation_can_be_shorter(small):
  full = whole_pass(rows_of(small))
  batch = joined(list(rows_of(small, max_eval_rows=20).eval_batches(8)))
  assert len(batch['input_ids']) == 24
  assert np.array_equal(batch['input_ids'][:20], full['input_ids'][:20])
  assert not batch['sequence_ids'][20:].any()
  assert np.all(batch['next_sentence_labels'][20:] == -1)


# What rows hold.


@pytest.mark.parametrize('pack', [True, False])
@pytest.mark.parametrize('length', [64, 128, 512])
def test_pairs_are_true(corpus, pack, length):
  rows = rows_of(corpus, pack=pack, max_seq_length=length)
  found = check_pairs(corpus, whole_pass(rows))
  assert {label for _, _, label, _ in found} == {-1, 0, 1}
  assert len(found) == rows.num_rows or pack
  for step in range(5):
    check_pairs(corpus, rows.train_batch(step, 4))


def test_labels_are_balanced(corpus):
  rows = rows_of(corpus)
  batch = joined([rows.train_batch(step, 16) for step in range(200)])
  labels = batch['next_sentence_labels']
  count = int((labels >= 0).sum())
  assert count > 3000
  assert abs((labels == 1).sum() / count - 0.5) < 3 * 0.5 / count**0.5
  assert rows.statistics()['random_next'] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize('length', [128, 512])
def test_rows_are_full(corpus, length):
  rows = rows_of(corpus, max_seq_length=length)
  batch = whole_pass(rows)
  fill = (batch['sequence_ids'] > 0).mean()
  assert fill > 0.97
  made = rows.statistics(10**9, epoch=1 << 40)  # The epoch of evaluation.
  assert made['fill'] == pytest.approx(fill)
  pairs = pairs_of(corpus, batch)
  assert made['pairs_per_row'] == pytest.approx(len(pairs) / rows.num_rows)
  assert made['useful_pieces'] * batch['input_ids'].size == pytest.approx(
    sum(len(a) + len(b) for a, b, _, _ in pairs)
  )


def own_documents(corpus, pairs):
  """How many pieces of each document rows are made of."""
  counts = np.zeros(len(corpus.lengths), int)
  for a, b, label, _ in pairs:
    counts[corpus.document[a[0]]] += len(a) + (len(b) if label == 0 else 0)
  return counts


@pytest.mark.parametrize('next_sentence', [True, False])
def test_each_document_comes_once_an_epoch(tmp_path, next_sentence):
  # Short ones: a long document may be cut, and its parts count each.
  corpus = write(tmp_path, [[[30, 9, 20, 8, 25]] * 2] * 300)
  rows = rows_of(corpus, next_sentence=next_sentence)
  seen = own_documents(corpus, pairs_of(corpus, whole_pass(rows))) > 0
  made = rows.statistics(10**9, epoch=1 << 40)
  left_out = made['documents_left_out'] * len(seen)
  assert (~seen).sum() == pytest.approx(left_out)
  # If sentences behind a random next were not put back, many came again.
  assert made['documents_left_out'] < 0.06
  assert made['documents_repeated'] < 0.12


def test_documents_come_equally_often(small):
  rows = rows_of(small, next_sentence=False)
  epochs = 20
  steps = range(rows.block_rows, rows.block_rows + epochs * rows.num_rows // 4)
  batch = joined([rows.train_batch(step, 4) for step in steps])
  counts = own_documents(small, pairs_of(small, batch))
  sizes = np.array([sum(lengths) for lengths in small.lengths])
  times = counts / sizes / epochs
  assert times.min() > 0.5
  assert times.max() < 1.6
  assert counts.sum() / sizes.sum() / epochs == pytest.approx(1, abs=0.03)


def test_the_pairs_are_the_references(tmp_path):
  """Lengths and labels are distributed as those of an independent port."""
  articles = [[a[0]] for a in abstracts(400, seed=5)]
  corpus = write(tmp_path, articles)
  rows = rows_of(corpus, pack=False, single_sentence='random', block_rows=10**9)
  assert rows.num_blocks == 1
  steps = range(4 * rows.num_rows // 8)
  batch = joined([rows.train_batch(step, 8) for step in steps])
  found = np.array(
    [(len(a), len(b), r) for a, b, r, _ in pairs_of(corpus, batch)]
  )
  draw = np.random.default_rng(0)
  wanted = np.array(
    [
      pair
      for _ in range(4)
      for i in range(len(corpus.lengths))
      for pair in reference_pairs(corpus.lengths, i, L - 3, 0.1, draw)
    ]
  )
  assert len(found) == pytest.approx(len(wanted), rel=0.03)
  assert np.mean(wanted[:, 2]) > 0.55  # Single sentences are always random.
  for values in (
    lambda t: t[:, 0],
    lambda t: t[:, 1],
    lambda t: t[:, 2],
    lambda t: t[:, 0] + t[:, 1],
    lambda t: (t[:, 0] + t[:, 1])[t[:, 2] == 1],
    lambda t: t[:, 0][t[:, 2] == 0],
  ):
    # Kolmogorov-Smirnov, at a level of about one in ten thousand.
    left, right = np.sort(values(found)), np.sort(values(wanted))
    every = np.union1d(left, right)
    distance = np.abs(
      np.searchsorted(left, every, 'right') / len(left)
      - np.searchsorted(right, every, 'right') / len(right)
    ).max()
    assert distance < 2.2 * (1 / len(left) + 1 / len(right)) ** 0.5


def test_single_sentences_need_no_label(tmp_path):
  corpus = write(tmp_path, [[[20]]] * 60)
  found = check_pairs(corpus, whole_pass(rows_of(corpus)))
  assert {label for _, _, label, _ in found} == {-1}
  rows = rows_of(corpus, single_sentence='random')
  found = check_pairs(corpus, whole_pass(rows))
  assert {label for _, _, label, _ in found} == {1}


def test_documents_alone_lose_nothing(tmp_path):
  corpus = write(tmp_path, abstracts(20))
  rows = rows_of(corpus, next_sentence=False, block_rows=10**9)
  found = pairs_of(corpus, whole_pass(rows))
  assert {(label, len(b)) for _, b, label, _ in found} == {(-1, 0)}
  assert rows.statistics()['pieces_truncated'] == 0
  assert rows.statistics()['fill'] > 0.97
  counts = np.zeros(len(corpus.document), int)
  for a, _, _, _ in found:
    assert np.all(np.diff(a) == 1)
    assert len(set(corpus.document[a])) == 1
    counts[a] += 1
  # What was begun was finished, except the last document of each round.
  seen = np.bincount(corpus.document, counts) > 0
  assert (counts == 0).sum() - (~seen[corpus.document]).sum() < 2000
  assert (counts == 1).mean() > 0.85


def test_the_share_of_short_documents(corpus):
  everything = rows_of(corpus, short_seq_prob=1.0, max_seq_length=512)
  none = rows_of(corpus, short_seq_prob=0.0, max_seq_length=512)
  assert everything.statistics()['drawn_short'] > 0.99
  assert none.statistics()['drawn_short'] == 0
  assert everything.statistics()['pairs_per_row'] > (
    1.3 * none.statistics()['pairs_per_row']
  )


# Hostile corpora.

HOSTILE = {
  'one document': [[[9, 30, 20, 11]]],
  'one sentence': [[[7]]],
  'one piece': [[[1]]],
  'two documents': [[[5, 5]], [[6, 6]]],
  'one article': [[[9, 30, 20]] * 20],
  'one-sentence documents': [[[3]]] * 100,
  'long sentences': [[[700, 700]], [[20, 700, 30]], [[700]]],
  'many short sentences': [[[1] * 400], [[1] * 400], [[1, 2] * 150]],
  'a long document': [[[30] * 100], [[10, 20]], [[30] * 5]],
  'empty sentences': [[[0, 5, 0, 0, 9, 0]], [[0]], [[]], [[4, 0, 20]]] * 9,
  'an end without text': [[[30, 9, 8]], [[20, 4]], [[0]], [[]]],
}


@pytest.fixture(scope='module')
def hostile(tmp_path_factory):
  return functools.cache(
    lambda name: write(tmp_path_factory.mktemp('hostile'), HOSTILE[name])
  )


@pytest.mark.parametrize('name', HOSTILE)
@pytest.mark.parametrize(
  'options',
  [
    {},
    {'single_sentence': 'random'},
    {'pack': False},
    {'pack': False, 'single_sentence': 'random'},
    {'next_sentence': False},
    {'max_seq_length': 5},
    {'max_seq_length': 5, 'next_sentence': False},
    {'block_rows': 1},
  ],
  ids=str,
)
def test_hostile_corpora_train(hostile, name, options):
  corpus = hostile(name)
  rows = rows_of(corpus, **options)
  batch = joined([rows.train_batch(step, 4) for step in range(12)])
  texts = [corpus.article[corpus.document == d] for d in range(99)]
  articles = {int(t[0]) for t in texts if len(t)}
  if options.get('next_sentence', True):
    check_pairs(corpus, batch, other_articles=len(articles) > 1)
  else:
    pairs_of(corpus, batch)
  assert batch['sequence_ids'].any(1).all()  # No row is empty.
  assert len(whole_pass(rows)['input_ids']) == rows.num_rows
  assert 0 < rows.statistics()['fill'] <= 1


def test_a_long_document_is_seen_to_its_end(tmp_path):
  corpus = write(tmp_path, [[[30] * 1000], [[10, 20]], [[30] * 5]])
  rows = rows_of(corpus, block_rows=4)
  assert rows.num_blocks > 20
  found = pairs_of(corpus, whole_pass(rows))
  sentences = {corpus.sentence[a[0]] for a, _, _, _ in found}
  assert len([s for s in sentences if s < 1000]) > 250
  assert max(sentences) >= 950


def test_few_articles_draw_from_elsewhere(tmp_path):
  """Blocks of one article meet more than the same neighbour."""
  corpus = write(tmp_path, [[[20] * 12] * 20 for _ in range(30)])
  rows = rows_of(corpus, block_rows=16)
  assert rows.num_blocks > 60
  found = check_pairs(corpus, whole_pass(rows))
  drawn = {
    (corpus.article[a[0]], corpus.article[b[0]])
    for a, b, label, _ in found
    if label == 1
  }
  assert len(drawn) > 150
  assert max(abs(a - b) for a, b in drawn) > 20


# Mistakes that a user can fix.


@pytest.mark.parametrize(
  ('options', 'what'),
  [
    ({'max_seq_length': 4}, 'max_seq_length=4 is too short'),
    ({'single_sentence': 'none'}, "single_sentence='none' is not"),
    ({'short_seq_prob': 1.5}, 'short_seq_prob=1.5 is not from 0 to 1'),
    ({'max_pairs': 0}, 'max_pairs=0 must be at least 1'),
  ],
)
def test_options_that_cannot_be_are_named(corpus, options, what):
  with pytest.raises(InputError, match=what):
    rows_of(corpus, **options)


def test_another_vocabulary_is_refused(corpus):
  with pytest.raises(InputError, match='manifest.json: .*another vocabulary'):
    PretrainingSequences(corpus.shards, tokenizer_of(3), max_seq_length=L)


def test_a_corpus_without_text_is_named(tmp_path):
  corpus = write(tmp_path, [[[]], [[0]]])
  with pytest.raises(InputError, match=f'{tmp_path}: .*no text'):
    rows_of(corpus)
