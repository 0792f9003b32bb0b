"""No placeholder falls to truncation, whatever the sentence."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobert_jax.data.relation import features as relation_features
from biobert_jax.data.relation.pair_words import Markers, Placeholders
from biobert_jax.errors import InputError
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer

WORDS = Placeholders('@GENE$', '@DISEASE$', ('@GENE-DISEASE$',))
# A placeholder has four pieces: @ G ##ENE $.
MARKERS = Markers(tuple(f'[unused{i}]' for i in range(1, 5)))
PIECES = (*SPECIALS, *'@$-wG', 'D', '##ENE', '##ISEASE', *MARKERS.pieces)
TOKENIZER = WordPieceTokenizer(PIECES, False)
GENE, DISEASE = ['@', 'G', '##ENE', '$'], ['@', 'D', '##ISEASE', '$']


def encode(texts, length=16, pair=WORDS):
  counts = collections.Counter()
  made, starts = relation_features.encode(
    texts, TOKENIZER, pair, max_seq_length=length, counts=counts
  )
  # A start is where its entity's first piece stands, or [CLS].
  firsts = '@@' if pair is WORDS else ('[unused1]', '[unused3]')
  for number, row in enumerate(starts):
    found = pieces_of(made, number)
    assert not row.any() or [found[i] for i in row] == list(firsts)
  return made, dict(counts)


def pieces_of(made, number):
  begin, end = made.offsets[number : number + 2]
  return [PIECES[i] for i in made.input_ids[begin:end]]


def sentence(before, between, after, words=('@GENE$', '@DISEASE$')):
  parts = ['w'] * before, [words[0]], ['w'] * between, [words[1]], ['w'] * after
  return ' '.join(word for part in parts for word in part)


def test_sentences_that_fit_stay_whole():
  texts = ['w w', sentence(1, 2, 3), '@GENE-DISEASE$ w']
  made, counts = encode(texts)
  assert counts == {}
  assert pieces_of(made, 0) == ['[CLS]', 'w', 'w', '[SEP]']
  assert pieces_of(made, 1) == (
    ['[CLS]', 'w', *GENE, 'w', 'w', *DISEASE, 'w', 'w', 'w', '[SEP]']
  )
  # A sentence's number stands at its [CLS] and nowhere else.
  at = np.flatnonzero(made.words >= 0)
  assert at.tolist() == made.offsets[:-1].tolist()
  assert made.words[at].tolist() == [0, 1, 2]
  assert made.num_words == 3


@pytest.mark.parametrize(
  ('before', 'after', 'kept_before'),
  [(30, 30, 2), (30, 1, 3), (1, 30, 1), (30, 0, 4), (0, 30, 0), (5, 0, 4)],
)
def test_the_window_is_centred_on_the_pair(before, after, kept_before):
  # Fourteen pieces besides [CLS] and [SEP], of which the pair takes ten.
  made, counts = encode([sentence(before, 2, after)])
  found = pieces_of(made, 0)
  assert len(found) == 16
  assert found[1:-1] == (
    ['w'] * kept_before
    + [*GENE, 'w', 'w', *DISEASE]
    + ['w'] * (4 - kept_before)
  )
  assert counts == {'sentences_cut': 1}


def test_a_wider_pair_loses_its_middle():
  made, counts = encode([sentence(3, 7, 3, ('@DISEASE$', '@GENE$'))])
  assert pieces_of(made, 0)[1:-1] == (
    [*DISEASE, 'w', 'w', 'w', 'w', 'w', 'w', *GENE]
  )
  assert counts == {'sentences_cut': 1, 'sentences_cut_between_the_pair': 1}


def test_without_a_pair_the_end_is_cut():
  made, counts = encode(['@GENE$ ' + 'w ' * 30])
  assert pieces_of(made, 0) == ['[CLS]', *GENE, *['w'] * 10, '[SEP]']
  assert counts == {'sentences_cut': 1, 'sentences_cut_at_the_end': 1}


def test_a_window_without_room_for_two_placeholders():
  with pytest.raises(InputError, match='max_seq_length is 9; the 8 tokens'):
    encode([sentence(0, 9, 0)], length=9)
  made, _ = encode([sentence(0, 9, 0)], length=10)
  assert pieces_of(made, 0)[1:-1] == GENE + DISEASE


@settings(max_examples=300)
@given(
  st.integers(0, 40),
  st.integers(0, 40),
  st.integers(0, 40),
  st.sampled_from([('@GENE$', '@DISEASE$'), ('@DISEASE$', '@GENE$')]),
  st.integers(10, 50),
)
def test_both_placeholders_are_always_whole(
  before, between, after, words, most
):
  text = sentence(before, between, after, words)
  made, counts = encode([text], length=most)
  found = pieces_of(made, 0)
  full = before + between + after + 8
  assert len(found) == min(full, most - 2) + 2
  shown = ' '.join(found)
  assert shown.count(' '.join(GENE)) == shown.count(' '.join(DISEASE)) == 1
  assert counts.get('sentences_cut', 0) == (full > most - 2)


def test_starts_of_the_first_and_of_the_second():
  texts = [
    sentence(2, 3, 0),
    sentence(2, 3, 0, ('@DISEASE$', '@GENE$')),
    'w @GENE-DISEASE$ w',
    'w w',
    sentence(30, 2, 30),  # Cut: two words stay before.
  ]
  _, starts = relation_features.encode(
    *(texts, TOKENIZER, WORDS),
    max_seq_length=16,
    counts=collections.Counter(),
  )
  assert starts.tolist() == [[3, 10], [10, 3], [2, 2], [0, 0], [3, 9]]


def test_a_marker_is_one_piece():
  texts = ['w [E2] w w [/E2] [E1] w [/E1] w', 'w [E1] w w', '[E1] w']
  made, counts = encode(texts, pair=MARKERS)
  assert counts == {}
  assert pieces_of(made, 0) == [
    *('[CLS]', 'w', '[unused3]', 'w', 'w', '[unused4]'),
    *('[unused1]', 'w', '[unused2]', 'w', '[SEP]'),
  ]
  assert '[unused1]' not in pieces_of(made, 1)  # Not a pair, so text.


def marked(before, first, between, second, after):
  """Markers around words; a negative `between` nests the second."""
  words = ['w'] * before + ['[E1]'] + ['w'] * first
  inner = ['[E2]', *['w'] * second, '[/E2]']
  if between < 0:
    words += [*inner, 'w', '[/E1]']
  else:
    words += ['[/E1]', *['w'] * between, *inner]
  return ' '.join(words + ['w'] * after)


def test_markers_stay_however_long_their_mentions():
  made, counts = encode([marked(9, 12, 12, 1, 9)], length=14, pair=MARKERS)
  assert pieces_of(made, 0)[1:-1] == [
    *('[unused1]', 'w', 'w', 'w', 'w', '[unused2]'),
    *('w', 'w', 'w', '[unused3]', 'w', '[unused4]'),
  ]
  assert counts == {'sentences_cut': 1, 'sentences_cut_between_the_pair': 1}
  with pytest.raises(InputError, match='max_seq_length is 5; the 4 tokens'):
    encode([marked(9, 12, 12, 1, 9)], length=5, pair=MARKERS)


@settings(max_examples=200)
@given(
  st.integers(0, 30),
  st.integers(1, 30),
  st.integers(-1, 30),
  st.integers(1, 30),
  st.integers(0, 30),
  st.integers(6, 40),
)
def test_all_four_markers_are_always_there(
  before, first, between, second, after, most
):
  text = marked(before, first, between, second, after)
  made, _ = encode([text], length=most, pair=MARKERS)
  found = pieces_of(made, 0)
  assert len(found) == min(len(text.split()), most - 2) + 2
  kept = [piece for piece in found if piece in MARKERS.pieces]
  order = [0, 1, 2, 3] if between >= 0 else [0, 2, 3, 1]
  assert kept == [MARKERS.pieces[i] for i in order]
