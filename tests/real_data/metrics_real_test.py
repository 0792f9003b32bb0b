"""Scores of a published system's predictions on a real test set."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from biobert_jax.metrics import ner

ROOT = pathlib.Path(__file__).parents[2]
DATA = pathlib.Path(os.environ.get('BIOBERT_DATA', ROOT.parent / 'shared/data'))
NCBI = DATA / 'model-predictions' / 'NCBI-disease'

pytestmark = pytest.mark.skipif(
  not NCBI.is_dir(), reason='needs model-predictions under BIOBERT_DATA'
)


def rows(path):
  """The (token, tag) rows of each sentence."""
  blocks = path.read_text('utf-8').strip('\n').split('\n\n')
  return [
    [tuple(line.split(' ')) for line in block.split('\n')] for block in blocks
  ]


@pytest.fixture(scope='module')
def ncbi():
  """Gold rows and BioBERT's rows, sentence by sentence."""
  gold = rows(NCBI / 'test.txt')
  predicted = rows(NCBI / 'biobert' / 'predictions.txt')
  assert [[token for token, _ in sentence] for sentence in gold] == [
    [token for token, _ in sentence] for sentence in predicted
  ]
  return gold, predicted


def test_biobert_on_ncbi_disease(ncbi):
  gold, predicted = ([[tag for _, tag in s] for s in side] for side in ncbi)
  report = ner.evaluate(gold, predicted, bootstrap=1000)
  assert report.overall == (960, 1008, 866)
  assert len(gold) == 942
  assert report.tokens == 24497
  assert len(report.false_positives) == 1008 - 866
  assert len(report.false_negatives) == 960 - 866
  figures = ner.as_dict(report)
  assert (figures['precision'], figures['recall']) == (85.91, 90.21)
  assert figures['f1'] == 88.01
  low, high = figures['f1_interval_95']
  assert 85 < low < 87.5 < 88.5 < high < 91
  # Printed by conlleval.pl for this pair, twice as it does for untyped tags.
  line = 'precision:  85.91%; recall:  90.21%; FB1:  88.01'
  assert (
    ner.conlleval_text(report)
    == (
      'processed 24497 tokens with 960 phrases; found: 1008 phrases; '
      f'correct: 866.\naccuracy:  98.66%; {line}\n'
    )
    + 2 * f'{":":>18} {line}  1008\n'
  )


def test_score_script_on_ncbi_disease(ncbi, tmp_path):
  text = ''
  for gold, predicted in zip(*ncbi, strict=True):
    for (token, tag), (_, guess) in zip(gold, predicted, strict=True):
      text += f'{token}\t{tag}\t{guess}\n'
    text += '\n'
  path = tmp_path / 'predictions_test.tsv'
  path.write_text(text, 'utf-8')
  result = subprocess.run(
    [sys.executable, '-m', 'biobert_jax', 'score', 'ner', path],
    cwd=ROOT,
    capture_output=True,
    check=True,
  )
  figures = json.loads(result.stdout.splitlines()[-1])
  assert figures['f1'] == 88.01
  assert (figures['gold'], figures['predicted']) == (960, 1008)
  assert figures['per_type']['entity']['correct'] == 866
