"""Relation scores are those of BioBERT's re_eval.py, where that is right."""

import json
import statistics

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.metrics import relation
from tests.fixtures import relation_cases

GAD, CHEMPROT = relation.LABELS['gad'], relation.LABELS['chemprot']


def labels_of(case):
  """Names of the gold labels, of the largest probabilities, and of all."""
  known = GAD if case.task == 'binary' else CHEMPROT
  rows = [list(map(float, row.split())) for row in case.predicted]
  gold = [known[int(number)] for number in case.gold]
  return gold, [known[row.index(max(row))] for row in rows], known


@pytest.mark.parametrize('case', relation_cases.CASES, ids=lambda c: c.name)
def test_figures_are_what_the_script_printed(case):
  found = relation.as_dict(relation.evaluate(*labels_of(case)))
  names = ('f1', 'recall', 'precision', 'specificity')
  printed = list(map(float, case.figures.split()))
  assert len(printed) == (4 if case.task == 'binary' else 3)
  assert [found[name] for name in names[: len(printed)]] == printed


@st.composite
def labelled(draw):
  known = draw(st.sampled_from([GAD, CHEMPROT]))
  pair = st.tuples(st.sampled_from(known), st.sampled_from(known))
  pairs = draw(st.lists(pair, max_size=30))
  return [g for g, _ in pairs], [p for _, p in pairs], known


@hypothesis.given(labelled())
def test_scores_add_up(sides):
  gold, predicted, known = sides
  report = relation.evaluate(gold, predicted, known)
  counted = [s for k, s in report.per_label.items() if k not in ('0', 'false')]
  assert report.overall == tuple(map(sum, zip(*counted, strict=True)))
  assert report.overall.correct == sum(
    g == p not in ('0', 'false') for g, p in zip(gold, predicted, strict=True)
  )
  back = relation.evaluate(predicted, gold, known).overall
  assert back.precision == report.overall.recall
  assert back.recall == report.overall.precision
  harmonic = statistics.harmonic_mean([back.precision, back.recall])
  assert back.f1 == pytest.approx(harmonic)


def test_no_relation_may_have_another_name():
  gold, said = ['no', 'yes', 'yes'], ['no', 'no', 'yes']
  report = relation.evaluate(gold, said, ('yes', 'no'), negatives=('no',))
  assert report.overall == relation.RelationScore(2, 1, 1)
  assert report.specificity == 100
  with pytest.raises(ValueError, match='want one of'):
    relation.evaluate(gold, said, ('yes', 'no'))


def test_a_class_without_gold_examples_shifts_nothing():
  """re_eval.py takes the CPR:9 of this file for the fourth class, CPR:6."""
  gold = ['cpr:3', 'cpr:4', 'cpr:5', 'cpr:9', 'false']
  assert relation.evaluate(gold, gold, CHEMPROT).overall.f1 == 100


def test_each_corpus_has_one_negative_label():
  sizes = {}
  for name, known in relation.LABELS.items():
    negative = [label for label in known if label in relation.NEGATIVES]
    assert len(negative) == 1
    report = relation.evaluate(known, negative * len(known), known)
    assert report.overall.correct == 0
    sizes[name] = report.overall.gold
  assert sizes == {
    'gad': 1,
    'euadr': 1,
    'chemprot': 5,
    'ddi': 4,
    'ddi2013': 4,
    'drugprot': 13,
  }
  # As `label_set` and biobert-jax prepare-relation sort them.
  for name in ('ddi', 'ddi2013', 'drugprot'):
    types = relation.LABELS[name][:-1]
    assert list(types) == sorted(types)


def test_nothing_scores_zero():
  report = relation.evaluate([], [], GAD, bootstrap=9)
  assert report.overall == (0, 0, 0)
  assert relation.figures(report) == dict.fromkeys(relation.FIGURES, 0.0)
  assert (report.accuracy, report.interval) == (0, None)


def test_dict_is_json():
  report = relation.evaluate(list('0111'), list('0011'), GAD, bootstrap=9)
  found = json.loads(json.dumps(relation.as_dict(report)))
  low, high = found.pop('f1_interval_95')
  assert 0 <= low <= 80 <= high <= 100
  assert found == {
    'precision': 100.0,
    'recall': 66.67,
    'f1': 80.0,
    'specificity': 100.0,
    'gold': 3,
    'predicted': 2,
    'correct': 2,
    'per_label': {
      '0': {
        'precision': 50.0,
        'recall': 100.0,
        'f1': 66.67,
        'gold': 1,
        'predicted': 2,
        'correct': 1,
      },
      '1': {
        'precision': 100.0,
        'recall': 66.67,
        'f1': 80.0,
        'gold': 3,
        'predicted': 2,
        'correct': 2,
      },
    },
    'accuracy': 75.0,
    'examples': 4,
  }


def test_folds_have_mean_and_sample_deviation():
  sides = (('0111', '0011'), ('0101', '0101'), ('1111', '0000'))
  reports = [relation.evaluate(*map(list, pair), GAD) for pair in sides]
  summary = relation.over_folds(reports)
  assert tuple(summary) == relation.FIGURES
  for name in relation.FIGURES:
    values = [relation.figures(report)[name] for report in reports]
    assert summary[name] == pytest.approx(
      (statistics.mean(values), statistics.stdev(values))
    )
  assert relation.over_folds(reports[:1])['f1'] == (80.0, 0.0)


def test_what_does_not_fit_is_refused():
  with pytest.raises(ValueError, match='2 gold labels but 1 predicted'):
    relation.evaluate(['0', '1'], ['0'], GAD)
  with pytest.raises(ValueError, match=r"labels \['2'\] are not among"):
    relation.evaluate(['0', '2'], ['0', '1'], GAD)
  with pytest.raises(ValueError, match='want one of'):
    relation.evaluate([], [], ['a', 'b'])
