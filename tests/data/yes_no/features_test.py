"""Questions beside passages: segments, and what falls to length."""

from collections import Counter

import pytest

from biobert_jax.data.yes_no import features as yes_no_features
from biobert_jax.data.yes_no.features import QuestionPair
from biobert_jax.errors import InputError
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer

TOKENIZER = WordPieceTokenizer((*SPECIALS, *'abcdefghij', '?'), False)


def encode(texts, length, counts=None):
  pairs = [
    QuestionPair(str(i), str(i), question, passage, '', 'f')
    for i, (question, passage) in enumerate(texts)
  ]
  counts = Counter() if counts is None else counts
  return yes_no_features.encode(
    pairs, TOKENIZER, max_seq_length=length, counts=counts
  )


def rows(windows):
  """(pieces, segments, numbers) of each window."""
  found = []
  for first, last in zip(windows.offsets, windows.offsets[1:], strict=False):
    names = [TOKENIZER.pieces[i] for i in windows.input_ids[first:last]]
    segments = ''.join(map(str, windows.segment_ids[first:last]))
    found.append((' '.join(names), segments, windows.words[first:last]))
  return found


def test_a_pair_is_a_window_of_two_segments():
  counts = Counter()
  windows = encode([('a b ?', 'c d'), ('e', '')], 8, counts)
  (first, segments, words), (second, others, more) = rows(windows)
  assert first == '[CLS] a b ? [SEP] c d [SEP]'
  assert segments == '00000111'
  assert second == '[CLS] e [SEP] [SEP]'
  assert others == '0001'
  # The pair's number stands at [CLS], where its answer is taken.
  assert words.tolist() == [0] + [-1] * 7
  assert more.tolist() == [1] + [-1] * 3
  assert windows.num_words == 2
  assert not +counts


def test_the_end_of_the_passage_falls_first():
  counts = Counter()
  texts = [('a b ?', 'c d e f'), ('a b c d', 'e f'), ('a b c d e f', 'g')]
  found = [row[0] for row in rows(encode(texts, 7, counts))]
  assert found == [
    '[CLS] a b ? [SEP] c [SEP]',
    '[CLS] a b c d [SEP] [SEP]',
    '[CLS] a b c d [SEP] [SEP]',
  ]
  assert +counts == {
    'passages_cut': 3,
    'passage_pieces_cut': 6,
    'passages_cut_to_nothing': 2,
    'questions_cut': 1,
  }


def test_a_window_without_room_is_refused():
  with pytest.raises(InputError, match=r'data\.max_seq_length is 3'):
    encode([('a', 'b')], 3)
