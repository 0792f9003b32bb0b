"""Metrics of the loop: read one step late, and refused when they diverge."""

import io
import json
import logging
import math
import sys

import pytest
from etils import epath

from biobert_jax.errors import DivergedError
from biobert_jax.tasks.task import Scored
from biobert_jax.training import experiment, run_log
from biobert_jax.training.plan import Plan
from biobert_jax.training.run_log import Log, Meter
from tests.fixtures import small_run


@pytest.fixture
def log(tmp_path):
  config = small_run.config(
    train__log_every_steps=2, train__max_skipped_steps=2
  )
  opened = Log(
    epath.Path(tmp_path),
    config,
    Plan.of(config, 31),
    learning_rate=lambda step: 1e-3 * step,
    start=0,
    meter=Meter(1, 1.0, None),
    may_write=lambda: None,
  )
  yield opened
  opened.close()


def metrics(loss, skipped=0):
  return {'loss': loss, 'grad_norm': 1.0, 'skipped_in_a_row': skipped}


def lines(folder):
  path = folder / 'metrics.jsonl'
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_step_is_written_when_the_next_one_is_dispatched(log, tmp_path):
  log.step(1, metrics(3.0))
  assert lines(tmp_path) == []
  log.step(2, metrics(2.0))
  log.step(3, metrics(1.0))
  log.flush()
  # The first, and every second one.
  written = lines(tmp_path)
  assert [(r['step'], r['train/loss']) for r in written] == [(1, 3.0), (2, 2.0)]
  assert written[1]['train/learning_rate'] == 1e-3
  assert written[1]['train/steps_per_second'] > 0
  assert 0 <= written[1]['train/input_wait_fraction'] <= 1


def test_skipped_steps_are_told_and_then_too_many(log, tmp_path, caplog):
  log.step(2, metrics(math.inf, skipped=1))
  log.flush()
  assert 'step 2 is skipped: loss inf, gradient norm 1' in caplog.text
  assert 'train/loss' not in lines(tmp_path)[0]
  log.step(3, metrics(math.nan, skipped=2))
  with pytest.raises(DivergedError, match='at step 3: 2 steps in a row'):
    log.flush()


def test_scores_are_written_exactly_and_said_rounded(log, tmp_path, caplog):
  caplog.set_level('INFO', 'biobert_jax')
  scored = Scored({'f1': 70.12345, 'gold': 3}, 70.12345, {})
  log.scores(6, 'devel', scored, 0.5)
  assert lines(tmp_path) == [
    {'step': 6, 'devel/f1': 70.12345, 'run/goodput': 0.5}
  ]
  assert 'step 6, devel: f1 70.12' in caplog.text


def test_waiting_for_batches_is_measured(log):
  assert list(log.timed([1, 2, 3])) == [1, 2, 3]


# Rates that follow from steps a second.


def test_rates():
  meter = Meter(positions=1000, flops=5e12, peak=100e12)
  assert meter.rates(4.0, {'fill': 0.75, 'loss': 1.0}) == {
    'steps_per_second': 4.0,
    'pieces_per_second': 4000.0,
    'useful_pieces_per_second': 3000.0,
    'mfu': 0.2,
  }


def test_what_is_not_known_is_not_said():
  made = experiment.from_config(small_run.config())
  meter = Meter.of(made, made.dataset.rows('test'))
  assert set(meter.rates(1.0, {})) == {'steps_per_second', 'pieces_per_second'}
  assert meter.positions == 1024


# Progress: a bar on a terminal, elsewhere few lines; the time left as h:mm.


@pytest.mark.parametrize(
  ('seconds', 'shown'),
  [(0, '0:00'), (1, '0:01'), (60, '0:01'), (61, '0:02'), (36_000, '10:00')],
)
def test_hours_and_minutes(seconds, shown):
  assert run_log.hours_and_minutes(seconds) == shown


def steps_at(monkeypatch, times):
  """Takes a step at each of these times, in seconds from the start."""
  clock = iter([0.0, *times])
  monkeypatch.setattr(run_log.time, 'monotonic', lambda: next(clock))
  counted = run_log.Progress('training', 2 + len(times), 2)
  for _ in times:
    counted.advance('loss 0.5')
  counted.close()


def test_a_line_a_minute_and_one_at_the_end(monkeypatch, caplog):
  with caplog.at_level(logging.INFO, 'biobert_jax'):
    steps_at(monkeypatch, range(1, 151))
  lines = [record.getMessage() for record in caplog.records]
  assert lines == [
    'training: 62 of 152 steps, 1 steps/s, 0:02 h left, loss 0.5',
    'training: 122 of 152 steps, 1 steps/s, 0:01 h left, loss 0.5',
    'training: 152 of 152 steps, 1 steps/s, 0:00 h left, loss 0.5',
  ]


def test_a_bar_on_a_terminal(monkeypatch, caplog):
  class Terminal(io.StringIO):
    def isatty(self):
      return True

  monkeypatch.setattr(sys, 'stderr', terminal := Terminal())
  with caplog.at_level(logging.INFO, 'biobert_jax'):
    counted = run_log.Progress('training', 5, 2)
    for _ in range(3):
      counted.advance('loss 0.5')
    counted.close()
  last = terminal.getvalue().split('\r')[-1]
  assert last.startswith('training: 100% |')
  assert '5/5 steps, ' in last
  assert '0:00 h left, loss 0.5' in last
  assert not caplog.records
