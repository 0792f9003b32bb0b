"""The pair in a sentence: found, the closest of several, of any spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biobert_jax.data.relation.pair_words import Placeholders, is_of_type
from biobert_jax.errors import InputError

PAIR = Placeholders('@GENE$', '@DISEASE$', ('@GENE-DISEASE$',))


def located(text, words=PAIR):
  found = words.locate(text)
  return found and tuple(text[start:end] for start, end in found)


def test_first_and_second_in_either_order():
  assert PAIR.locate('@GENE$ in @DISEASE$.') == ((0, 6), (10, 19))
  assert PAIR.locate('@DISEASE$ and @GENE$') == ((14, 20), (0, 9))
  assert PAIR.locate('(@GENE$@DISEASE$)') == ((1, 7), (7, 16))


@pytest.mark.parametrize(
  'text',
  ['', 'no pair', '@GENE$ alone', '@GENE$ @GENE$', '@gene$ @disease$', '@GENE'],
)
def test_no_pair(text):
  assert PAIR.locate(text) is None


def test_one_word_for_both():
  assert PAIR.locate('a @GENE-DISEASE$ b') == ((2, 16), (2, 16))
  # It is about the two; another gene beside it changes nothing.
  assert located('@GENE$ or @GENE-DISEASE$') == ('@GENE-DISEASE$',) * 2


def test_two_of_one_type():
  drugs = Placeholders('@DRUG$', '@DRUG$')
  assert drugs.locate('@DRUG$ with @DRUG$') == ((0, 6), (12, 18))
  assert drugs.locate('@DRUG$ alone') is None


def test_words_without_signs():
  words = Placeholders('BC6ENTC', 'BC6ENTG')
  assert located('the BC6ENTG of BC6ENTC', words) == ('BC6ENTC', 'BC6ENTG')
  assert words.types == ('BC6ENTC', 'BC6ENTG')


@given(
  st.lists(st.sampled_from(['@GENE$', '@DISEASE$', 'x', 'yy']), max_size=9)
)
def test_the_closest_of_several(words):
  text = ' '.join(words)
  starts = {
    word: [i for i in range(len(text)) if text.startswith(word, i)]
    for word in ('@GENE$', '@DISEASE$')
  }

  def gap(gene, disease):
    if gene < disease:
      return disease - gene - len('@GENE$')
    return gene - disease - len('@DISEASE$')

  gaps = [gap(g, d) for g in starts['@GENE$'] for d in starts['@DISEASE$']]
  found = PAIR.locate(text)
  assert (found is None) == (not gaps)
  if found:
    (gene, _), (disease, _) = found
    assert located(text) == ('@GENE$', '@DISEASE$')
    assert gap(gene, disease) == min(gaps)


@pytest.mark.parametrize(
  ('words', 'joint'),
  [
    (('@GENE$',), ()),
    (('@GENE$', ''), ()),
    (('@GENE$', 'a b'), ()),
    (('@GENE$', '\u200b'), ()),
    (('@GENE$', '@DISEASE$'), ('',)),
  ],
)
def test_words_that_no_sentence_can_hold(words, joint):
  with pytest.raises(InputError, match=r'data\.placeholders is'):
    Placeholders.from_config(words, joint)


def test_words_of_types():
  words = Placeholders.from_types('CHEMICAL', 'GENE')
  assert words == Placeholders('@CHEMICAL$', '@GENE$', ('@CHEM-GENE$',))
  assert words.types == ('CHEMICAL', 'GENE')
  assert words == Placeholders.from_config(
    ['@CHEMICAL$', '@GENE$'], ['@CHEM-GENE$']
  )


@pytest.mark.parametrize(
  ('given_type', 'wanted', 'is_one'),
  [
    ('Disease', 'DISEASE', True),
    ('GENE-Y', 'GENE', True),
    ('GENE-N', 'GENE', True),
    ('Protein', 'GENE', True),
    ('Protein', 'PROTEIN', True),
    ('Drug', 'CHEMICAL', True),
    ('Gene', 'DISEASE', False),
    ('GENETICS', 'GENE', False),
  ],
)
def test_types_as_corpora_name_them(given_type, wanted, is_one):
  assert is_of_type(given_type, wanted) == is_one
