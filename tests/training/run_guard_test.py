"""The watch over a run: what it opens, calls and closes."""

import signal

import pytest
from etils import epath

from biobert_jax.errors import PreemptedError
from biobert_jax.training.run_guard import guarded_run
from tests.fixtures import small_run, small_states


def test_it_opens_calls_and_closes(tmp_path):
  before = signal.getsignal(signal.SIGTERM)
  folder, flushed = epath.Path(tmp_path), []
  state = small_states.drawn(0, 3, small_states.layout('dp'))
  with guarded_run(small_run.config(), folder, 0.0) as guard:
    assert signal.getsignal(signal.SIGTERM) != before
    assert guard.preemption.interruptible(lambda: 7) == 7
    guard.lease.check()
    guard.check(state, lambda: flushed.append('early'))
    assert not flushed
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(PreemptedError, match='at step 3'):
      guard.check(state, lambda: flushed.append('late'))
  assert flushed == ['late']
  assert signal.getsignal(signal.SIGTERM) == before
  assert (folder / 'checkpoints' / '3').exists()
  names = {path.name for path in folder.iterdir()}
  assert names == {'writer.json', 'timeline.jsonl', 'checkpoints', 'best'}
