"""Progress: a bar on a terminal, elsewhere few lines; the time left as h:mm."""

import io
import logging
import sys

import pytest

from biobert_jax.training.monitoring import progress
from biobert_jax.training.monitoring.progress import Progress


@pytest.mark.parametrize(
  ('seconds', 'shown'),
  [(0, '0:00'), (1, '0:01'), (60, '0:01'), (61, '0:02'), (36_000, '10:00')],
)
def test_hours_and_minutes(seconds, shown):
  assert progress.hours_and_minutes(seconds) == shown


def steps_at(monkeypatch, times):
  """Takes a step at each of these times, in seconds from the start."""
  clock = iter([0.0, *times])
  monkeypatch.setattr(progress.time, 'monotonic', lambda: next(clock))
  counted = Progress('training', 2 + len(times), 2)
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
    counted = Progress('training', 5, 2)
    for _ in range(3):
      counted.advance('loss 0.5')
    counted.close()
  last = terminal.getvalue().split('\r')[-1]
  assert last.startswith('training: 100% |')
  assert '5/5 steps, ' in last
  assert '0:00 h left, loss 0.5' in last
  assert not caplog.records
