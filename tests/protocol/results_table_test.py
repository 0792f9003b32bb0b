"""Means, deviations and what stands beside them."""

import csv
import json

import pytest
from etils import epath

from biobert_jax.errors import InputError
from biobert_jax.protocol import results_table
from tests.fixtures import browser


def line(seed=0, fold='', f1=80.0, **figures):
  scores = {'precision': 70.0, 'recall': 90.0, 'f1': f1, 'gold': 12}
  return {
    'run': f'test-{fold}-{seed}',
    'seed': seed,
    'fold': fold,
    'point': {},
    'test_also_in_train': 3,
    'devel': None,
    'test_figures': figures or scores,
  }


FOLDS = [
  line(seed, fold, f1)
  for fold, scores in (('1', (80.0, 82.0)), ('2', (70.0, 74.0)))
  for seed, f1 in enumerate(scores)
]


def test_the_mean_over_folds_is_of_their_own_f1():
  one = results_table.summary('gad', FOLDS, [])
  f1 = one['measures']['F1']
  assert one['corpus'] == 'GAD'
  assert f1['mean'] == 76.5  # Of P 70 and R 90 it would be 78.75.
  assert f1['folds'] == [81.0, 72.0]
  assert f1['deviation'] == pytest.approx(81 / 2**0.5 - 72 / 2**0.5)
  assert f1['seeds'] == [75.0, 78.0]
  assert (one['over'], one['seeds'], one['folds']) == (
    'folds',
    [0, 1],
    ['1', '2'],
  )
  assert list(one['measures']) == ['P', 'R', 'F1']


def test_means_are_of_exact_figures():
  """Of 2/3 and 1/3 and 1/3: rounded before, the mean would be 44.45."""
  lines = [
    line(
      seed,
      precision=p,
      recall=p,
      f1=p,
      gold=3,
      predicted=3,
      correct=correct,
    )
    for seed, (p, correct) in enumerate(((66.67, 2), (33.33, 1), (33.33, 1)))
  ]
  for measure in results_table.summary('gad', lines, [])['measures'].values():
    assert measure['mean'] == pytest.approx(400 / 9, abs=1e-12)
    assert measure['seeds'][0] == pytest.approx(200 / 3, abs=1e-12)


def test_yes_no_maybe_is_percent():
  lines = [line(accuracy=0.552, macro_f1=0.3712345)]
  measures = results_table.summary('pubmedqa', lines, [])['measures']
  means = {name: measure['mean'] for name, measure in measures.items()}
  assert means == {'Acc': 55.2, 'macro F1': pytest.approx(37.12345)}


def test_without_folds_the_deviation_is_of_seeds():
  one = results_table.summary(
    'ncbi-disease', [line(0, f1=80.0), line(1, f1=82.0)], []
  )
  assert one['measures']['F1']['deviation'] == pytest.approx(2**0.5)
  assert one['measures']['P']['deviation'] == 0
  assert (
    '2 seeds: F1 from 80.00 to 82.00, standard deviation 1.41.'
    in results_table.notes(one)
  )


def test_one_seed_is_warned_about():
  one = results_table.summary('ncbi-disease', [line()], [])
  assert one['measures']['F1']['deviation'] is None
  assert any('--seeds=5' in note for note in results_table.notes(one))


def test_fewer_folds_than_the_paper_s_are_told():
  notes = results_table.notes(results_table.summary('gad', FOLDS, []))
  assert 'The paper has 10 folds; these are 1, 2.' in notes
  own = results_table.notes(results_table.summary('my corpus', FOLDS, []))
  assert not any('The paper' in note for note in own)


def test_answers_are_percent_in_the_paper_s_measures():
  figures = {
    'yesno_accuracy': 0.0,
    'yesno_macro_f1': 0.0,
    'factoid_strict_accuracy': 0.25,
    'factoid_lenient_accuracy': 0.5,
    'factoid_mrr': 0.375,
    'list_precision': 0.0,
    'list_recall': 0.0,
    'list_f1': 0.0,
  }
  one = results_table.summary('bioasq-6b', [line(**figures)], [])
  means = {name: m['mean'] for name, m in one['measures'].items()}
  assert means == {'SAcc': 25.0, 'LAcc': 50.0, 'MRR': 37.5}
  yes_no = figures | {'yesno_accuracy': 0.5, 'factoid_mrr': 0.0}
  yes_no |= dict.fromkeys((n for n in figures if n.startswith('fac')), 0.0)
  one = results_table.summary('bioasq-6b', [line(**yes_no)], [])
  assert list(one['measures']) == ['Acc', 'macro F1']  # Not in the paper.
  assert results_table._published(one)[0] == 0


def test_the_tables_have_the_paper_s_columns_and_order(tmp_path):
  grid = [
    {'point': {'batch_size': n}, 'devel': score}
    for n, score in ((8, 70.25), (16, None))
  ]
  found = [
    results_table.summary('my corpus', [line()], []),
    results_table.summary('gad', FOLDS, []),
    results_table.summary(
      'ncbi-disease', [line() | {'point': {'batch_size': 8}}], grid
    ),
  ]
  results_table.write(epath.Path(tmp_path), found)
  text = (tmp_path / 'table.md').read_text()
  titles = [one for one in text.splitlines() if one.startswith('## ')]
  assert titles[:3] == [
    '## Named entity recognition (Lee et al. 2019, Table 6)',
    '## Relation extraction (Lee et al. 2019, Table 7)',
    '## Not in the paper',
  ]
  (row,) = [x for x in text.splitlines() if x.startswith('| **GAD**')]
  cells = [cell.strip(' *') for cell in row.strip('|').split('|')]
  assert cells[1:5] == ['F1', '76.50 ± 6.36', '79.83', '-3.33']
  assert cells[5:7] == ['83.93', '79.29']
  assert (
    'The dev set selected batch_size = 8 among 2 grid configurations: 70.25.'
    in text
  )
  assert 'diverged' in text
  page = (tmp_path / 'table.html').read_text()
  assert '<td class="n">76.50 ± 6.36</td>' in page
  assert page.count('<svg') == 3  # One plot for each table.
  if browser.CHROMIUM:
    browser.check(page, tmp_path)
  written = (tmp_path / 'table.csv').read_text().splitlines()
  rows = [*csv.DictReader(written)]
  gad = next(r for r in rows if (r['corpus'], r['measure']) == ('GAD', 'F1'))
  assert (gad['table'], gad['BERT'], gad['ours']) == ('7', '79.29', '76.50')
  assert (gad['deviation'], gad['deviation_over']) == ('6.36', 'folds')
  mine = next(r for r in rows if r['corpus'] == 'my corpus')
  assert (mine['BERT'], mine['deviation']) == ('', '')


def test_several_protocols_are_joined(tmp_path):
  for name, lines in (('gad', FOLDS), ('ncbi-disease', [line()])):
    (tmp_path / name).mkdir()
    one = results_table.summary(name, lines, [])
    results_table.write(epath.Path(tmp_path / name), [one])
    kept = (tmp_path / name / results_table.SUMMARY_FILE).read_text()
    assert json.loads(kept) == json.loads(json.dumps(one))
  both = f'{tmp_path}/gad,{tmp_path}/ncbi-disease'
  report = results_table.table(both, str(tmp_path / 'both'))
  assert report['corpora'] == ['GAD', 'NCBI disease']
  assert '| GAD ' in (tmp_path / 'both' / 'table.md').read_text()
  with pytest.raises(InputError, match='finished'):
    results_table.table(f'{both},{tmp_path}/none', str(tmp_path / 'both'))
