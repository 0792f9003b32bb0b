"""Markers around two mentions: nested, crossing, touching; and read again."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biobert_jax.data.relation import pair_words
from biobert_jax.data.relation.pair_words import Markers
from biobert_jax.errors import InputError
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer

PIECES = tuple(f'[unused{i}]' for i in range(1, 5))
FOUR = Markers(PIECES)
TEXT = 'Big insulin receptor-like one.'


def marked(first, second):
  """The two by what they are, as they stand in `TEXT`."""
  spans = [(TEXT.index(w), TEXT.index(w) + len(w)) for w in (first, second)]
  return pair_words.marked(TEXT, (4, len(TEXT)), *spans)


@pytest.mark.parametrize(
  ('first', 'second', 'expected'),
  [
    ('insulin', 'one', '[E1] insulin [/E1] receptor-like [E2] one [/E2] .'),
    ('one', 'insulin', '[E2] insulin [/E2] receptor-like [E1] one [/E1] .'),
    # One in the other, at its beginning, its end, within.
    (
      *('insulin', 'insulin receptor'),
      '[E2] [E1] insulin [/E1] receptor [/E2] -like one.',
    ),
    (
      *('insulin receptor', 'receptor'),
      '[E1] insulin [E2] receptor [/E2] [/E1] -like one.',
    ),
    (
      *('receptor', 'insulin receptor-like'),
      '[E2] insulin [E1] receptor [/E1] -like [/E2] one.',
    ),
    # Equal ones: the second is inside.
    (
      *('receptor', 'receptor'),
      'insulin [E1] [E2] receptor [/E2] [/E1] -like one.',
    ),
    # Overlapping ones cross.
    (
      *('insulin receptor', 'receptor-like'),
      '[E1] insulin [E2] receptor [/E1] -like [/E2] one.',
    ),
    # Touching ones do not overlap.
    (
      *('receptor', '-like'),
      'insulin [E1] receptor [/E1] [E2] -like [/E2] one.',
    ),
  ],
)
def test_where_markers_go(first, second, expected):
  assert marked(first, second) == expected
  assert FOUR.locate(expected) is not None


@pytest.mark.parametrize(
  'text',
  [
    'no marker',
    '[E1] a [/E1] b',
    '[/E1] a [E1] [E2] b [/E2]',
    '[E1] a [/E1] [/E2] b [E2]',
    '[E1] a [/E1] [E1] c [/E1] [E2] b [/E2]',
    '@GENE$ of @DISEASE$',
  ],
)
def test_no_pair(text):
  assert FOUR.locate(text) is None


_part = st.text('ab [E]/12', min_size=1, max_size=9)


@given(_part, _part, _part, _part, _part)
def test_what_looks_like_a_marker_is_text(before, one, between, other, after):
  """Whatever stands in the text, the four that were put there are found."""
  text = before + one + between + other + after
  first = (len(before), len(before + one))
  start = len(before + one + between)
  second = (start, start + len(other))
  found = pair_words.marked(text, (0, len(text)), first, second)
  places = FOUR.locate(found)
  assert places is not None
  bare = re.sub(r'\[/?E[12]\]', '', found)
  assert bare.replace(' ', '') == text.replace(' ', '')
  inside = found[places[0][1] : places[1][0]].replace(' ', '')
  assert inside == one.replace(' ', '')


def test_spare_pieces_of_the_vocabulary():
  tokenizer = WordPieceTokenizer((*PIECES[::-1], *SPECIALS), False)
  assert FOUR.ids(tokenizer) == (3, 2, 1, 0)
  others = Markers(('[E1]', '[/E1]', '[E2]', '[/E2]'))
  with pytest.raises(InputError, match=r'no token \[E1\].*data\.markers=\[un'):
    others.ids(tokenizer)
  bare = WordPieceTokenizer((*SPECIALS, 'a'), False)
  with pytest.raises(InputError, match='data.entities=anonymised'):
    FOUR.ids(bare)


@pytest.mark.parametrize(
  'pieces', [PIECES[:3], (*PIECES[:3], 'a', 'b'), 'aaaa']
)
def test_four_different_ones(pieces):
  with pytest.raises(InputError, match=r'data\.markers is'):
    Markers.from_config(pieces)
