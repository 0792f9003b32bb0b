"""The work folder: full, wanted by two runs, or of another experiment."""

import contextlib
import dataclasses
import os
import shutil
import signal
import time

import numpy as np
import pytest
from etils import epath
from ml_collections import ConfigDict

from biobert_jax import errors
from biobert_jax.commands import main
from biobert_jax.training import experiment, train, workdir
from biobert_jax.training.monitoring import goodput
from tests.fault_injection import children
from tests.fault_injection.children import LAST, MIDDLE
from tests.fixtures import small_run
from tests.fixtures.saved_state import fingerprints_of, leaves_of, steps_of


# Orbax's threads, when what they wait for has failed.
@pytest.mark.filterwarnings(
  'ignore::pytest.PytestUnraisableExceptionWarning',
  'ignore::pytest.PytestUnhandledThreadExceptionWarning',
)
def test_a_full_disk(whole, small_disk, capsys):
  """Seen at once; what lay there before is whole; with room it goes on."""
  folder = small_disk('5m') / 'run'
  every = small_run.config(
    train__checkpoint_every_steps=1, train__keep_checkpoints=20
  )
  code = errors.exit_code_of(lambda: train.train(every, str(folder)))
  assert code == errors.EXIT_FAILED
  said = capsys.readouterr().err
  assert said.count('\n') == 1
  assert said.startswith(f'not saved: {folder}')
  assert 'free some space' in said
  steps = steps_of(folder)
  assert 1 <= len(steps) < LAST, 'the disk was too large, or too small'
  took = [e['last'] for e in goodput.read(folder) if e['event'] == 'steps']
  # The save that failed, and at most one step on.
  assert max(took, default=0) <= steps[-1] + 2
  for step in steps:
    assert all(np.isfinite(x).all() for x in leaves_of(folder, step))
  small_disk('64m')
  train.train(every, str(folder))
  assert set(steps) <= set(steps_of(folder))
  assert fingerprints_of(folder, LAST) == fingerprints_of(whole, LAST)
  assert not (folder / 'checkpoints_damaged').exists()


def test_scores_on_a_full_disk(whole, small_disk, capsys):
  folder = small_disk('5m') / 'run'
  shutil.copytree(whole, folder)
  (folder / 'predictions_devel.tsv').unlink(missing_ok=True)
  before = contents_of(folder)
  small_disk('5m', filled=True)
  assert main.main(['evaluate', f'--workdir={folder}', '--split=devel']) == 1
  said = capsys.readouterr().err.splitlines()[-1]
  assert said.startswith(f'not saved: {folder}/')
  assert contents_of(folder) == before


def test_two_runs_in_one_folder(tmp_path, cache, whole):
  """The first is cut off, comes back, and must not write."""
  folder = tmp_path / 'run'
  fault = {'fault': 'SIGSTOP', 'at': 4}
  with children.job(folder, cache=cache, **fault) as (first,):
    first.landed_at()
    time.sleep(0.5)
    train.train(small_run.config(), str(folder))
    after = contents_of(folder)
    first.send_signal(signal.SIGCONT)
    assert first.wait(60) == errors.EXIT_BAD_INPUT, first.said
    assert 'taken over: ' in first.said
    assert f'process {os.getpid()} on' in first.said
    assert 'must not be started again' in first.said
  assert contents_of(folder) == after
  for step in steps_of(folder):
    assert leaves_of(folder, step)
  assert fingerprints_of(folder, LAST) == fingerprints_of(whole, LAST)


def contents_of(folder):
  """Every file but TensorBoard's, with its bytes."""
  return {
    path.relative_to(folder): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file() and 'tfevents' not in path.name
  }


def test_a_step_that_was_left_behind_is_not_in_the_way(tmp_path, whole):
  """A rollback: what lies after it is another future."""
  folder = tmp_path / 'run'
  shutil.copytree(whole, folder)
  steps = steps_of(folder)
  assert steps[-3:] == [MIDDLE, 10, LAST]
  # Removed by hand, except the last, which then lacks its record.
  shutil.rmtree(folder / 'checkpoints' / '10')
  shutil.rmtree(folder / 'checkpoints' / str(LAST) / 'guard')
  train.train(small_run.config(), str(folder))
  assert {10, LAST} <= set(steps_of(folder))
  assert (folder / 'checkpoints_damaged' / str(LAST)).exists()
  assert fingerprints_of(folder, LAST) == fingerprints_of(whole, LAST)


def another(key: str, value: object) -> object:
  """A value of the same type that is not the old one."""
  if isinstance(value, bool):
    return not value
  if isinstance(value, int | float):
    return value + 1
  if isinstance(value, str):
    return value + '_'
  if isinstance(value, list):
    return [*value, 'balanced']
  assert value is None, key
  return 7


def fixed_keys() -> list[str]:
  flat = experiment.flatten(small_run.config())
  return [
    key for key in flat if not key.startswith(workdir.RESUMABLE_OVERRIDES)
  ]


@pytest.fixture(scope='module')
def opened(tmp_path_factory):
  """An experiment and a folder that holds it."""
  folder = epath.Path(tmp_path_factory.mktemp('opened'))
  found = experiment.from_config(small_run.config())
  workdir.save_experiment(found, folder)
  return found, folder


@pytest.mark.parametrize('key', fixed_keys())
def test_no_fixed_key_may_drift(opened, key):
  found, folder = opened
  before = {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
  old = experiment.flatten(found.config)[key]
  old = list(old) if isinstance(old, tuple) else old  # As the record holds it.
  new = another(key, old)
  config = ConfigDict(found.config.to_dict(), type_safe=False)
  config.update_from_flattened_dict({key: new})
  changed = dataclasses.replace(found, config=config)
  with pytest.raises(errors.InputError) as raised:
    workdir.save_experiment(changed, folder)
  assert raised.value.exit_code == errors.EXIT_BAD_INPUT
  assert f'{key}: {old!r} there, {new!r} now' in str(raised.value)
  assert before == {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_fixed_keys_are_most():
  assert len(fixed_keys()) > 30
  for key in ('seed', 'batch_size', 'optim.learning_rate', 'train.epochs'):
    assert key in fixed_keys()


@pytest.mark.parametrize(
  'change',
  [
    lambda e: {'labels': (*e.labels, 'B-Other')},
    lambda e: {'bert': e.bert.replace(num_hidden_layers=3)},
  ],
)
def test_nor_what_was_read(opened, change):
  found, folder = opened
  changed = dataclasses.replace(found, **change(found))
  with pytest.raises(errors.InputError, match='there, .* now'):
    workdir.save_experiment(changed, folder)


def test_nor_the_corpus(opened, tmp_path):
  found, folder = opened
  corpus = tmp_path / 'corpus'
  shutil.copytree(found.config.data.dir, corpus)
  workdir.save_experiment(
    experiment.from_config(small_run.config(data__dir=str(corpus))), folder
  )
  path = corpus / 'devel.tsv'
  # A label, so that the vocabulary is as before.
  text = path.read_text('utf-8')
  path.write_text(text.replace('\tB-Disease', '\tB-Chemical', 1), 'utf-8')
  drifted = experiment.from_config(small_run.config(data__dir=str(corpus)))
  with pytest.raises(errors.InputError, match='data_sha256: .* there, .* now'):
    workdir.save_experiment(drifted, folder)


def test_a_run_that_was_refused_takes_nothing(whole, tmp_path):
  """A wrong config must not stop the run that has the folder."""
  folder = tmp_path / 'run'
  shutil.copytree(whole, folder)
  before = contents_of(folder)
  with contextlib.suppress(errors.InputError):
    train.train(small_run.config(seed=3), str(folder))
    pytest.fail('it was not refused')
  assert contents_of(folder) == before
