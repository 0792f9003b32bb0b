"""Questions as a library: one, pairs, or several passages."""

import pytest

from biobert_jax.data.qa.span_decoding import Answered, Candidate
from biobert_jax.inference import question_answerer
from biobert_jax.inference.question_answerer import (
  QuestionAnswerer,
  YesNoAnswerer,
)
from biobert_jax.inference.question_files import request_of
from biobert_jax.inference.results import QuestionResult, YesNoResult
from tests.fixtures import model_folders, small_predictors

PAIR = ('Which gene?', 'A gene of mice.')
CLOSED = ('Do genes matter?', 'They do.')


@pytest.fixture(scope='module')
def answerer(tmp_path_factory):
  folder = tmp_path_factory.mktemp('span')
  model_folders.write_huggingface(folder, 'span')
  return QuestionAnswerer(folder)


def test_one_many_and_a_stream(answerer):
  one = answerer(question=PAIR[0], context=PAIR[1])
  best = one.answers[0]
  assert PAIR[1][best.start : best.end] == best.text == one.answer
  assert one.has_answer
  found = answerer([PAIR, PAIR])
  assert [result.answer for result in found] == [one.answer] * 2
  assert [result.request.id for result in found] == ['1', '2']
  assert next(answerer(iter([PAIR]))).answer == one.answer
  assert answerer(request_of(1, PAIR)).answer == one.answer
  assert answerer([]) == []


def test_several_passages_are_ranked_together(answerer):
  passages = [PAIR[1], 'Another one.']
  result = answerer(question=PAIR[0], context=passages)
  assert len(result.by_passage) == 2
  total = sum(answer.probability for answer in result.answers)
  assert total == pytest.approx(2, abs=1e-3)
  for answer in result.answers:
    passage = passages[answer.passage]
    assert passage[answer.start : answer.end] == answer.text


@pytest.mark.parametrize(
  'given',
  ['Which gene?', PAIR, [PAIR, 'x'], [('a',)], iter([7]), None, {'a': 'b'}],
)
def test_wrong_types_are_refused_at_the_call(answerer, given):
  with pytest.raises(TypeError, match='give question="…", context="…", or'):
    answerer(given)
  with pytest.raises(TypeError, match='question 1 is'):
    answerer(question='Which gene?')


def test_what_is_found_reads_well():
  some = Candidate('p53', 0, 3, 0.934, 1.0, 1.0)
  none = Candidate('', 0, 0, 0.9, 1.0, 1.0)
  request = request_of(1, PAIR)
  found = QuestionResult(request, (Answered(some, (some,), 0.0),))
  assert repr(found) == "QuestionResult('Which gene?', 'p53', 0.93)"
  found = QuestionResult(request, (Answered(none, (none, some), 0.0),))
  assert repr(found) == "QuestionResult('Which gene?', no answer)"
  assert found.answer == ''


@pytest.fixture(scope='module')
def yes_no(tmp_path_factory):
  return YesNoAnswerer(small_predictors.yes_no(tmp_path_factory.mktemp('y')))


def test_yes_no_one_many_and_a_stream(yes_no):
  one = yes_no(question=CLOSED[0], context=CLOSED[1])
  assert one.answer in yes_no.labels == ('yes', 'no', 'maybe')
  assert one.probabilities[one.answer] == max(one.probabilities.values())
  assert sum(one.probabilities.values()) == pytest.approx(1)
  assert [found.answer for found in yes_no([CLOSED, CLOSED])] == [
    one.answer
  ] * 2
  assert next(yes_no(iter([CLOSED]))).passages == 1
  assert yes_no(question=CLOSED[0], context=['a', 'b']).passages == 2
  assert yes_no([]) == []


def test_chunks_change_nothing(yes_no, monkeypatch):
  pairs = [(f'Is {letter} a gene?', letter) for letter in 'abcde']
  together = yes_no(pairs)
  monkeypatch.setattr(question_answerer, '_YES_NO_CHUNK', 2)
  apart = yes_no(pairs)
  assert [one.request for one in together] == [one.request for one in apart]
  for one, other in zip(together, apart, strict=True):
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_yes_no_wrong_types_are_refused_at_the_call(yes_no):
  for given in ('Do genes?', [CLOSED, 7], iter(['x'])):
    with pytest.raises(TypeError, match='give question="…", context="…", or'):
      yes_no(given)


def test_yes_no_reads_well():
  found = YesNoResult(
    request_of(1, CLOSED), 'yes', {'yes': 0.931, 'no': 0.0}, 1
  )
  assert repr(found) == "YesNoResult('Do genes matter?', 'yes', 0.93)"
