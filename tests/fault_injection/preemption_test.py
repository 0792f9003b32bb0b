"""SIGTERM, at any moment and to any host: saved in time, and nothing lost."""

import os
import signal
import time

import pytest

from biobert_jax import errors
from biobert_jax.tasks import evaluator
from biobert_jax.training import preemption, run_log, train
from tests.fault_injection import children
from tests.fault_injection.children import GRACE_SECONDS, LAST, MIDDLE
from tests.fixtures import small_run
from tests.fixtures.saved_state import (
  committed_at,
  fingerprints_of,
  leaves_of,
  steps_of,
)


def same_run(one, other):
  """Asserts that two runs ended with the same bits."""
  found = fingerprints_of(one, LAST)
  assert found == fingerprints_of(other, LAST)
  assert {'step', 'skipped'} < found.keys()
  for a, b in zip(leaves_of(one, LAST), leaves_of(other, LAST), strict=True):
    assert a.tobytes() == b.tobytes()
  assert children.losses_of(one) == children.losses_of(other)


def terminated_at(steps):
  """A `Log.step` that sends a real SIGTERM to this process, once a step."""
  original, left = run_log.Log.step, set(steps)

  def step(self, number, figures):
    original(self, number, figures)
    if number in left:
      left.remove(number)
      # Ours: without a handler the signal would end the tests.
      assert (
        signal.getsignal(signal.SIGTERM).__func__
        is preemption.Preemption._on_sigterm
      )
      os.kill(os.getpid(), signal.SIGTERM)

  return step


# An epoch's end (31 rows, 8 a step); the last but one; and two in one run.
# The first, and one where devel is scored, are in end_to_end/train_test.py.
@pytest.mark.parametrize('stops', [(4,), (LAST - 1,), (2, 9)], ids=str)
def test_a_stopped_run_ends_as_an_unbroken_one(
  whole, tmp_path, monkeypatch, stops
):
  monkeypatch.setattr(run_log.Log, 'step', terminated_at(stops))
  for stop in stops:
    with pytest.raises(errors.PreemptedError, match=f'at step {stop},'):
      train.train(small_run.config(), str(tmp_path))
    assert steps_of(tmp_path)[-1] == stop
  train.train(small_run.config(), str(tmp_path))
  same_run(whole, tmp_path)


def test_sigterm_while_devel_is_scored(whole, tmp_path, monkeypatch):
  config = {'train__eval_batch_size': 8, 'data__test_split': ''}
  one_ahead, sent = evaluator.one_ahead, []

  def first_batch(dispatch, batches, advance):
    advance_ = advance
    if not sent:
      sent.append(time.monotonic())
      os.kill(os.getpid(), signal.SIGTERM)
    yield from one_ahead(dispatch, batches, advance_)
    sent.append('the evaluation went on')

  monkeypatch.setattr(evaluator, 'one_ahead', first_batch)
  with pytest.raises(errors.PreemptedError, match=f'at step {MIDDLE},'):
    train.train(small_run.config(**config), str(tmp_path))
  assert len(sent) == 1
  assert time.monotonic() - sent[0] < GRACE_SECONDS
  assert steps_of(tmp_path)[-1] == MIDDLE
  train.train(small_run.config(**config), str(tmp_path))
  same_run(whole, tmp_path)


@pytest.mark.alone
def test_sigterm_while_it_compiles(tmp_path):
  """Nothing is cached here: XLA is at work when the signal comes."""
  options = {
    'fault': 'SIGTERM',
    'at': 'compile',
    'compilations': 100,
    'config': {'model__num_hidden_layers': 4},
  }
  with children.job(tmp_path / 'run', **options) as (child,):
    child.landed_at()
    time.sleep(1)
    child.send_signal(signal.SIGTERM)
    sent = time.time()
    gone = child.gone_at(60)
    assert child.wait() == errors.EXIT_PREEMPTED, child.said
    assert 'stopped while compiling' in child.said
  assert gone - sent < GRACE_SECONDS
  assert steps_of(tmp_path / 'run') == []


@pytest.mark.alone
@pytest.mark.parametrize('hosts', [1, 2])
def test_sigterm_while_a_checkpoint_is_written(tmp_path, cache, hosts):
  options = {'fault': 'SIGTERM', 'at': 'save', 'strikes': hosts - 1}
  options['config'] = {'train__keep_checkpoints': 9}
  folder = tmp_path / 'run'
  with children.job(
    folder, hosts, 8 // hosts, cache=cache, **options
  ) as running:
    struck = running[-1].landed_at()
    codes = [child.wait() for child in running]
    said = running[0].said
  assert codes == [errors.EXIT_PREEMPTED] * hosts, said
  # That of step 5 was in flight; on several hosts they agree on a later one.
  last = steps_of(folder)[-1]
  assert f'stopped at step {last}, which is saved' in said
  assert 5 in steps_of(folder)
  assert last <= 9
  assert committed_at(folder, last) - struck < GRACE_SECONDS
  assert f'saved checkpoint {last} (' in said


@pytest.mark.alone
def test_sigterm_to_one_of_two_hosts(tmp_path, cache):
  two = {'hosts': 2, 'devices': 2, 'cache': cache}
  folder = tmp_path / 'run'
  with children.job(folder, fault='SIGTERM', at=3, strikes=1, **two) as running:
    struck = running[1].landed_at()
    codes = [child.wait() for child in running]
    said = [child.said for child in running]
  assert codes == [errors.EXIT_PREEMPTED] * 2, said
  step = steps_of(folder)[-1]
  assert committed_at(folder, step) - struck < GRACE_SECONDS
  assert 3 <= step <= 5
  assert all(f'stopped at step {step},' in text for text in said)
  children.finish(folder, **two)
  children.finish(tmp_path / 'unbroken', **two)
  same_run(tmp_path / 'unbroken', folder)


@pytest.mark.alone
def test_sigterm_to_one_of_four_hosts(whole_at_middle, tmp_path, cache):
  """Four hosts take over from one, and one from four."""
  folder = tmp_path / 'run'
  whole_at_middle.copy_to(folder)
  with children.job(
    folder, 4, 2, cache=cache, fault='SIGTERM', at=8, strikes=2
  ) as running:
    struck = running[2].landed_at()
    codes = [child.wait() for child in running]
    said = [child.said for child in running]
  assert codes == [errors.EXIT_PREEMPTED] * 4, said
  step = steps_of(folder)[-1]
  assert committed_at(folder, step) - struck < GRACE_SECONDS
  assert 8 <= step <= 10
  assert all(f'stopped at step {step},' in text for text in said)
  whole_at_middle.was_continued(folder, said[0])
  train.train(small_run.config(), str(folder))
  assert steps_of(folder)[-1] == LAST
  assert not (folder / 'checkpoints_damaged').exists()


@pytest.mark.parametrize(('hosts', 'devices'), [(1, 1), (2, 4)], ids=str)
def test_any_mesh_goes_on(whole_at_middle, tmp_path, cache, hosts, devices):
  """From a checkpoint of one host with all devices."""
  folder = tmp_path / 'run'
  whole_at_middle.copy_to(folder)
  done = children.finish(folder, hosts=hosts, devices=devices, cache=cache)
  whole_at_middle.was_continued(folder, done[0].said)
  assert steps_of(folder)[-1] == LAST
