"""Accuracy and macro F1 are those of PubMedQA's evaluation.py."""

import json

import pytest

from biobert_jax.metrics import pubmedqa

WORDS = {'y': 'yes', 'n': 'no', 'm': 'maybe'}
# Gold and predicted labels by their first letters, and what evaluation.py of
# pubmedqa/pubmedqa at 1cbae8e prints for them, with scikit-learn 1.9.
GOLDEN = [
  ('ynm', 'ynm', '1.000000 1.000000'),
  ('ynm', 'nmy', '0.000000 0.000000'),
  ('yyyynnnmm', 'yyynnymnm', '0.555556 0.527778'),
  ('yyynn', 'yynny', '0.600000 0.583333'),
  ('yyyn', 'yyym', '0.750000 0.333333'),
  ('y', 'y', '1.000000 1.000000'),
  ('yyyyyynnm', 'yyyyyyyyy', '0.666667 0.266667'),
]


def labels(letters):
  return [WORDS[letter] for letter in letters]


@pytest.mark.parametrize(('gold', 'predicted', 'printed'), GOLDEN)
def test_figures_are_what_the_script_printed(gold, predicted, printed):
  report = pubmedqa.evaluate(labels(gold), labels(predicted))
  assert f'{report.accuracy:f} {report.macro_f1:f}' == printed
  found = pubmedqa.as_dict(report)
  figures = [found['accuracy'], found['macro_f1']]
  assert figures == list(map(float, printed.split()))


def test_dict_is_json_with_intervals():
  gold, predicted = labels('yyyynnnmm' * 20), labels('yyynnymnm' * 20)
  report = pubmedqa.evaluate(gold, predicted, bootstrap=200)
  found = json.loads(json.dumps(pubmedqa.as_dict(report)))
  assert found['questions'] == 180
  assert found['per_label'] == {'maybe': 0.5, 'no': 0.333333, 'yes': 0.75}
  for name in ('accuracy', 'macro_f1'):
    low, high = found[f'{name}_interval_95']
    assert low < found[name] < high < low + 0.2
  unbound = pubmedqa.as_dict(pubmedqa.evaluate(gold, predicted))
  assert unbound['accuracy_interval_95'] is None


def test_a_resample_without_a_label_leaves_it_out():
  """As the script does: with one maybe in two, half the resamples lack it."""
  report = pubmedqa.evaluate(labels('ym'), labels('yy'), bootstrap=400)
  # Both yes: 1; both maybe, called yes: 0.
  assert report.intervals['macro_f1'] == (0.0, 1.0)


def test_nothing_scores_zero():
  report = pubmedqa.evaluate([], [], bootstrap=9)
  assert (report.accuracy, report.macro_f1, report.intervals) == (0, 0, {})


def test_what_does_not_fit_is_refused():
  with pytest.raises(ValueError, match='2 gold labels but 1 predicted'):
    pubmedqa.evaluate(['yes', 'no'], ['yes'])
  with pytest.raises(ValueError, match=r"labels \['Yes'\] are not among"):
    pubmedqa.evaluate(['yes'], ['Yes'])
