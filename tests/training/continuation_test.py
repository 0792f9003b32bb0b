"""A run that continues as another, with another rate, batch or schedule.

States are small and made up; whole runs are in end_to_end/train_test.py.
"""

import dataclasses
import json
import pathlib
import shutil

import pytest
from etils import epath

from biobert_jax.checkpoints import run_steps
from biobert_jax.errors import InputError
from biobert_jax.training import continuation, experiment, workdir
from biobert_jax.training.checkpointing.manager import Checkpoints
from biobert_jax.training.plan import Plan, num_steps
from tests.fixtures import small_run, small_states
from tests.fixtures.saved_state import fingerprints_of, flip_numbers, steps_of


@pytest.fixture(scope='module')
def made():
  return experiment.from_config(small_run.config())


@pytest.fixture(scope='module')
def kept(made, tmp_path_factory):
  """A run with the states 4 and 6, the best of which was 4."""
  folder = epath.Path(tmp_path_factory.mktemp('kept')) / 'old'
  workdir.save_experiment(made, folder)
  checkpoints, layout = Checkpoints(folder, 2), small_states.layout('dp')
  for step in (4, 6):
    state = small_states.drawn(step, step, layout)
    checkpoints.save(state)
    if step == 4:
      checkpoints.save_best(step, state.params, 0.5)
  checkpoints.close()
  (folder / 'metrics.jsonl').write_text('{"step": 6, "train/loss": 1.0}\n')
  return folder


@pytest.fixture
def old(kept, tmp_path):
  return epath.Path(shutil.copytree(kept, tmp_path / 'old'))


def fill(folder):
  folder.mkdir()
  (folder / 'notes.txt').touch()


def flip_all(old):
  for step in (4, 6):
    flip_numbers(pathlib.Path(old, 'checkpoints', str(step)))


def changed(made, **keys):
  return dataclasses.replace(made, config=small_run.config(**keys))


def test_a_new_folder_takes_over(made, old):
  new = old.parent / 'new'
  other = changed(made, batch_size=4, optim__learning_rate=1e-3)
  continuation.continue_as(other, old, new)
  assert steps_of(new) == [6]
  assert fingerprints_of(new, 6) == fingerprints_of(old, 6)
  assert [p.name for p in run_steps.saved(new, ('best',))] == ['4']
  assert (new / 'metrics.jsonl').exists()
  keys = {'batch_size': [8, 4], 'optim.learning_rate': [3e-3, 1e-3]}
  event = {'step': 6, 'changed': keys, 'from': str(old)}
  record = workdir.read_record(new)
  assert record['history'] == [event]
  assert record['config']['batch_size'] == 4
  note = {'workdir': str(new), 'step': 6, 'changed': keys}
  assert workdir.read_record(old)['continued_as'] == [note]
  # The old one resumes under its own values, the new one under the new.
  assert workdir.is_same_experiment(made, old)
  assert workdir.is_same_experiment(other, new)


def test_the_same_command_again_copies_nothing(made, old):
  new, other = old.parent / 'new', changed(made, batch_size=4)
  continuation.continue_as(other, old, new)
  shutil.rmtree(new / 'checkpoints' / '6')
  continuation.continue_as(other, old, new)
  assert not steps_of(new)
  assert len(workdir.read_record(old)['continued_as']) == 1


def test_a_damaged_step_is_passed_over(made, old, caplog):
  flip_numbers(pathlib.Path(old) / 'checkpoints' / '6')
  flip_numbers_of_best = old / 'best' / '4' / 'score' / 'metadata'
  flip_numbers_of_best.write_text('{')
  new = old.parent / 'new'
  continuation.continue_as(made, old, new)
  assert steps_of(new) == [4]
  assert not run_steps.saved(new, ('best',))
  assert 'checkpoint 6 of' in caplog.text
  assert 'the best parameters do not go along' in caplog.text


@pytest.mark.parametrize(
  ('keys', 'prepare', 'why'),
  [
    (
      {'seed': 3},
      None,
      r'seed: 0 there, 3 now; only the rate, .*init_from=\S+',
    ),
    ({'train__steps': 6}, None, r'is at step 6, .* raise \S*steps above 6'),
    ({}, lambda old: fill(old.parent / 'new'), 'is not empty'),
    ({}, lambda old: shutil.copytree(old, old.parent / 'new'), 'another run'),
    ({}, lambda old: shutil.rmtree(old / 'checkpoints'), 'none is saved'),
    ({}, lambda old: flip_all(old), 'step 6: .*step 4: '),
    ({}, shutil.rmtree, 'no such file'),
  ],
)
def test_what_cannot_continue(made, old, keys, prepare, why):
  if prepare:
    prepare(old)
  before = [*(old.parent / 'new').glob('*')]
  with pytest.raises(InputError, match=why):
    continuation.continue_as(changed(made, **keys), old, old.parent / 'new')
  assert [*(old.parent / 'new').glob('*')] == before


def test_a_crash_before_the_end_leaves_no_half_folder(made, old, monkeypatch):
  new = old.parent / 'new'
  with monkeypatch.context() as patch:
    patch.setattr(continuation, 'write_json', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
      continuation.continue_as(made, old, new)
  assert not new.exists()
  continuation.continue_as(made, old, new)
  assert steps_of(new) == [6]
  assert not [*old.parent.glob('.*')]


def test_steps_left_are_those_of_the_epochs_left():
  history = [{'step': 6, 'changed': {'batch_size': [8, 4]}, 'from': 'x'}]
  stages = workdir.stages_of(history)
  config = small_run.config(batch_size=4)  # Of 3 epochs.
  # 93 packed sequences, of which 48 were read.
  assert num_steps(config, 31, stages) == 6 + 12


def test_the_jump_of_the_learning_rate_is_said(caplog):
  caplog.set_level('INFO', 'biobert_jax')
  config = small_run.config(train__steps=24, batch_size=4)
  keys = {'train.steps': [None, 24], 'batch_size': [8, 4]}
  history = [{'step': 6, 'changed': keys, 'from': ''}]
  plan = Plan.of(config, 31, workdir.stages_of(history))
  continuation.log_change(config, plan, 31, history, 6)
  # 12 steps of which 1 is warmup; 24, of which 2 are.
  rates = 3e-3 * 18 / 22, 3e-3 * 6 / 11
  said = 'step 6 on the learning rate is {:.4g} instead of {:.4g}'
  assert said.format(*rates) in caplog.text
  assert 'has 24 steps instead of 12' in caplog.text
  assert 'after the 48 (1.55 epochs) read so far' in caplog.text
  caplog.clear()
  continuation.log_change(config, plan, 31, history, 7)
  continuation.log_change(config, plan, 31, [], 0)
  assert not caplog.text


@pytest.mark.parametrize('steps', [13, 5])
def test_steps_may_grow_and_not_shrink(made, old, steps):
  (old / 'results.json').write_text('{}')
  before = json.loads((old / 'config.json').read_text())
  other = changed(made, train__steps=steps)
  if steps < 12:
    why = r'train.steps: None there, 5 now; or .*--continue-as=NEWDIR .*grow'
    with pytest.raises(InputError, match=why):
      workdir.save_experiment(other, old)
    assert json.loads((old / 'config.json').read_text()) == before
    return
  assert not workdir.is_same_experiment(other, old)
  workdir.save_experiment(other, old)
  assert workdir.is_same_experiment(other, old)
  event = {'step': 6, 'changed': {'train.steps': [None, 13]}, 'from': ''}
  assert workdir.history_of(old) == [event]
  assert (old / 'results_at_step_6.json').exists()
  assert not (old / 'results.json').exists()
  # The old command no longer fits.
  with pytest.raises(InputError, match='train.steps: 13 there, None now'):
    workdir.save_experiment(made, old)


def test_a_finished_run_without_its_states_cannot_grow(made, old):
  (old / 'results.json').write_text('{}')
  shutil.rmtree(old / 'checkpoints')
  with pytest.raises(InputError, match='no checkpoints/ .*init_from='):
    workdir.save_experiment(changed(made, train__steps=20), old)
  assert (old / 'results.json').exists()


def test_a_run_resumes_though_the_one_it_started_from_trains_on(
  old, tmp_path, caplog
):
  config = small_run.config(init_from=str(old), init_from_step='6')
  tuned = epath.Path(tmp_path / 'tuned')
  workdir.save_experiment(experiment.from_config(config), tuned)
  shutil.rmtree(old / 'checkpoints' / '6')
  begun = experiment.from_config(config)
  with pytest.raises(InputError, match=r"weights_sha256: '\w{64}' there, 'del"):
    workdir.save_experiment(begun, tuned)
  # It has a state of its own, so the other's are not needed.
  (tuned / 'checkpoints' / '3').mkdir(parents=True)
  workdir.save_experiment(begun, tuned)
  assert 'has trained on since this run started from it' in caplog.text
  with pytest.raises(InputError, match='has no step 6; it has 4'):
    run_steps.read(old, config, '6')
