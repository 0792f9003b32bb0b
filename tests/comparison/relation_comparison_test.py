"""The comparison of relations still runs: a tiny model, few sentences."""

import json
import pathlib
import sys

import numpy as np
import pytest

from tests.comparison import baseline, relation_comparison
from tests.comparison.marks import by_hand
from tests.comparison.small_checkpoints import write_checkpoint
from tests.fixtures import small_relations

needs_baselines = pytest.mark.skipif(
  not baseline.PYTHON, reason=baseline.REASON
)


@by_hand
@needs_baselines
def test_both_sides_train_and_are_scored(tmp_path: pathlib.Path) -> None:
  write_checkpoint(tmp_path / 'model')
  for fold in ('1', '2'):
    small_relations.write(tmp_path / 'data' / fold)
  command = (
    baseline.script('relation_comparison.py'),
    *(f'--data={tmp_path / "data"}', f'--model={tmp_path / "model"}'),
    *(f'--workdir={tmp_path / "run"}', '--folds=1,2', '--limit=12'),
    *('--epochs=1', '--rows=2', '--threads=1'),
  )
  printed = baseline.run(*command, python=sys.executable)
  *table, last = printed.splitlines()
  assert [line.split()[0] for line in table] == [
    *('P', 'fold', 'fold', 'fold', 'fold', 'mean', 'mean', 'F1')
  ]
  report = json.loads(last)
  for fold in report['folds'].values():
    for row in fold.values():
      rate = row['sentences_per_second'] * row['seconds']
      assert rate == pytest.approx(12)
      assert row['cpu_seconds'] > 0
      assert 0 <= row['f1'] <= 100
  # What is done already is not done again: not a second has changed.
  again = json.loads(
    baseline.run(*command, python=sys.executable).split('\n')[-2]
  )
  assert again['folds'] == report['folds']


@needs_baselines
def test_the_baseline_learns(tmp_path: pathlib.Path) -> None:
  write_checkpoint(tmp_path / 'model')
  fold = small_relations.write(tmp_path / '1')
  output = tmp_path / 'out.tsv'
  printed = baseline.run(
    baseline.script('hf_relation.py'),
    *(f'--model={tmp_path / "model"}', f'--data={fold}'),
    *(f'--output={output}', '--epochs=40', '--batch_size=8'),
    *('--learning_rate=0.001', '--threads=1'),
  )
  report = json.loads(printed.splitlines()[-1])
  assert report == {'train_sentences': 32, 'steps': 160}
  shares = np.loadtxt(output)
  np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
  rows = (fold / 'test.tsv').read_text().splitlines()[1:]
  gold = [int(row.split('\t')[-1]) for row in rows]
  assert shares.argmax(axis=1).tolist() == gold


def test_means_and_differences_are_those_of_the_folds() -> None:
  def row(f1: float, seconds: float) -> dict[str, float]:
    return {'f1': f1, 'seconds': seconds, 'cpu_seconds': 2 * seconds}

  report = relation_comparison.summary(
    {
      '1': {'ours': row(70, 10), 'baseline': row(71, 30)},
      '2': {'ours': row(72, 10), 'baseline': row(72, 10)},
    }
  )
  assert (report['ours']['f1'], report['baseline']['f1']) == (71, 71.5)
  assert report['f1_difference'] == -0.5
  assert report['ratio'] == report['cpu_ratio'] == 2
