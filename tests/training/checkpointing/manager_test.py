"""Checkpoints come back bit for bit, on whatever mesh the next run has."""

import json
import math
import pathlib

import jax
import numpy as np
import pytest
from etils import epath

from biobert_jax.errors import DivergedError, InputError, StorageError
from biobert_jax.training.checkpointing import manager
from biobert_jax.training.checkpointing.manager import Checkpoints
from tests.fixtures import small_states
from tests.fixtures.small_states import ABSTRACT, layout, same_bits

DP, FSDP = layout('dp'), layout('fsdp')


@pytest.fixture
def draw():
  """(seed, step, shardings) -> a state whose every number is random."""
  return lambda seed, step, shardings=DP: small_states.drawn(
    seed, step, shardings
  )


@pytest.fixture
def folder(tmp_path):
  return epath.Path(tmp_path)


@pytest.fixture
def opened(folder):
  """Opens the folder anew, as the next run would; closes all at the end."""
  managers = []

  def open_(keep=2):
    for before in managers:
      before.close()
    managers[:] = [Checkpoints(folder, keep)]
    return managers[0]

  yield open_
  for last in managers:
    last.close()


def test_an_empty_folder(opened):
  checkpoints = opened()
  assert checkpoints.latest_step is None
  assert checkpoints.best_step == -1
  assert checkpoints.best_score() == -math.inf
  with pytest.raises(InputError, match='holds no parameters; train first'):
    checkpoints.restore_best(ABSTRACT.params, DP.params)


@pytest.mark.parametrize(
  ('before', 'after'),
  [('dp', 'dp'), ('dp', 'fsdp'), ('fsdp', 'dp'), ('fsdp', 'one')],
)
def test_a_state_comes_back_on_any_mesh(opened, draw, before, after):
  layouts = {'dp': DP, 'fsdp': FSDP, 'one': layout('dp', devices=1)}
  saved = draw(1, 7, layouts[before])
  opened().save(saved)
  checkpoints = opened()
  assert checkpoints.latest_step == 7
  restored = checkpoints.restore(ABSTRACT, layouts[after])
  same_bits(restored, saved)
  assert int(restored.step) == 7
  places = jax.tree.map(lambda x: x.sharding, restored)
  assert places == layouts[after]


def test_only_the_latest_are_kept(opened, draw, folder):
  checkpoints = opened(keep=2)
  for step in (2, 4, 6):
    checkpoints.save(draw(step, step))
  restored = opened().restore(ABSTRACT, DP)
  same_bits(restored, draw(6, 6))
  kept = {p.name for p in (folder / 'checkpoints').iterdir()}
  assert {'4', '6'} <= kept
  assert '2' not in kept


def test_a_step_is_saved_once(opened, draw):
  checkpoints = opened()
  checkpoints.save(draw(1, 5))
  checkpoints.save(draw(2, 5))
  same_bits(opened().restore(ABSTRACT, DP), draw(1, 5))


def test_an_older_step_is_refused_aloud(opened, draw):
  opened().save(draw(1, 10))
  with pytest.raises(InputError, match=r'step 4 was refused: .*\(10\)'):
    opened().save(draw(2, 4))


def test_the_best_is_kept_apart_from_the_latest(opened, draw, folder):
  checkpoints = opened(keep=1)
  for step, score in ((2, 40.5), (4, 71.25)):
    checkpoints.save(draw(step, step))
    assert score > checkpoints.best_score()
    checkpoints.save_best(step, draw(step, step).params, score)
    # At once, though it may still be being written.
    assert checkpoints.best_score() == score
  for step in (6, 8):
    checkpoints.save(draw(step, step))
  checkpoints = opened(keep=1)
  assert (checkpoints.best_step, checkpoints.latest_step) == (4, 8)
  assert checkpoints.best_score() == 71.25
  best = checkpoints.restore_best(ABSTRACT.params, FSDP.params)
  same_bits(best, draw(4, 4).params)
  assert jax.tree.map(lambda x: x.sharding, best) == FSDP.params
  assert not (folder / 'best' / '2').exists()


def test_a_best_that_was_found_later_is_beaten(opened, draw, folder):
  """As after a kill between it and its checkpoint, and another mesh."""
  opened(keep=1).save_best(8, draw(8, 8).params, 50.0)
  opened(keep=1).save_best(6, draw(6, 6).params, 60.0)
  checkpoints = opened()
  assert (checkpoints.best_step, checkpoints.best_score()) == (6, 60.0)
  best = checkpoints.restore_best(ABSTRACT.params, DP.params)
  same_bits(best, draw(6, 6).params)


def flip(path, place=-40, bit=3):
  """Another bit in one byte, as a disk that errs leaves it."""
  data = bytearray(path.read_bytes())
  data[place] ^= 1 << bit
  path.write_bytes(bytes(data))


def numbers(folder, step):
  """The file of a saved step that holds its numbers."""
  files = pathlib.Path(folder / f'checkpoints/{step}/state/d').iterdir()
  return max(files, key=lambda p: p.stat().st_size)


def test_a_flipped_bit_is_found_and_the_step_before_is_used(
  opened, draw, folder, caplog
):
  checkpoints = opened(keep=3)
  for step in (2, 4, 6):
    checkpoints.save(draw(step, step))
  checkpoints.close()
  for step in (4, 6):
    flip(numbers(folder, step))
  checkpoints = opened(keep=3)
  assert checkpoints.latest_step == 6
  same_bits(checkpoints.restore(ABSTRACT, DP), draw(2, 2))
  assert 'checkpoint 6' in caplog.text
  assert 'checkpoint 4' in caplog.text
  assert checkpoints.latest_step == 2
  # The way is free, and nothing was lost.
  checkpoints.save(draw(5, 4))
  same_bits(opened(keep=3).restore(ABSTRACT, DP), draw(5, 4))
  aside = folder / 'checkpoints_damaged'
  assert {p.name for p in aside.iterdir()} == {'4', '6'}
  assert (aside / '6' / 'guard').exists()
  # The same step again: neither replaces the other.
  opened().close()
  flip(numbers(folder, 4))
  same_bits(opened(keep=3).restore(ABSTRACT, DP), draw(2, 2))
  assert {p.name for p in aside.iterdir()} == {'4', '4.1', '6'}


def test_nothing_whole_is_an_error_that_names_all_and_moves_none(
  opened, draw, folder
):
  checkpoints = opened()
  for step in (2, 4):
    checkpoints.save(draw(step, step))
  checkpoints.close()
  # Whole files, of other numbers.
  other = Checkpoints(folder / 'other', 1)
  other.save(draw(3, 2))
  other.close()
  (folder / 'checkpoints/2/state').rmtree()
  (folder / 'other/checkpoints/2/state').rename(folder / 'checkpoints/2/state')
  (folder / 'checkpoints' / '4' / 'guard').rmtree()
  with pytest.raises(InputError) as raised:
    opened().restore(ABSTRACT, DP)
  said = str(raised.value)
  assert 'step 4: ' in said
  assert 'step 2: params/' in said
  assert 'differs from its fingerprint' in said
  assert {'2', '4'} <= {p.name for p in (folder / 'checkpoints').iterdir()}
  assert not (folder / 'checkpoints_damaged').exists()


def test_a_step_under_another_name_is_damage(opened, draw, folder):
  opened().save(draw(1, 4))
  opened().close()
  (folder / 'checkpoints' / '4').rename(folder / 'checkpoints' / '9')
  with pytest.raises(InputError, match='step 9: its record is of step 4'):
    opened().restore(ABSTRACT, DP)


@pytest.mark.parametrize('wrong', [np.nan, np.inf])
def test_a_state_that_is_not_finite_is_not_saved(opened, draw, folder, wrong):
  checkpoints = opened()
  checkpoints.save(draw(1, 2))
  state = draw(2, 4)
  bias = jax.device_put(np.asarray([0, wrong, 0], np.float32), DP.step)
  state.params['classifier']['bias'] = bias
  with pytest.raises(DivergedError, match='params/classifier/bias .* step 4'):
    checkpoints.save(state)
  with pytest.raises(DivergedError, match='classifier/bias .* step 4'):
    checkpoints.save_best(4, state.params, 1.0)
  checkpoints = opened()
  assert (checkpoints.latest_step, checkpoints.best_step) == (2, -1)


def test_what_the_disk_refuses_is_said_at_the_next_save(
  opened, draw, folder, monkeypatch
):
  checkpoints = opened()
  checkpoints.save(draw(1, 2))
  checkpoints._latest.wait_until_finished()
  commit = checkpoints._latest._finalize_checkpoint

  def full(step):
    if step == 4:
      raise OSError(28, 'No space left on device')
    commit(step)

  monkeypatch.setattr(checkpoints._latest, '_finalize_checkpoint', full)
  checkpoints.save(draw(2, 4))
  checkpoints._watcher.join()
  for act in (checkpoints.check, lambda: checkpoints.save(draw(3, 6))):
    with pytest.raises(StorageError) as raised:
      act()
    assert 'No space left' in str(raised.value)
    assert str(folder / 'checkpoints') in str(raised.value)
    assert '\n' not in str(raised.value)
  checkpoints = opened()
  same_bits(checkpoints.restore(ABSTRACT, DP), draw(2, 4))


def test_a_writer_may_be_forbidden_to_write(folder, draw):
  class Forbidden(Exception):
    pass

  def forbid():
    raise Forbidden

  checkpoints = Checkpoints(folder, 2, before_write=forbid)
  with pytest.raises(Forbidden):
    checkpoints.save(draw(1, 2))
  with pytest.raises(Forbidden):
    checkpoints.save_best(2, draw(1, 2).params, 1.0)
  checkpoints.close()
  assert not (folder / 'checkpoints' / '2').exists()
  assert not (folder / 'best' / '2').exists()


def test_how_long_a_save_took_is_said(opened, draw, caplog):
  caplog.set_level('INFO', 'biobert_jax')
  checkpoints = opened()
  checkpoints.save(draw(1, 2))
  checkpoints.close()
  assert 'saved checkpoint 2 (' in caplog.text


def test_what_was_not_finished_is_deleted(opened, draw, folder):
  opened().save(draw(1, 2))
  half = folder / 'checkpoints' / '4.orbax-checkpoint-tmp' / 'state'
  half.mkdir(parents=True)
  checkpoints = opened()
  assert checkpoints.latest_step == 2
  checkpoints.drop_unfinished()
  assert not half.parent.exists()
  same_bits(checkpoints.restore(ABSTRACT, DP), draw(1, 2))


@pytest.mark.parametrize('damage', ['{', '{"score": NaN}'])
def test_a_damaged_score_is_named(opened, draw, folder, damage):
  opened().save_best(2, draw(1, 2).params, 40.0)
  opened().close()
  path = folder / 'best' / '2' / 'score' / 'metadata'
  assert json.loads(path.read_text())['score'] == 40.0
  path.write_text(damage)
  with pytest.raises(InputError, match='best/2: the score is damaged'):
    opened().best_score()


class Manager:
  def __init__(self, error=None):
    self.error = error

  def wait_until_finished(self):
    if self.error:
      raise self.error


def test_how_a_save_went(caplog, monkeypatch):
  caplog.set_level('INFO', 'biobert_jax')
  watch = manager.SaveWatcher(Manager(), 7)
  watch.start()
  watch.join()
  assert watch.failure is None
  assert 'saved checkpoint 7 (0.0 s; training blocked 0.0 s)' in caplog.text
  assert 'preempted' not in caplog.text
  monkeypatch.setattr(manager, 'GRACE_SECONDS', -1)
  watch = manager.SaveWatcher(Manager(), 8)
  watch.start()
  watch.join()
  assert 'less than a checkpoint takes' in caplog.text


def test_what_failed_is_kept(caplog):
  caplog.set_level('INFO', 'biobert_jax')
  watch = manager.SaveWatcher(Manager(ValueError('disk')), 7)
  watch.start()
  watch.join()
  assert str(watch.failure) == 'disk'
  assert 'saved checkpoint' not in caplog.text
