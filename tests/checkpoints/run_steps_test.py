"""Steps of a run: which one is meant, and what damage and deletion change."""

import pathlib
import shutil

import numpy as np
import pytest
from etils import epath

from biobert_jax.checkpoints import run_steps
from biobert_jax.checkpoints.formats import orbax_params
from biobert_jax.errors import InputError
from biobert_jax.training.checkpointing.manager import Checkpoints
from tests.fixtures import small_states
from tests.fixtures.saved_state import flip_numbers

CHOOSES = {
  'data': {'devel_split': 'devel', 'train_split': 'train'},
  'train': {'keep': 'best'},
}
KEEPS_LAST = CHOOSES | {'train': {'keep': 'last'}}
DP = small_states.layout('dp')


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """A run with the states 2, 3, 4, the best of which was 2."""
  folder = tmp_path_factory.mktemp('made')
  checkpoints = Checkpoints(epath.Path(folder), 3)
  for step in (2, 3, 4):
    state = small_states.drawn(step, step, DP)
    checkpoints.save(state)
    if step == 2:
      checkpoints.save_best(step, state.params, 0.5)
  checkpoints.close()
  return folder


@pytest.fixture
def run(made: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
  return pathlib.Path(shutil.copytree(made, tmp_path / 'run'))


def without_best(run: pathlib.Path) -> None:
  shutil.rmtree(run / 'best' / '2')


def without_states(run: pathlib.Path) -> None:
  shutil.rmtree(run / 'checkpoints')


@pytest.mark.parametrize('step', ['best', 'latest'])
def test_a_run_may_be_named_from_the_folder_it_lies_in(run, step, monkeypatch):
  monkeypatch.chdir(run.parent)
  path, params = run_steps.read(pathlib.Path(run.name), CHOOSES, step)
  number = int(path.name)
  small_states.same_bits(params, small_states.drawn(number, number, DP).params)


@pytest.mark.parametrize(
  ('change', 'config', 'step', 'found'),
  [
    (None, CHOOSES, '', 'best/2'),
    (None, CHOOSES, 'best', 'best/2'),
    (None, CHOOSES, 'latest', 'checkpoints/4'),
    (None, CHOOSES, '3', 'checkpoints/3'),
    (None, CHOOSES, '2', 'best/2'),
    (None, KEEPS_LAST, '', 'checkpoints/4'),
    (without_best, CHOOSES, '', 'checkpoints/4'),
    (without_states, KEEPS_LAST, '', 'best/2'),
  ],
)
def test_the_step_that_is_meant(run, change, config, step, found, caplog):
  caplog.set_level('INFO', 'biobert_jax')
  if change:
    change(run)
  path, params = run_steps.read(run, config, step)
  assert path == run / found
  number = int(path.name)
  small_states.same_bits(params, small_states.drawn(number, number, DP).params)
  assert f'parameters of step {number}, ' in caplog.text
  files = run / (found if 'checkpoints' in found else 'best')
  assert run_steps.weights(run, config, step) == files


@pytest.mark.parametrize(
  ('change', 'step', 'why'),
  [
    (None, '7', r'has no step 7; it has 2, 3, 4$'),
    (without_best, 'best', r'no best .*; use the step latest, or one of 2, 3'),
    (shutil.rmtree, '', 'holds no parameters; train first'),
    (lambda run: flip_numbers(run / 'checkpoints/3'), '3', '3.*; or use .* 2'),
  ],
)
def test_a_step_that_is_not_there(run, change, step, why):
  if change:
    change(run)
  with pytest.raises(InputError, match=why):
    run_steps.read(run, CHOOSES, step)


@pytest.mark.parametrize(
  'damage',
  [
    flip_numbers,
    lambda step: shutil.rmtree(step / 'guard'),
    lambda step: (step / 'state' / '_METADATA').write_text('{'),
    lambda step: shutil.copytree(
      step.parent / '3/guard', step / 'guard', dirs_exist_ok=True
    ),
  ],
)
def test_a_damaged_step_is_passed_over_as_on_resume(run, damage, caplog):
  damage(run / 'checkpoints' / '4')
  path, _ = run_steps.read(run, CHOOSES, 'latest')
  assert path == run / 'checkpoints' / '3'
  assert f'{run}/checkpoints/4' in caplog.text


def test_no_other_step_stands_in_for_the_best(run):
  flip_numbers(run / 'best/2')
  path, params = run_steps.read(run, CHOOSES, '')
  assert path == run / 'checkpoints/2'
  small_states.same_bits(params, small_states.drawn(2, 2, DP).params)
  flip_numbers(run / 'checkpoints/2')
  why = 'damaged .* no other step stands in for the best; or use step 3, 4$'
  with pytest.raises(InputError, match=why):
    run_steps.read(run, CHOOSES, '')


@pytest.mark.parametrize('step', ['latest', '', '4'])
def test_a_step_that_the_run_deletes_while_it_is_read(
  run, step, monkeypatch, caplog
):
  """Retention, as the run would: it has saved step 5 by then."""
  read, deleted = orbax_params.read_tree, []

  def late(path, *arguments):
    if not deleted:
      deleted.append(path)
      shutil.copytree(run / 'checkpoints/3', run / 'checkpoints/5')
      shutil.rmtree(run / 'checkpoints/4')
      (run / 'checkpoints/5/guard/metadata').write_text(
        (run / 'checkpoints/3/guard/metadata')
        .read_text()
        .replace('"step": 3', '"step": 5')
      )
    return read(path, *arguments)

  monkeypatch.setattr(orbax_params, 'read_tree', late)
  if step == '4':
    with pytest.raises(InputError, match=r'4: deleted .*; or use step 2, 3, 5'):
      run_steps.read(run, KEEPS_LAST, step)
    return
  path, params = run_steps.read(run, KEEPS_LAST, step)
  assert path == run / 'checkpoints' / '5'
  assert '4: deleted by the run while it was read' in caplog.text
  three = small_states.drawn(3, 3, DP).params
  small_states.same_bits(params, three)
  assert np.isfinite(params['classifier']['bias']).all()
