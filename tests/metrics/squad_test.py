"""Exact match and F1 are those of the two official scripts."""

import json

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.metrics import squad
from tests.fixtures import squad_cases

WORDS = st.sampled_from(['the', 'gene', 'BRCA1', 'p53.', 'β', '-', 'An', ''])
TEXTS = st.lists(WORDS, max_size=4).map(' '.join)


def evaluate(case, **options):
  return squad.evaluate(
    case.gold,
    case.predictions,
    version=case.version,
    null_odds=case.null_odds,
    threshold=case.threshold,
    **options,
  )


@pytest.mark.parametrize('case', squad_cases.CASES, ids=lambda c: c.name)
def test_figures_are_what_the_script_printed(case):
  found = squad.official(evaluate(case))
  assert json.dumps(found) == json.dumps(case.figures)  # Order and types too.


@hypothesis.given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_exact_match_is_an_f1_of_one(prediction, answers):
  for version in squad.VERSIONS:
    exact, f1 = squad.compare(prediction, answers, version)
    assert exact in (0, 1)
    assert 0 <= f1 <= 1
    if exact and squad.normalize(prediction):
      assert f1 == 1


@hypothesis.given(TEXTS)
def test_normalizing_twice_changes_nothing_but_articles_made_of_it(text):
  once = squad.normalize(text)
  assert once == once.lower().strip()
  assert squad.normalize(once) == once


@hypothesis.given(st.lists(st.tuples(TEXTS, st.lists(TEXTS)), min_size=1))
def test_parts_make_up_the_whole(questions):
  gold = {str(i): answers for i, (_, answers) in enumerate(questions)}
  said = {str(i): text for i, (text, _) in enumerate(questions)}
  report = squad.evaluate(gold, said, version='2.0')
  parts = [p for p in (report.answerable, report.unanswerable) if p]
  assert report.overall.total == sum(part.total for part in parts)
  for name in ('exact', 'f1'):
    whole = sum(getattr(part, name) * part.total for part in parts)
    assert getattr(report.overall, name) * len(gold) == pytest.approx(whole)


def test_null_odds_above_the_threshold_overrule():
  gold, said = {'1': ['p53'], '2': []}, {'1': 'p53', '2': 'p53'}
  exact = [
    squad.evaluate(
      gold,
      said,
      version='2.0',
      null_odds={'1': 2.0, '2': 3.0},
      threshold=threshold,
    ).overall.exact
    for threshold in (1.0, 2.0, 3.0)
  ]
  assert exact == [50.0, 100.0, 50.0]


def test_dict_is_json_with_intervals():
  case = next(c for c in squad_cases.CASES if c.name == 'null_odds')
  found = json.loads(json.dumps(squad.as_dict(evaluate(case, bootstrap=50))))
  assert found['version'] == '2.0'
  assert {name: found[name] for name in case.figures} == case.figures
  assert found['exact_interval_95'][0] < 50 < found['exact_interval_95'][1]
  low, high = found['f1_interval_95']
  assert low < found['f1'] < high
  assert squad.as_dict(evaluate(case))['f1_interval_95'] is None


def test_what_does_not_fit_is_refused():
  gold = {'1': ['a'], '2': []}
  with pytest.raises(ValueError, match='question 2 has no answer'):
    squad.evaluate(gold, {}, version='1.1')
  with pytest.raises(ValueError, match='question 2 has no prediction'):
    squad.evaluate(gold, {'1': 'a'}, version='2.0')
  with pytest.raises(ValueError, match='question 2 has no null odds'):
    squad.evaluate(
      gold, {'1': 'a', '2': ''}, version='2.0', null_odds={'1': 1.0}
    )
  with pytest.raises(ValueError, match='there is no question'):
    squad.evaluate({}, {}, version='2.0')
  with pytest.raises(ValueError, match='not one of'):
    squad.evaluate(gold, {}, version='3.0')
