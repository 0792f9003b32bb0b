"""The metrics of a run, also of one that was cut off and resumed."""

import json
import logging

import pytest
from etils import epath

from biobert_jax.errors import StorageError
from biobert_jax.io import storage
from biobert_jax.training.monitoring import metric_writer
from biobert_jax.training.monitoring.metric_writer import MetricWriter


@pytest.fixture
def folder(tmp_path):
  return epath.Path(tmp_path)


def steps_of(folder):
  records = metric_writer.read_metrics(folder)
  return [(r['step'], *sorted(r.keys() - {'step'})) for r in records]


def write(folder, start, *steps):
  writer = MetricWriter(folder, start)
  for step in steps:
    writer.write(step, {'train/loss': 1 / step})
    if step % 2 == 0:
      writer.write(step, {'devel/f1': 10.0 * step})
  writer.close()


def test_a_line_of_json_for_each_step(folder):
  write(folder, 0, 1, 2)
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  assert [json.loads(line) for line in lines] == [
    {'step': 1, 'train/loss': 1.0},
    {'step': 2, 'train/loss': 0.5},
    {'step': 2, 'devel/f1': 20.0},
  ]


def test_tensorboard_gets_the_same(folder):
  write(folder, 0, 1, 2)
  (events,) = (folder / 'tensorboard').iterdir()
  text = events.read_bytes()
  assert b'train/loss' in text
  assert b'devel/f1' in text


def test_a_resumed_run_drops_what_it_will_write_again(folder):
  write(folder, 0, 1, 2, 3, 4)
  # Saved after step 2: step 2 is done, its evaluation comes again.
  write(folder, 2, *())
  assert steps_of(folder) == [(1, 'train/loss'), (2, 'train/loss')]
  write(folder, 2, 3, 4)
  assert steps_of(folder) == [
    (1, 'train/loss'),
    (2, 'train/loss'),
    (3, 'train/loss'),
    (4, 'train/loss'),
    (4, 'devel/f1'),
  ]


def test_a_run_from_the_beginning_drops_all(folder):
  write(folder, 0, 1, 2)
  write(folder, 0, *())
  assert steps_of(folder) == []


@pytest.mark.parametrize('kept', [1, 10, 25])
def test_a_last_line_that_a_crash_cut_is_left_out(folder, kept, caplog):
  write(folder, 0, 1, 3)
  path = folder / 'metrics.jsonl'
  whole = path.read_text()
  path.write_text(whole + whole.splitlines()[-1][:kept])
  with caplog.at_level(logging.WARNING):
    assert steps_of(folder) == [(1, 'train/loss'), (3, 'train/loss')]
  assert 'dropped a cut line' in caplog.text
  # The next run's first line does not run on from it.
  write(folder, 3, 5)
  assert [step for step, _ in steps_of(folder)] == [1, 3, 5]
  assert path.read_text().startswith(whole)


def test_no_file_is_no_figures(folder):
  assert metric_writer.read_metrics(folder) == []


def test_a_full_disk_is_told_once(folder, caplog, monkeypatch):
  def full(*_, **__):
    raise OSError(28, 'No space left on device')

  writer = MetricWriter(folder, 0)
  board = writer._board
  with monkeypatch.context() as patch:
    patch.setattr(storage.Lines, 'add', full)
    with pytest.raises(StorageError, match='metrics.jsonl: No space left'):
      writer.write(1, {'train/loss': 1.0})
    patch.setattr(board, 'close', full)
    writer.close()
  assert 'TensorBoard' in caplog.text
  board.close()
