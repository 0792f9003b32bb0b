"""Windows: every word predicted once, where it has most context."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobert_jax.data import windows
from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer

PAD, UNK, CLS, SEP = 0, 1, 2, 3
SPECIALS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')


@dataclasses.dataclass(frozen=True)
class Counted:
  """A tokenizer whose words say how many pieces they have: '3' has three."""

  cls_id: int = CLS
  sep_id: int = SEP
  unk_id: int = UNK

  def encode_words(self, words):
    return [[10 + i for i in range(int(word))] for word in words]


def encode(sentences, max_seq_length=8, overlap=2):
  counts = Counter()
  encoded = windows.encode(
    [[str(pieces) for pieces in sentence] for sentence in sentences],
    Counted(),
    max_seq_length=max_seq_length,
    overlap=overlap,
    counts=counts,
  )
  return encoded, +counts


def split(encoded):
  """[(ids, words)] of each window."""
  return [
    (encoded.input_ids[a:b].tolist(), encoded.words[a:b].tolist())
    for a, b in itertools.pairwise(encoded.offsets)
  ]


def test_a_sentence_that_fits_is_one_window():
  encoded, counts = encode([[1, 3, 2], [1]])
  assert split(encoded) == [
    ([CLS, 10, 10, 11, 12, 10, 11, SEP], [-1, 0, 1, -1, -1, 2, -1, -1]),
    ([CLS, 10, SEP], [-1, 3, -1]),
  ]
  assert encoded.lengths.tolist() == [8, 3]
  assert (encoded.num_words, counts) == (4, {})
  assert encoded.input_ids.dtype == encoded.words.dtype == np.int32


def test_a_real_tokenizer():
  pieces = (*SPECIALS, 'Leu', '##ke', '##mia', '.')
  counts = Counter()
  encoded = windows.encode(
    [['Leukemia', '\u200b', '.'], ['.']],
    WordPieceTokenizer(pieces, do_lower_case=False),
    max_seq_length=16,
    overlap=0,
    counts=counts,
  )
  assert split(encoded) == [
    ([CLS, 5, 6, 7, UNK, 8, SEP], [-1, 0, -1, -1, 1, 2, -1]),
    ([CLS, 8, SEP], [-1, 3, -1]),
  ]
  assert +counts == {'words_without_pieces': 1}


def test_most_context_wins():
  # Ten words of one piece, windows of six, at least two shared: words 0-5
  # and 4-9. Word 4 has min(4, 1) = 1 to its nearer end in the first window
  # and min(0, 5) = 0 in the second; word 5 the other way round.
  encoded, counts = encode([[1] * 10])
  assert [words for _, words in split(encoded)] == [
    [-1, 0, 1, 2, 3, 4, -1, -1],
    [-1, -1, 5, 6, 7, 8, 9, -1],
  ]
  assert counts == {'sentences_split': 1}


def test_a_tie_goes_to_the_first_of_equal_windows():
  # Words 0-5, 3-8, 6-9: word 4 lies 1 from an end of both the first and the
  # second window.
  encoded, _ = encode([[1] * 10], overlap=3)
  owned = [[w for w in words if w >= 0] for _, words in split(encoded)]
  assert owned == [[0, 1, 2, 3, 4], [5, 6, 7], [8, 9]]


def test_a_tie_goes_to_the_longer_window():
  # Words 0-3 of four pieces, words 1-4 of six: word 2 lies 1 from an end of
  # both.
  encoded, _ = encode([[1, 1, 1, 1, 3]], overlap=3)
  owned = [[w for w in words if w >= 0] for _, words in split(encoded)]
  assert owned == [[0, 1], [2, 3, 4]]


def test_cuts_never_fall_inside_a_word():
  encoded, _ = encode([[2, 3, 4, 2]], overlap=1)
  assert [ids[1:-1] for ids, _ in split(encoded)] == [
    [10, 11, 10, 11, 12],
    [10, 11, 12, 13, 10, 11],
  ]


def test_long_and_invisible_words_are_kept_and_counted():
  encoded, counts = encode([[1, 9, 0], [0]], overlap=0)
  assert counts == {
    'words_cut': 1,
    'words_without_pieces': 2,
    'sentences_split': 1,
  }
  assert split(encoded) == [
    ([CLS, 10, SEP], [-1, 0, -1]),
    ([CLS, 10, 11, 12, 13, 14, 15, SEP], [-1, 1, -1, -1, -1, -1, -1, -1]),
    ([CLS, UNK, SEP], [-1, 2, -1]),
    ([CLS, UNK, SEP], [-1, 3, -1]),
  ]


def test_nothing_gives_nothing():
  encoded, counts = encode([])
  assert (len(encoded.input_ids), encoded.offsets.tolist()) == (0, [0])
  assert (encoded.num_words, counts) == (0, {})


@pytest.mark.parametrize(
  ('max_seq_length', 'overlap'), [(8, 6), (8, -1), (2, 0), (1, 0)]
)
def test_an_overlap_that_does_not_fit(max_seq_length, overlap):
  with pytest.raises(InputError, match=f'data.window_overlap is {overlap}'):
    encode([[1]], max_seq_length, overlap)


@st.composite
def cases(draw):
  budget = draw(st.integers(1, 12))
  overlap = draw(st.integers(0, budget - 1))
  word = st.integers(0, budget + 3)
  sentence = st.lists(word, min_size=1, max_size=40)
  return draw(st.lists(sentence, max_size=4)), budget, overlap


@settings(max_examples=300, deadline=None)
@given(cases())
def test_every_word_is_owned_once_and_windows_cover_all(case):
  sentences, budget, overlap = case
  encoded, counts = encode(sentences, budget + 2, overlap)
  flat = [pieces for sentence in sentences for pieces in sentence]
  owned = encoded.words[encoded.words >= 0]
  assert sorted(owned.tolist()) == list(range(len(flat)))
  assert np.all(encoded.lengths <= budget + 2)
  assert counts['words_without_pieces'] == flat.count(0)
  assert counts['words_cut'] == sum(pieces > budget for pieces in flat)
  sizes = [min(max(pieces, 1), budget) for pieces in flat]
  for ids, words in split(encoded):
    assert (ids[0], ids[-1]) == (CLS, SEP)
    assert ids.count(CLS) == ids.count(SEP) == 1
    here = [w for w in words if w >= 0]
    assert here == list(range(here[0], here[-1] + 1)) if here else True
    for place, word in enumerate(words):
      if word >= 0:  # The whole word stands there, not a part of it.
        first = UNK if flat[word] == 0 else 10
        expected = [first, *range(11, 10 + sizes[word])]
        assert ids[place : place + sizes[word]] == expected


@settings(max_examples=300, deadline=None)
@given(cases())
def test_each_window_reaches_beyond_the_last(case):
  sentences, budget, overlap = case
  for sentence in sentences:
    sizes = [min(max(pieces, 1), budget) for pieces in sentence]
    cuts = windows._cut(sizes, budget, overlap)
    assert cuts[0][0] == 0
    assert cuts[-1][1] == len(sizes)
    for (first, last), (begin, end) in itertools.pairwise(cuts):
      assert first < begin <= last < end


def encode_slots(texts, max_seq_length=8, overlap=2):
  counts = Counter()
  encoded = windows.encode_slots(
    texts,
    Counted(),
    max_seq_length=max_seq_length,
    overlap=overlap,
    counts=counts,
  )
  return encoded, +counts


def test_slots_of_texts():
  encoded, counts = encode_slots([[10, 11], [], range(10, 20)])
  assert split(encoded) == [
    ([CLS, 10, 11, SEP], [0, 1, 2, 3]),
    ([CLS, SEP], [4, 5]),
    ([CLS, *range(10, 16), SEP], [6, 7, 8, 9, 10, 11, -1, -1]),
    ([CLS, *range(14, 20), SEP], [-1, -1, 12, 13, 14, 15, 16, 17]),
  ]
  assert (encoded.num_words, counts) == (18, {'texts_split': 1})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=5), st.integers(1, 12), st.data())
def test_every_slot_is_owned_once_where_words_of_a_piece_are(
  sizes, budget, data
):
  overlap = data.draw(st.integers(0, budget - 1))
  texts = [[10] * size for size in sizes]
  encoded, counts = encode_slots(texts, budget + 2, overlap)
  owned = encoded.words[encoded.words >= 0]
  assert owned.tolist() == list(range(sum(sizes) + 2 * len(sizes)))
  plain, of_words = encode([[1] * size for size in sizes], budget + 2, overlap)
  np.testing.assert_array_equal(encoded.input_ids, plain.input_ids)
  assert counts.get('texts_split') == of_words.get('sentences_split')
  # The pieces are owned by the windows that own words of one piece.
  inner = ~np.isin(encoded.input_ids, (CLS, SEP))
  np.testing.assert_array_equal(
    encoded.words[inner] >= 0, plain.words[inner] >= 0
  )


def test_some_windows_are_taken():
  encoded, _ = encode([[1] * 10, [2], [3, 1]])
  taken = encoded.take(np.asarray([3, 0]))
  assert split(taken) == [split(encoded)[i] for i in (3, 0)]
  assert taken.num_words == encoded.num_words == 13
  assert split(encoded.take(np.asarray([], int))) == []


def test_a_text_of_very_many_windows_takes_no_square_of_them():
  encoded, _ = encode_slots([[10] * 200_000], 16, 4)
  assert len(encoded.lengths) > 19_000
