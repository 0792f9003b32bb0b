"""The report of a finished run: written last, and taken for what it is.

`evaluate` itself is covered by end_to_end/train_test.py and pretrain_test.py.
"""

import json
import math

import numpy as np
import pytest
from etils import epath

from biobert_jax.errors import DivergedError
from biobert_jax.tasks.task import Scored
from biobert_jax.training import evaluate
from biobert_jax.training.monitoring.metric_writer import MetricWriter

SCORES = {
  'devel': Scored({'f1': 70.123, 'gold': 3}, 70.123, {'errors_devel.tsv': 'x'}),
  'test': Scored({'f1': 60.0, 'gold': 4}, 60.0, {}),
}


@pytest.fixture
def folder(tmp_path):
  found = epath.Path(tmp_path)
  (found / 'best' / '6').mkdir(parents=True)
  writer = MetricWriter(found, 0)
  writer.write(6, {'train/loss': 1.0})
  writer.close()
  return found


def test_the_report_and_its_table(folder, caplog):
  caplog.set_level('INFO', 'biobert_jax')
  report = evaluate.write_report(folder, 'ner', 6, SCORES)
  assert report == {
    'workdir': str(folder),
    'step': 6,
    'results': {
      'devel': {'f1': 70.123, 'gold': 3},
      'test': {'f1': 60.0, 'gold': 4},
    },
    'selection': {'devel': 70.123, 'test': 60.0},
  }
  assert json.loads((folder / 'results.json').read_text()) == report
  assert (folder / 'errors_devel.tsv').read_text() == 'x'
  assert (folder / 'curves.png').exists()
  assert 'the parameters of step 6 are kept in' in caplog.text
  assert '  f1             70.12   60.00' in caplog.text
  assert evaluate._read_report(folder) == report


@pytest.mark.parametrize(
  'damage',
  [
    lambda folder: (folder / 'results.json').unlink(),
    lambda folder: (folder / 'results.json').write_text('{"step": 6'),
    lambda folder: (folder / 'results.json').write_text('[6]'),
    lambda folder: (folder / 'results.json').write_text('{"step": 6}'),
    lambda folder: (folder / 'best' / '6').rmdir(),
  ],
)
def test_a_report_that_is_not_whole_is_none(folder, damage):
  evaluate.write_report(folder, 'ner', 6, SCORES)
  damage(folder)
  assert evaluate._read_report(folder) is None


@pytest.mark.parametrize(
  ('scored', 'name'),
  [
    (Scored({'f1': 70.0, 'loss': math.nan}, 70.0, {}), 'loss of devel is nan'),
    (Scored({'f1': 70.0}, -math.inf, {}), 'selection of devel is -inf'),
    (Scored({'by': {'a': {'f1': math.nan}}}, 1.0, {}), 'a.f1 of devel is nan'),
    (Scored({'f1': np.float32('inf')}, 1.0, {}), 'f1 of devel is inf'),
  ],
)
def test_a_score_that_is_not_finite_is_an_error(scored, name):
  with pytest.raises(DivergedError, match=f'{name} at step 6'):
    evaluate.check_finite(scored, 'devel', 6)
  thresholds = {'best_f1_thresh': -math.inf, 'f1': 1.0}
  evaluate.check_finite(Scored(thresholds, 1.0, {}), 'devel', 6)
