"""Yes/no questions as a library: one, pairs, or several passages."""

import pytest

from biobert_jax.inference import yes_no_answerer
from biobert_jax.inference.question_files import YesNoResult, request_of
from biobert_jax.inference.yes_no_answerer import YesNoAnswerer
from tests.fixtures import small_predictors

PAIR = ('Do genes matter?', 'They do.')


@pytest.fixture(scope='module')
def answerer(tmp_path_factory):
  return YesNoAnswerer(small_predictors.yes_no(tmp_path_factory.mktemp('y')))


def test_one_many_and_a_stream(answerer):
  one = answerer(question=PAIR[0], context=PAIR[1])
  assert one.answer in answerer.labels == ('yes', 'no', 'maybe')
  assert one.probabilities[one.answer] == max(one.probabilities.values())
  assert sum(one.probabilities.values()) == pytest.approx(1)
  assert [found.answer for found in answerer([PAIR, PAIR])] == [one.answer] * 2
  assert next(answerer(iter([PAIR]))).passages == 1
  assert answerer(question=PAIR[0], context=['a', 'b']).passages == 2
  assert answerer([]) == []


def test_chunks_change_nothing(answerer, monkeypatch):
  pairs = [(f'Is {letter} a gene?', letter) for letter in 'abcde']
  together = answerer(pairs)
  monkeypatch.setattr(yes_no_answerer, '_CHUNK', 2)
  apart = answerer(pairs)
  assert [one.request for one in together] == [one.request for one in apart]
  for one, other in zip(together, apart, strict=True):
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_wrong_types_are_refused_at_the_call(answerer):
  for given in ('Do genes?', [PAIR, 7], iter(['x'])):
    with pytest.raises(TypeError, match='give question="…", context="…", or'):
      answerer(given)


def test_what_is_found_reads_well():
  found = YesNoResult(request_of(1, PAIR), 'yes', {'yes': 0.931, 'no': 0.0}, 1)
  assert repr(found) == "YesNoResult('Do genes matter?', 'yes', 0.93)"
