"""Answers of several passages summed up as BioBERT's transform does."""

import pytest

from biobert_jax.data.qa.span_decoding import (
  PooledAnswer,
  pool_candidates,
  question_id,
)


def found(text, probability, start=0):
  return {
    'text': text,
    'probability': probability,
    'start': start,
    'end': start + len(text),
  }


def test_equal_texts_are_summed_whatever_their_case():
  passages = [
    [found('ATM', 0.4, 7), found('p53', 0.3), found('', 0.2)],
    [found('P53', 0.6, 3), found('atm', 0.1)],
  ]
  first, second = pool_candidates(passages)
  # The place and the spelling of the most probable one.
  assert first == PooledAnswer('P53', pytest.approx(0.9), 1, 3, 6)
  assert second == PooledAnswer('ATM', pytest.approx(0.5), 0, 7, 10)


def test_of_equals_the_first_passage_wins():
  first, second = pool_candidates([[found('a', 0.5)], [found('b', 0.5)]])
  assert (first.text, second.text) == ('a', 'b')


def test_overlong_ones_are_left_out_where_asked():
  rows = [[found('x' * 101, 0.9), found('y' * 100, 0.1)]]
  assert [one.text[0] for one in pool_candidates(rows, 100)] == ['y']
  assert [one.text[0] for one in pool_candidates(rows)] == ['x', 'y']


def test_files_of_other_systems_have_no_places():
  assert pool_candidates([[{'text': 'a', 'probability': 1.0}]]) == [
    PooledAnswer('a', 1.0, 0, -1, -1)
  ]
  assert pool_candidates([[], []]) == []


def test_bioasq_numbers_the_passages_of_a_question():
  question = '5118dd1305c10fae75000001'
  assert question_id(f'{question}_012') == question
  for other in (question, 'q_001', f'{question}_1', f'{question}_0012'):
    assert question_id(other) == other
