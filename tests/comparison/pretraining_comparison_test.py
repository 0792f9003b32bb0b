"""A few steps of pre-training without dropout are the same in both systems."""

from typing import Any

import numpy as np
import pytest

from tests.comparison import baseline, pretraining_comparison
from tests.comparison.small_articles import write_articles

pytestmark = pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON)

STEPS = 5
TOLERANCE = 1e-4  # Relative; they differ by 1e-5 at most.


@pytest.fixture(scope='module')
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
  folder = tmp_path_factory.mktemp('pretraining')
  write_articles(folder / 'articles.jsonl')
  flags = pretraining_comparison.parse(
    [
      *(f'--data={folder / "articles.jsonl"}', '--vocabulary=300'),
      *('--layers=2', '--hidden=64', '--length=64', '--rows=4'),
      *(f'--steps={STEPS}', f'--evaluations={STEPS}', '--held_out_rows=10'),
      *('--dropout=0', '--warmup=0.4', '--threads=1', '--seed=3'),
      # Larger than BERT's, so that attention and decay tell in few steps.
      *('--initializer_range=0.1', '--weight_decay=0.5'),
    ]
  )
  return pretraining_comparison.compare(flags, folder)


@pytest.mark.parametrize('part', ['train', 'held_out'])
def test_both_compute_the_same(part: str, report: dict[str, Any]) -> None:
  ours, theirs = report['ours'][part], report['baseline'][part]
  assert [row['step'] for row in ours] == list(range(1, STEPS + 1))
  assert [list(row) for row in ours] == [list(row) for row in theirs]
  for name in ours[0]:
    values = [[row[name] for row in side] for side in (ours, theirs)]
    apart = np.abs(np.subtract(*values))
    print(name, np.max(apart / np.maximum(values[1], 1e-9)))
    np.testing.assert_allclose(*values, rtol=TOLERANCE, err_msg=name)
