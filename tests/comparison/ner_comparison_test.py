"""The comparison of fine-tuning still runs: a tiny model, few sentences."""

import json
import pathlib
import sys
from collections import Counter

import numpy as np
import pytest

from biobert_jax.data.ner import corpus as ner_corpus
from tests.comparison import baseline
from tests.comparison.small_checkpoints import SAMPLE, write_checkpoint

CUT = 8  # Pieces of a sentence that the baseline is let see.

pytestmark = pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON)


def test_both_sides_train_and_are_scored(tmp_path: pathlib.Path) -> None:
  write_checkpoint(tmp_path)
  printed = baseline.run(
    baseline.script('ner_finetune_comparison.py'),
    f'--data={SAMPLE}',
    f'--model={tmp_path}',
    *('--limit=12', '--epochs=1', '--rows=2'),
    python=sys.executable,
  )
  *table, last = printed.splitlines()
  assert [line.split()[0] for line in table] == ['P', 'ours', 'baseline', 'F1']
  report = json.loads(last)
  assert report.keys() == {'ours', 'baseline', 'ratio'}
  for name in ('ours', 'baseline'):
    row = report[name]
    rate = row['sentences_per_second'] * row['seconds']
    assert rate == pytest.approx(12)
    scores = [row[n] for n in ('precision', 'recall', 'f1')]
    assert all(0 <= score <= 100 for score in scores)
  assert report['ratio'] == pytest.approx(
    report['baseline']['seconds'] / report['ours']['seconds']
  )


def test_the_baseline_learns_and_tags_every_token(
  tmp_path: pathlib.Path,
) -> None:
  """Gold as it was read, one prediction each, O beyond the cut."""
  write_checkpoint(tmp_path)
  output = tmp_path / 'out.tsv'
  printed = baseline.run(
    baseline.script('hf_finetune.py'),
    *(f'--model={tmp_path}', f'--data={SAMPLE}', f'--output={output}'),
    *('--epochs=10', '--batch_size=8', '--learning_rate=0.001'),
    *(f'--max_length={CUT + 2}', '--threads=1'),
  )
  train = ner_corpus.read_split(SAMPLE, 'train', Counter())
  report = json.loads(printed.splitlines()[-1])
  assert report['train_sentences'] == len(train)
  assert report['steps'] == 10 * -(-len(train) // 8)
  blocks = output.read_text('utf-8').strip().split('\n\n')
  rows = [[line.split('\t') for line in b.split('\n')] for b in blocks]
  gold = ner_corpus.read_split(SAMPLE, 'test', Counter())
  for sentence, block in zip(gold, rows, strict=True):
    tokens, tags, predicted = zip(*block, strict=True)
    assert (tokens, tags) == (sentence.tokens, sentence.tags)
    assert set(predicted[CUT:]) <= {'O'}
  cut = [row for block in rows for row in block[CUT:]]
  assert any(row[1] != 'O' for row in cut)
  within = [row for block in rows for row in block[:4] if row[1] != 'O']
  right = np.mean([row[1] == row[2] for row in within])
  print(f'{right:.2f} of the entity words are right')
  assert right > 0.4  # 0.1 to 0.2 where it does not learn.
