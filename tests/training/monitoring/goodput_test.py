"""The account of a run equals one made by hand."""

import dataclasses

import pytest
from etils import epath

from biobert_jax.errors import PreemptedError, TakenOverError
from biobert_jax.io import storage
from biobert_jax.training.monitoring import goodput
from biobert_jax.training.monitoring.goodput import Timeline, account


@pytest.fixture
def folder(tmp_path):
  return epath.Path(tmp_path)


class Clock:
  def __init__(self):
    self.now = 1000.0

  def __call__(self):
    return self.now

  def wait(self, seconds):
    self.now += seconds


def event(time, kind, **figures):
  return {'time': time, 'event': kind, **figures}


# Three disruptions: a crash after step 57 (of which the log knew 55) with a
# checkpoint at 50; a preemption that saved step 70; a crash while compiling.
TIMELINE = [
  event(0.0, 'start'),
  event(20.0, 'ready', step=0),
  event(70.0, 'steps', first=1, last=50, seconds=50.0),
  event(72.5, 'checkpoint', step=50, seconds=2.5),
  event(78.0, 'steps', first=51, last=55, seconds=5.5),
  # Killed; started again at 100.
  event(100.0, 'start'),
  event(115.0, 'ready', step=50),
  event(137.0, 'steps', first=51, last=70, seconds=22.0),
  event(140.0, 'checkpoint', step=70, seconds=3.0),
  event(140.25, 'end', step=70, why='preempted'),
  event(200.25, 'start'),
  # Killed while compiling: only its start is known.
  event(230.25, 'start'),
  event(240.25, 'ready', step=70),
  event(273.25, 'steps', first=71, last=100, seconds=33.0),
  event(277.25, 'evaluation', step=100, seconds=4.0),
  event(279.25, 'checkpoint', step=100, seconds=2.0),
  event(280.0, 'end', step=100, why='done'),
]


def test_three_disruptions_by_hand():
  found = account(TIMELINE)
  by_hand = {
    'productive': 50.0 + 22.0 + 33.0,
    'lost': 5.5,
    'startup': 20.0 + 15.0 + 0.0 + 10.0,
    'checkpoint': 2.5 + 3.0 + 2.0,
    'evaluation': 4.0,
    'down': 22.0 + 60.0 + 30.0,
    'other': 0.25 + 0.75,
  }
  for name, seconds in by_hand.items():
    assert getattr(found, name) == pytest.approx(seconds, abs=1e-9), name
  assert found.starts == 4
  assert found.total == pytest.approx(280.0, abs=1e-9)
  assert found.goodput == pytest.approx(105.0 / 280.0, abs=1e-9)
  assert '37.5%' in str(found)


def test_part_of_an_event_is_lost():
  """A checkpoint in the middle of what was logged at once."""
  found = account(
    [
      event(0.0, 'start'),
      event(1.0, 'ready', step=0),
      event(11.0, 'steps', first=1, last=10, seconds=10.0),
      event(11.0, 'start'),
      event(12.0, 'ready', step=7),
      event(15.0, 'steps', first=8, last=10, seconds=3.0),
    ]
  )
  assert found.productive == pytest.approx(7.0 + 3.0, abs=1e-9)
  assert found.lost == pytest.approx(3.0, abs=1e-9)


def test_a_fallback_loses_what_two_starts_did():
  """The third resumes before the second did: a damaged checkpoint."""
  found = account(
    [
      event(0.0, 'start'),
      event(0.0, 'ready', step=0),
      event(10.0, 'steps', first=1, last=10, seconds=10.0),
      event(10.0, 'start'),
      event(10.0, 'ready', step=10),
      event(20.0, 'steps', first=11, last=20, seconds=10.0),
      event(20.0, 'start'),
      event(20.0, 'ready', step=5),
      event(35.0, 'steps', first=6, last=20, seconds=15.0),
    ]
  )
  assert found.productive == pytest.approx(20.0, abs=1e-9)
  assert found.lost == pytest.approx(15.0, abs=1e-9)


def test_what_is_written_can_be_accounted(folder, caplog):
  clock = Clock()
  caplog.set_level('INFO', 'biobert_jax')

  def preempted():
    with Timeline(folder, began=995.0, clock=clock) as timeline:
      clock.wait(5)
      timeline.ready(0)
      for step in range(1, 13):
        clock.wait(1)
        timeline.step(step)
      with timeline.spent('checkpoint'):
        clock.wait(1)
      with timeline.spent('evaluation'):
        clock.wait(3)
        # SIGTERM while devel is scored.
        with timeline.spent('checkpoint'):
          clock.wait(0.5)
        raise PreemptedError

  with pytest.raises(PreemptedError):
    preempted()
  events = goodput.read(folder)
  # Now and then, not at each step.
  steps = [(e['first'], e['last']) for e in events if e['event'] == 'steps']
  assert steps == [(1, 10), (11, 12)]
  assert (events[-1]['event'], events[-1]['why']) == ('end', 'preempted')
  clock.wait(9)
  with Timeline(folder, clock=clock) as timeline:
    clock.wait(4)
    timeline.ready(12)
    clock.wait(8)
    timeline.step(20)
  found = account(goodput.read(folder))
  assert dataclasses.asdict(found) == {
    'productive': 20.0,
    'lost': 0.0,
    'startup': 14.0,
    'checkpoint': 1.5,
    'evaluation': 3.0,
    'down': 9.0,
    'other': 0.0,
    'starts': 2,
  }
  assert str(found) in caplog.text


def test_who_lost_the_folder_writes_nothing_more(folder):
  def taken_over():
    with Timeline(folder):
      raise TakenOverError

  with pytest.raises(TakenOverError):
    taken_over()
  assert [e['event'] for e in goodput.read(folder)] == ['start']


def test_a_cut_line_costs_only_itself(folder, caplog):
  clock = Clock()
  first = Timeline(folder, clock=clock)
  clock.wait(1)
  first.ready(0)
  path = folder / goodput.TIMELINE_FILE
  with path.open('a') as file:
    file.write('{"time": 1001.0, "eve')
  clock.wait(1)
  Timeline(folder, clock=clock).ready(0)
  kinds = [e['event'] for e in goodput.read(folder)]
  assert kinds == ['start', 'ready', 'start', 'ready']
  assert 'dropped a cut line' in caplog.text


def test_nothing_is_written_by_those_who_must_not(folder):
  silent = Timeline(folder, writes=False)
  silent.ready(0)
  with silent.spent('evaluation'):
    silent.step(3)
  assert not list(folder.iterdir())
  assert goodput.read(folder) == []
  assert account([]).goodput == 0.0

  def forbid():
    raise TakenOverError

  with pytest.raises(TakenOverError):
    Timeline(folder, before_write=forbid)
  assert not list(folder.iterdir())


def test_steps_are_told_once(folder):
  with Timeline(folder) as timeline:
    timeline.ready(4)
    timeline.step(4)
    timeline.step(6)
    with timeline.spent('checkpoint'):
      pass
  events = goodput.read(folder)
  steps = [(e['first'], e['last']) for e in events if e['event'] == 'steps']
  assert steps == [(5, 6)]
  with pytest.raises(ValueError, match='sleep'), timeline.spent('sleep'):
    pass


def test_a_full_disk_ends_no_run(folder, caplog, monkeypatch):
  def full(*_):
    raise OSError(28, 'No space left on device')

  with Timeline(folder) as timeline:
    monkeypatch.setattr(storage.Lines, 'add', full)
    timeline.ready(0)
  assert 'timeline.jsonl: No space left on device' in caplog.text
