"""The loop (`training/train.py`) as a user meets it: runs on the sample."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from etils import epath

from biobert_jax import errors
from biobert_jax.checkpoints.formats import orbax_params
from biobert_jax.data import packing
from biobert_jax.training import (
  evaluate,
  experiment,
  preemption,
  run_log,
  train,
  train_step,
)
from tests.fixtures import small_run
from tests.fixtures.compiler_flags import QUICK
from tests.fixtures.saved_state import (
  fingerprints_of,
  flip_numbers,
  leaves_of,
  steps_of,
)

ROOT = pathlib.Path(__file__).parents[2]
# A shell's background job, as which the tests may run, ignores Ctrl-C.
_COMMAND_LINE = """
import signal, sys
from biobert_jax.commands.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


def records(folder: pathlib.Path) -> list[dict]:
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """An unbroken run, its report, and the compilations it caused."""
  folder = tmp_path_factory.mktemp('whole')
  compiled: list[tuple[str, int]] = []
  steps = {'done': 0}

  def listen(event: str, duration: float, **_):
    del duration
    if 'backend_compile' in event:
      compiled.append((event, steps['done']))

  original = run_log.Log.step

  def counting(self, step, figures):
    steps['done'] = step
    original(self, step, figures)

  jax.monitoring.register_event_duration_secs_listener(listen)
  run_log.Log.step = counting
  try:
    report = train.train(small_run.config(), str(folder))
  finally:
    run_log.Log.step = original
    jax.monitoring.clear_event_listeners()
  return folder, report, compiled


def test_learns_and_reports(whole):
  folder, report, _ = whole
  assert set(report['results']) == {'devel', 'test'}
  assert {'precision', 'recall', 'f1', 'per_type'} <= set(
    report['results']['test']
  )
  assert json.loads((folder / 'results.json').read_text()) == report
  losses = [r['train/loss'] for r in records(folder) if 'train/loss' in r]
  assert losses[-1] < 0.8 * losses[0]
  for name in ('curves.png', 'predictions_test.tsv', 'errors_test.tsv'):
    assert (folder / name).stat().st_size > 0
  assert list((folder / 'tensorboard').iterdir())


def test_every_gold_token_has_one_prediction(whole):
  folder, _, _ = whole
  gold = (ROOT / 'biobert_jax/sample/ner/test.tsv').read_text().split('\n')
  pairs = [line.split('\t') for line in gold if line.strip()]
  predicted = (folder / 'predictions_test.tsv').read_text().split('\n')
  triples = [line.split('\t') for line in predicted if line.strip()]
  assert [triple[:2] for triple in triples] == pairs


def test_nothing_compiles_after_the_first_step(whole):
  _, _, compiled = whole
  assert any(step == 0 for _, step in compiled), 'the listener heard nothing'
  # Small host-side programs of the first step, its figures and the first
  # checkpoint may compile once; from the second evaluation on nothing may.
  late = [event for event, step in compiled if step > 6]
  assert not late


def test_waits_little_for_input(whole):
  folder, _, _ = whole
  waits = [r.get('train/input_wait_fraction') for r in records(folder)]
  assert all(0 <= w < 1 for w in waits if w is not None)


# 6: in the middle, where devel is scored.
@pytest.mark.parametrize('stop_at', [1, 6])
def test_resumed_run_has_the_bytes_of_an_unbroken_one(
  whole, tmp_path, monkeypatch, stop_at
):
  folder, report, _ = whole
  total = records(folder)[-1]['step']
  check = preemption.Preemption.check

  def preempt(self, state, save, flush):
    if int(state.step) == stop_at:
      self.requested = True
    check(self, state, save, flush)

  with monkeypatch.context() as patch:
    patch.setattr(preemption.Preemption, 'check', preempt)
    with pytest.raises(errors.PreemptedError, match=f'step {stop_at}'):
      train.train(small_run.config(), str(tmp_path))
  again = train.train(small_run.config(), str(tmp_path))
  assert again['results'] == report['results']
  assert again['step'] == report['step']
  wanted, got = leaves_of(folder, total), leaves_of(tmp_path, total)
  assert len(wanted) == len(got) > 10
  for a, b in zip(wanted, got, strict=True):
    np.testing.assert_array_equal(a, b)
  curve, resumed = (
    {r['step']: r['train/loss'] for r in records(f) if 'train/loss' in r}
    for f in (folder, tmp_path)
  )
  assert curve == resumed
  assert len(curve) == total


def test_another_config_is_refused_and_nothing_is_overwritten(whole):
  folder, _, _ = whole
  before = {p: p.stat().st_mtime_ns for p in folder.rglob('*') if p.is_file()}
  with pytest.raises(errors.InputError, match='seed: 0 there, 7 now'):
    train.train(small_run.config(seed=7), str(folder))
  after = {p: p.stat().st_mtime_ns for p in folder.rglob('*') if p.is_file()}
  assert before == after


def test_divergence_stops_and_keeps_good_checkpoints(tmp_path, caplog):
  config = small_run.config(
    optim__skip_norm=1e-9,
    train__max_skipped_steps=3,
    train__checkpoint_every_steps=1,
  )
  what = 'at step 3: 3 steps in a row had to be skipped'
  with pytest.raises(errors.DivergedError, match=what):
    train.train(config, str(tmp_path / 'bad'))
  assert 'step 1 is skipped: loss ' in caplog.text
  kept = [int(p.name) for p in (tmp_path / 'bad' / 'checkpoints').iterdir()]
  assert kept
  assert max(kept) <= 3


def test_train_dev_is_concatenated_and_does_not_choose(tmp_path, caplog):
  caplog.set_level('INFO')
  config = small_run.config(data__train_split='train_dev', train__epochs=1.0)
  report = train.train(config, str(tmp_path))
  assert 'no selection on the dev set' in caplog.text
  assert report['step'] == records(tmp_path)[-1]['step']


def test_a_finished_run_is_not_run_again(whole, tmp_path, caplog, monkeypatch):
  caplog.set_level('INFO')
  folder, report, _ = whole
  moved = tmp_path / 'moved'
  shutil.copytree(folder, moved)
  before = {p: p.stat().st_mtime_ns for p in moved.rglob('*') if p.is_file()}

  def never(*_, **__):
    raise AssertionError('it was run again')

  with monkeypatch.context() as patch:
    patch.setattr(train_step, 'step_of', never)
    patch.setattr(packing.PackedRows, '__init__', never)
    again = train.train(small_run.config(), str(moved))
    assert again == report | {'workdir': str(moved)}
    assert f'already finished: the parameters of step {again["step"]} ' in (
      caplog.text
    )
    assert 'scores (%)' in caplog.text
    with pytest.raises(errors.InputError, match='seed: 0 there, 7 now'):
      train.train(small_run.config(seed=7), str(moved))
  after = {p: p.stat().st_mtime_ns for p in moved.rglob('*') if p.is_file()}
  assert before == after
  # A report that is not whole is written again.
  (moved / 'results.json').write_text('{"step"')
  again = train.train(small_run.config(), str(moved))
  assert again['results'] == report['results']
  assert json.loads((moved / 'results.json').read_text()) == again


def test_a_finished_run_with_damaged_checkpoints_is_not_called_finished(
  whole, tmp_path, caplog
):
  caplog.set_level('INFO')
  folder, report, _ = whole
  damaged = tmp_path / 'damaged'
  shutil.copytree(folder, damaged)
  steps = steps_of(damaged)
  assert len(steps) > 1
  # The last one alone: the run is taken up before it, and finishes as before.
  flip_numbers(damaged / 'checkpoints' / str(steps[-1]))
  again = train.train(small_run.config(), str(damaged))
  assert 'already finished' not in caplog.text
  assert f'resumed at step {steps[-2]} of ' in caplog.text
  assert again['results'] == report['results']
  # All of them: an error, and all stays as it was.
  for step in steps_of(damaged):
    flip_numbers(damaged / 'checkpoints' / str(step))
  caplog.clear()
  with pytest.raises(errors.InputError, match='no checkpoint can be read'):
    train.train(small_run.config(), str(damaged))
  assert errors.InputError.exit_code == errors.EXIT_BAD_INPUT == 3
  assert 'already finished' not in caplog.text


def test_training_without_tensorflow_says_what_to_install(
  tmp_path, monkeypatch
):
  monkeypatch.setitem(sys.modules, 'tensorflow', None)
  monkeypatch.delitem(
    sys.modules, 'biobert_jax.data.input_pipeline', raising=False
  )
  monkeypatch.delattr('biobert_jax.data.input_pipeline', raising=False)
  with pytest.raises(
    errors.InputError, match=r"pip install 'biobert-jax\[train\]'"
  ):
    train.train(small_run.config(), str(tmp_path / 'run'))
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
  ('number', 'code'),
  [
    (signal.SIGTERM, errors.EXIT_PREEMPTED),
    (signal.SIGINT, errors.EXIT_INTERRUPTED),
  ],
)
def test_a_signal_saves_and_asks_to_be_run_again(tmp_path, number, code):
  """A real signal to a real process."""
  command = [
    *(sys.executable, '-c', _COMMAND_LINE, 'train'),
    *('--config=configs/quickstart.py:tiny', f'--workdir={tmp_path}'),
    *('--config.model.hidden_size=32', '--config.train.epochs=200'),
    *('--config.model.num_hidden_layers=1', '--config.train.log_every_steps=1'),
  ]
  environment = os.environ | {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': QUICK}
  log = tmp_path / 'metrics.jsonl'
  with (tmp_path.parent / 'log').open('w') as stderr:
    process = subprocess.Popen(
      command,
      cwd=ROOT,
      env=environment,
      stderr=stderr,
      stdout=stderr,
    )
    deadline = time.monotonic() + 400
    while not (log.exists() and log.stat().st_size > 500):
      assert process.poll() is None, (tmp_path.parent / 'log').read_text()
      assert time.monotonic() < deadline
      time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(120) == code
  said = (tmp_path.parent / 'log').read_text()
  assert 'run the same command again' in said
  assert any((tmp_path / 'checkpoints').iterdir())


def test_another_folder_continues_with_the_same_bits(whole, tmp_path):
  """As if it had been stopped at step 10: nothing but the folder changes."""
  folder, report, _ = whole
  old, new = tmp_path / 'old', tmp_path / 'new'
  shutil.copytree(folder, old)
  shutil.rmtree(old / 'checkpoints' / '12')
  again = train.train(small_run.config(), str(old), str(new))
  assert fingerprints_of(new, 12) == fingerprints_of(folder, 12)
  assert again['results'] == report['results']
  assert json.loads((old / 'config.json').read_text())['continued_as']


def test_a_finished_run_is_trained_for_longer(whole, tmp_path, caplog):
  caplog.set_level('INFO', 'biobert_jax')
  folder, _, _ = whole
  longer = tmp_path / 'longer'
  shutil.copytree(folder, longer)
  # Of the last alone, and for good of each thirteenth.
  keep = {'train__keep_checkpoints': 1, 'train__keep_every_steps': 13}
  config = small_run.config(train__steps=14, **keep)
  report = train.train(config, str(longer))
  assert steps_of(longer) == [13, 14]
  assert 'resumed at step 12 of 14' in caplog.text
  # The old schedule had ended; of the new one two steps are left.
  rate = 3e-3 * 2 / 13
  assert f'from step 12 on the learning rate is {rate:.4g} instead of 0' in (
    caplog.text
  )
  last = [r for r in records(longer) if 'train/learning_rate' in r][-2:]
  rates = [r['train/learning_rate'] for r in last]
  assert rates == pytest.approx([rate, rate / 2])
  assert json.loads((longer / 'results.json').read_text()) == report
  assert (longer / 'results_at_step_12.json').exists()
  # One of its steps is scored beside the best, and another run starts there.
  found = evaluate.evaluate(str(longer), 'test', step='latest')
  assert found['step'] == 14
  assert (longer / 'step_14' / 'predictions_test.tsv').exists()
  begun = small_run.config(init_from=str(longer), init_from_step='13')
  made = experiment.from_config(begun)
  shapes = jax.eval_shape(made.task.init, jax.random.key(0))
  _, arrays = experiment.load_weights(made, shapes)
  path = longer / 'checkpoints' / '13'
  state = orbax_params.read_tree(
    epath.Path(path / 'state'), epath.Path(path / 'guard')
  )
  np.testing.assert_array_equal(
    arrays['classifier/kernel'], state['params']['classifier']['kernel']
  )
