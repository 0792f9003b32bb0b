"""Sentence pairs: truncation as in the reference, and documents joined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biobert_jax.data.pretraining.sentence_pairs import (
  Texts,
  article_id,
  truncate,
)
from biobert_jax.data.pretraining.shards import TokenizedDocument
from biobert_jax.data.random_streams import RandomStream
from tests.fixtures.sentence_corpora import cut_pair


@given(st.integers(1, 90), st.integers(1, 90), st.integers(2, 60))
def test_truncation_ends_where_the_loop_does(a, b, limit):
  found = truncate((100, a), (500, b), limit, RandomStream(a, b, limit))
  assert (found[1], found[3]) == cut_pair(a, b, limit)
  assert 100 <= found[0] <= 100 + a - found[1]
  assert 500 <= found[2] <= 500 + b - found[3]


def test_truncation_is_even_handed():
  fronts = [
    truncate((0, 200), (0, 10), 110, RandomStream(i))[0] for i in range(400)
  ]
  # 100 coins each: mean 50, standard deviation 5.
  assert np.mean(fronts) == pytest.approx(50, abs=1)
  assert np.std(fronts) == pytest.approx(5, abs=0.7)


def document(name, first, lengths):
  ids = np.arange(first, first + sum(lengths), dtype=np.int32)
  return TokenizedDocument(name, ids, np.array(lengths, np.int32))


def test_documents_of_an_article_are_put_together():
  own = [
    document('pmcid:PMC1', 10, [2, 0, 3]),
    document('pmid:2', 20, [1]),
    document('pmcid:PMC1#1', 30, [2]),
    document('pmid:3', 40, []),
  ]
  texts = Texts.join(own, [document('pmid:4', 50, [4])])
  assert texts.input_ids.tolist() == [
    *(10, 11, 12, 13, 14, 30, 31, 20, 50, 51, 52, 53)
  ]
  assert texts.starts == [0, 2, 5, 7, 8, 12]
  assert texts.first_sentences == [0, 2, 3, 4, 5]
  assert texts.articles == [(0, 2), (0, 2), (2, 3), (3, 4)]
  assert texts.num_own == 3
  assert article_id('pmcid:PMC1#1') == 'pmcid:PMC1'
