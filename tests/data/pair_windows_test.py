"""No placeholder falls to truncation, whatever the sentence."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobert_jax.data import pair_windows
from biobert_jax.data.placeholders import Placeholders
from biobert_jax.data.vocabulary import SPECIALS
from biobert_jax.data.wordpiece import WordPieceTokenizer
from biobert_jax.errors import InputError

WORDS = Placeholders('@GENE$', '@DISEASE$', ('@GENE-DISEASE$',))
# A placeholder has four pieces: @ G ##ENE $.
PIECES = (*SPECIALS, *'@$-wG', 'D', '##ENE', '##ISEASE')
TOKENIZER = WordPieceTokenizer(PIECES, False)
GENE, DISEASE = ['@', 'G', '##ENE', '$'], ['@', 'D', '##ISEASE', '$']


def encode(texts, length=16):
  counts = collections.Counter()
  made = pair_windows.encode(
    texts, TOKENIZER, WORDS, max_seq_length=length, counts=counts
  )
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
  with pytest.raises(InputError, match='max_seq_length is 9; two placeholders'):
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
