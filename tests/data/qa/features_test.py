"""Windows of questions: their pieces, labels, places and most context."""

import random
from collections import Counter

import numpy as np
import pytest

from biobert_jax.data.packing import PackedRows
from biobert_jax.data.qa import features as qa_features
from biobert_jax.data.qa.squad import Answer, Question
from biobert_jax.errors import InputError
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer

LETTERS = 'abcdefghijklmnopqrstuvwxyz'
TOKENIZER = WordPieceTokenizer(
  (*SPECIALS, *LETTERS, *('##' + c for c in LETTERS), '?', '.'), False
)


def question(text, context, *answers):
  gold = tuple(Answer(a, context.index(a)) for a in answers)
  return Question('q', text, context, gold, 'x.json', 'there')


def encode(questions, length=16, asked=4, stride=3):
  counts = Counter()
  windows = qa_features.encode(
    questions,
    TOKENIZER,
    max_seq_length=length,
    max_question_length=asked,
    doc_stride=stride,
    counts=counts,
  )
  return windows, +counts


def pieces_of(windows, number):
  offsets = windows.windows.offsets[number : number + 2]
  return slice(*offsets)


def most_context(spans, window, piece):
  """run_squad.py's _check_is_max_context, after its description."""
  best, owner = None, None
  for i, (first, length) in enumerate(spans):
    last = first + length - 1
    if not first <= piece <= last:
      continue
    score = min(piece - first, last - piece) + 0.01 * length
    if best is None or score > best:
      best, owner = score, i
  return owner == window


def spans_of(total, budget, stride):
  """Its windows of a passage."""
  spans, start = [], 0
  while start < total:
    length = min(total - start, budget)
    spans.append((start, length))
    if start + length == total:
      break
    start += min(length, stride)
  return spans


def test_pieces_segments_and_labels_of_a_window():
  windows, counts = encode([question('ab?', 'cd e. fg', 'e', 'fg')])
  assert len(windows) == 1
  pieces = [TOKENIZER.pieces[i] for i in windows.windows.input_ids]
  assert pieces == [
    *('[CLS]', 'a', '##b', '?', '[SEP]'),
    *('c', '##d', 'e', '.', 'f', '##g', '[SEP]'),
  ]
  assert windows.windows.segment_ids.tolist() == [0] * 5 + [1] * 7
  assert windows.labels.tolist() == [0] * 7 + [3] + [0] * 4
  assert windows.prefix.tolist() == [5]
  assert not counts


def test_characters_of_every_piece():
  context = 'ab  c.\u00a0de'
  windows, _ = encode([question('a', context)])
  spans = zip(windows.char_starts, windows.char_ends, strict=True)
  assert [context[a:b] for a, b in spans] == ['a', 'b', 'c', '.', 'd', 'e']
  assert windows.labels[0] == qa_features.START + qa_features.END


def test_windows_are_those_of_the_reference():
  """Every length of passage at several budgets and strides."""
  for budget, stride in ((7, 3), (12, 5), (9, 9), (20, 1), (15, 8)):
    for total in range(60):
      spans = spans_of(total, budget, stride) or [(0, 0)]
      cuts = qa_features._layout(total, budget, stride)
      assert [(a, b - a) for a, b, *_ in cuts] == spans
      for i, (first, last, own_first, own_last) in enumerate(cuts):
        owned = [p for p in range(first, last) if most_context(spans, i, p)]
        assert owned == list(range(own_first, own_last)), (total, budget, i)


def test_every_piece_has_its_most_context_once():
  context = ' '.join(random.Random(0).choices(LETTERS, k=50))
  windows, counts = encode(
    [question('abcdefgh?', context, 'z'), question('a', 'b')]
  )
  assert counts == {'questions_cut': 1, 'questions_split': 1}
  owned = [
    piece
    for i in range(len(windows) - 1)
    for piece in range(windows.own_first[i], windows.own_last[i])
  ]
  assert owned == list(range(50))
  assert windows.question.tolist() == [0] * (len(windows) - 1) + [1]


def test_an_answer_outside_a_window_points_to_cls():
  context = ' '.join(LETTERS)
  windows, _ = encode([question('a', context, 'k l m')], stride=4)
  inside = 0
  for i in range(len(windows)):
    labels = windows.labels[pieces_of(windows, i)]
    start, end = (np.flatnonzero(labels & bit) for bit in (1, 2))
    assert len(start) == len(end) == 1
    if start[0] == 0:
      assert end[0] == 0
      continue
    inside += 1
    assert end[0] < windows.windows.lengths[i] - 1  # Where [SEP] stands.
    base = windows.first[i] - windows.prefix[i]
    begin = windows.char_starts[base + start[0]]
    assert context[begin : windows.char_ends[base + end[0]]] == 'k l m'
  assert 0 < inside < len(windows)


def test_an_answer_between_its_neighbours():
  windows, _ = encode([question('a', 'b.c.d', 'c')])
  pieces = windows.windows.input_ids[windows.labels == 3]
  assert [TOKENIZER.pieces[i] for i in pieces] == ['c']


def test_an_answer_that_cuts_a_piece_is_widened():
  windows, _ = encode([question('a', 'b \u00bd c', '\u00bd')])
  start = int(np.flatnonzero(windows.labels == 3)[0])
  assert windows.windows.input_ids[start] == TOKENIZER.unk_id


def test_an_answer_without_pieces_gives_no_label():
  windows, counts = encode([question('a', 'b \u200b c', '\u200b')])
  assert counts == {'answers_without_pieces': 1}
  assert not windows.labels.any()


def test_an_empty_passage_is_a_window():
  windows, _ = encode([question('a', ' ')])
  assert windows.windows.lengths.tolist() == [4]


def test_packed_rows_keep_pieces_segments_and_labels_together():
  contexts = ['b c d', 'e f', 'g h i j k', 'l']
  windows, _ = encode([question('a', c, c[0]) for c in contexts])
  rows = PackedRows(
    windows.windows,
    windows.labels,
    max_seq_length=24,
    pack=True,
    max_sequences=2,
  )
  (batch,) = rows.eval_batches(4)
  places = batch['words'] >= 0
  numbers = batch['words'][places]
  assert sorted(numbers) == list(range(windows.windows.num_words))
  for name, values in (
    ('input_ids', windows.windows.input_ids),
    ('segment_ids', windows.windows.segment_ids),
    ('labels', windows.labels),
  ):
    np.testing.assert_array_equal(batch[name][places], values[numbers])
  assert batch['segment_ids'].max() == 1
  assert batch['sequence_ids'].max() == 2
  assert (batch['labels'][~places] == -1).all()


@pytest.mark.parametrize(
  ('length', 'asked', 'stride', 'message'),
  [
    (16, 13, 1, r'max_question_length is 13; .* between 1 and 12'),
    (16, 0, 1, r'max_question_length is 0'),
    (16, 4, 10, r'doc_stride is 10; .* room for 9 .* between 1 and 9'),
    (16, 4, 0, r'doc_stride is 0'),
  ],
)
def test_lengths_that_lose_pieces_are_refused(length, asked, stride, message):
  with pytest.raises(InputError, match=message):
    encode([question('a', 'b')], length, asked, stride)
