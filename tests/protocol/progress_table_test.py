"""What people see while runs train at once."""

import json
import sys

import pytest

from biobert_jax.protocol import progress_table
from biobert_jax.protocol.plan import Run
from biobert_jax.protocol.progress_table import ProgressTable, Running
from tests.fixtures import small_run


@pytest.fixture
def running(tmp_path):
  run = Run('test', 'seed0', small_run.config(), {}, '', 'digest')
  return Running('GPU 3', run, tmp_path, 1200)


@pytest.fixture
def always(monkeypatch):
  monkeypatch.setattr(progress_table, '_REDRAW_SECONDS', 0.0)
  monkeypatch.setattr(progress_table, '_PRINT_SECONDS', 0.0)


def test_step_and_best_score_of_a_run(running, always, capsys, tmp_path):
  records = [
    {'step': 50, 'train/loss': 0.5},
    {'step': 100, 'devel/f1': 82.5, 'devel/precision': 90.0},
    {'step': 200, 'devel/f1': 81.0},
  ]
  text = ''.join(json.dumps(record) + '\n' for record in records)
  (tmp_path / 'metrics.jsonl').write_text(text + '{"step": 25')
  ProgressTable(lambda: '1 of 3').show([running])
  assert capsys.readouterr().err == (
    '1 of 3\n  GPU 3: step 200 of 1,200, best dev f1 82.50, seed0\n'
  )


def test_a_run_that_has_not_begun(running, always, capsys):
  ProgressTable(lambda: '').show([running])
  assert 'step 0 of 1,200, seed0' in capsys.readouterr().err


def test_a_terminal_is_drawn_anew(running, always, capsys, monkeypatch):
  monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
  monkeypatch.setenv('COLUMNS', '20')
  table = ProgressTable(lambda: 'title')
  table.show([running])
  assert capsys.readouterr().err == 'title\n  GPU 3: step 0 of \n'
  table.show([])
  assert capsys.readouterr().err == '\x1b[2F\x1b[Jtitle\n'
  table.clear()
  table.clear()
  assert capsys.readouterr().err == '\x1b[1F\x1b[J'


def test_elsewhere_it_is_printed_once_a_minute(running, capsys):
  table = ProgressTable(lambda: 'title')
  table.show([running])
  assert capsys.readouterr().err == ''
