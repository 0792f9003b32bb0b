"""Continued pre-training still runs: a tiny model, few rows."""

import json
import pathlib
import sys

import pytest

from tests.comparison import baseline, continued_pretraining
from tests.comparison.marks import by_hand
from tests.comparison.small_articles import write_articles
from tests.comparison.small_checkpoints import SAMPLE, write_checkpoint


@by_hand
def test_it_pretrains_then_tags_before_and_after(
  tmp_path: pathlib.Path,
) -> None:
  write_checkpoint(tmp_path / 'model')
  write_articles(tmp_path / 'articles.jsonl')
  printed = baseline.run(
    baseline.script('continued_pretraining.py'),
    *(f'--model={tmp_path / "model"}', f'--data={SAMPLE}'),
    *(f'--text={tmp_path / "articles.jsonl"}', '--threads=1'),
    *(f'--workdir={tmp_path / "run"}', '--limit=12'),
    *('--steps=2', '--seeds=1', '--epochs=1'),
    python=sys.executable,
  )
  *table, last = printed.splitlines()
  names = ['mean', 'before', 'after', 'gain']
  assert [line.split()[0] for line in table[2:]] == names
  report = json.loads(last)
  made = report['pretraining']
  assert (made['head_before'], made['head_after']) == ('encoder', 'pretraining')
  # The tagger began with the weights that pre-training left.
  starts = [
    json.loads((tmp_path / 'run' / name / 'config.json').read_text('utf-8'))
    for name in ('before_0', 'after_0')
  ]
  assert [start['config']['init_from'] for start in starts] == [
    str(tmp_path / 'model'),
    str(tmp_path / 'run' / 'pretraining'),
  ]
  for name, start in zip(('before', 'after'), starts, strict=True):
    assert start['config']['seed'] == 0
    assert report[name]['mean'] == report[name]['f1'][0]


def test_means_and_spreads_are_those_of_the_seeds() -> None:
  report = continued_pretraining.summary(
    {'before': [70.0, 72.0, 74.0], 'after': [71.0, 74.0, 77.0]}
  )
  assert report['before']['mean'] == 72
  assert report['before']['deviation'] == 2
  assert report['after']['deviation'] == 3
  assert report['gain'] == 2  # 1, 2 and 3.
  assert report['gain_error'] == pytest.approx(3**-0.5)
