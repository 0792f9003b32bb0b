"""Scores of exact answers are those of BioASQ's evaluator, digit for digit."""

import json

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.metrics import bioasq
from tests.fixtures import bioasq_cases

SYNONYMS = st.lists(st.sampled_from('abcABC'), min_size=1, max_size=3)
ANSWERS = st.lists(SYNONYMS, max_size=6)


def one(type_, target, answer):
  """The report on a single question."""
  gold = {'1': bioasq.Question(type_, target)}
  return bioasq.evaluate(gold, {'1': answer})


@pytest.mark.parametrize('case', bioasq_cases.CASES, ids=lambda c: c.name)
def test_line_is_what_the_evaluator_printed(case):
  report = bioasq.evaluate(case.gold, case.submission)
  assert bioasq.line(report) == case.line
  found = bioasq.as_dict(report)
  printed = list(map(float, case.line.split()))
  assert [found[name] for name in bioasq.Scores._fields] == printed


@pytest.mark.parametrize('case', bioasq_cases.CASES, ids=lambda c: c.name)
def test_missing_questions_score_as_unanswered_ones(case):
  given = {k: v for k, v in case.submission.items() if v is not None}
  assert bioasq.line(bioasq.evaluate(case.gold, given)) == case.line


@hypothesis.given(ANSWERS, ANSWERS)
def test_ranks_agree_with_accuracies(target, answer):
  scores = one('factoid', target, answer).scores
  assert scores.factoid_strict_accuracy <= scores.factoid_mrr
  assert scores.factoid_mrr <= scores.factoid_lenient_accuracy
  assert (scores.factoid_strict_accuracy == 1) == (scores.factoid_mrr == 1)
  assert (scores.factoid_lenient_accuracy == 0) == (scores.factoid_mrr == 0)


@hypothesis.given(ANSWERS, st.randoms())
def test_gold_answers_in_any_order_are_right(target, random):
  answer = random.sample(target, len(target))
  scores = one('list', target, answer).scores
  if all(len(set(map(str.lower, one))) == 1 for one in target):
    assert scores.list_f1 == (1.0 if target else 0.0)


@hypothesis.given(st.lists(st.sampled_from([('yes', 'yes'), ('yes', 'no'),
                                            ('no', 'no'), ('no', 'yes'),
                                            ('no', '?')])))  # fmt: skip
def test_yes_and_no_change_places(pairs):
  def report(rows):
    gold = {
      str(i): bioasq.Question('yesno', g) for i, (g, _) in enumerate(rows)
    }
    return bioasq.evaluate(gold, {str(i): a for i, (_, a) in enumerate(rows)})

  other = {'yes': 'no', 'no': 'yes', '?': '?'}
  scores = report(pairs).scores
  turned = report([(other[g], other[a]) for g, a in pairs]).scores
  assert scores.yesno_accuracy == turned.yesno_accuracy
  assert scores.yesno_f1_yes == turned.yesno_f1_no
  assert scores.yesno_f1_no == turned.yesno_f1_yes


@pytest.mark.parametrize(
  ('value', 'text'),
  [
    (0.0, '0.0'),
    (1.0, '1.0'),
    (0.001, '0.001'),
    (0.0009, '9.0E-4'),
    (1 / 1206, '8.291873963515755E-4'),
    (1 / 3e6, '3.3333333333333335E-7'),
    (1e-5, '1.0E-5'),
  ],
)
def test_numbers_are_written_as_java_does(value, text):
  scores = bioasq.Scores(yesno_accuracy=value)
  report = bioasq.BioasqReport(scores, {}, {}, 0)
  assert bioasq.line(report).split()[0] == text


def test_report_counts_questions_and_answers():
  gold = {
    '1': bioasq.Question('factoid', [['a']]),
    '2': bioasq.Question('factoid', [['a']]),
    '3': bioasq.Question('factoid', [['a']]),
    '4': bioasq.Question('list', [['a']]),
    '5': bioasq.Question('yesno', 'yes'),
    '6': bioasq.Question('yesno', 'yes'),
    '7': bioasq.Question('summary', None),
  }
  answers = {
    '1': [[x] for x in 'abcdef'],
    '2': [[x] for x in 'abcde'] + [[]],
    '3': [[]],
    '4': [['b']],
    '5': '',
    '6': 'perhaps',
  }
  report = bioasq.evaluate(gold, answers, bootstrap=20)
  found = json.loads(json.dumps(bioasq.as_dict(report)))
  assert found['questions'] == {
    'factoid': 3,
    'list': 1,
    'yesno': 2,
    'summary': 1,
  }
  assert found['answered'] == {
    'factoid': 2,
    'list': 1,
    'yesno': 1,
    'summary': 0,
  }
  assert found['factoid_over_five_answers'] == 1
  low, high = found['intervals_95']['factoid_mrr']
  assert 0 <= low <= found['factoid_mrr'] <= high <= 1
  assert set(found['intervals_95']) == set(bioasq.Scores._fields)


def test_only_types_that_occur_have_intervals():
  gold = {'1': bioasq.Question('list', [['a'], ['b']])}
  report = bioasq.evaluate(gold, {'1': [['a']]}, bootstrap=9)
  assert report.intervals == {
    'list_precision': (1.0, 1.0),
    'list_recall': (0.5, 0.5),
    'list_f1': (2 / 3, 2 / 3),
  }
  assert bioasq.as_dict(bioasq.evaluate(gold, {}))['intervals_95'] is None


def test_what_does_not_fit_is_refused():
  with pytest.raises(ValueError, match='question 1 has no gold answer'):
    one('factoid', None, [['a']])
  with pytest.raises(ValueError, match="question 1: 'a' is no factoid answer"):
    one('factoid', [['a']], 'a')
  with pytest.raises(ValueError, match='is no yesno answer'):
    one('yesno', 'yes', [['yes']])
