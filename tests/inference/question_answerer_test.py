"""Questions as a library: one, pairs, or several passages."""

import pytest

from biobert_jax.data.qa.span_decoding import Answered, Candidate
from biobert_jax.inference.question_answerer import QuestionAnswerer
from biobert_jax.inference.question_files import QuestionResult, request_of
from tests.fixtures import model_folders

PAIR = ('Which gene?', 'A gene of mice.')


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
