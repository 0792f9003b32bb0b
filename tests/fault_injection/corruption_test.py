"""Damaged checkpoints: never taken for whole, never the end of a run."""

import collections
import random
import shutil

import jax
import numpy as np
from etils import epath

from biobert_jax import errors
from biobert_jax.training import train
from biobert_jax.training.checkpointing import manager
from tests.fault_injection import saver
from tests.fault_injection.children import LAST
from tests.fixtures import small_run
from tests.fixtures.saved_state import fingerprints_of, flip_numbers, steps_of

FLIPS = 6  # Random bits of each file, one a trial.


def delete(path, rng):
  del rng
  path.unlink()


def truncate(path, rng):
  data = path.read_bytes()
  path.write_bytes(data[: rng.randrange(len(data))])


def zero(path, rng):
  del rng
  path.write_bytes(bytes(len(path.read_bytes())))


def append(path, rng):
  path.write_bytes(path.read_bytes() + rng.randbytes(16))


def flip(path, rng):
  data = bytearray(path.read_bytes())
  data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
  path.write_bytes(bytes(data))


HARMS = (delete, truncate, zero, append, *[flip] * FLIPS)


def files_of(folder):
  return sorted(p for p in folder.rglob('*') if p.is_file())


def same_state(one, other):
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
    if np.asarray(a).tobytes() != np.asarray(b).tobytes():
      return False
  return True


def test_every_file_of_the_latest_step(tmp_path, caplog):
  """{delete, truncate, zero, append, flip} x every file, two good steps."""
  good, rng = tmp_path / 'good', random.Random(0)
  one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  abstract = jax.eval_shape(lambda: saver.state_at(1))
  places = jax.tree.map(lambda _: one, abstract)
  checkpoints = manager.Checkpoints(epath.Path(good), 3)
  for step in (1, 2, 3):
    checkpoints.save(jax.device_put(saver.state_at(step), one))
  checkpoints.close()
  wanted = {step: saver.state_at(step) for step in (1, 2, 3)}
  latest = good / 'checkpoints' / '3'
  names = [p.relative_to(good) for p in files_of(latest)]
  assert len(names) > 8
  seen: collections.Counter[str] = collections.Counter()
  trials = [(name, harm) for name in names for harm in HARMS]
  for number, (name, harm) in enumerate(trials):
    folder = tmp_path / str(number)
    shutil.copytree(good, folder)
    before = (folder / name).read_bytes()
    harm(folder / name, rng)
    assert harm is delete or (folder / name).read_bytes() != before
    caplog.clear()
    checkpoints = manager.Checkpoints(epath.Path(folder), 3)
    restored = checkpoints.restore(abstract, places)
    checkpoints.close()
    step = int(restored.step)
    assert same_state(restored, wanted[step]), f'wrong: {harm.__name__} {name}'
    if step == 3:
      seen['harmless'] += 1
    else:
      assert step == 2, f'{harm.__name__} {name}'
      assert 'checkpoint 3 in' in caplog.text
      seen['fell back'] += 1
      seen['by fingerprint'] += 'from its fingerprint' in caplog.text
      aside = folder / 'checkpoints_damaged' / '3'
      assert len(files_of(aside)) >= len(names) - 1
    shutil.rmtree(folder)
  assert seen['harmless'] + seen['fell back'] == len(trials)
  # What Orbax alone would have taken for whole.
  assert seen['by fingerprint'] >= 3, seen
  assert seen['fell back'] >= len(trials) // 4, seen
  print(f'{len(trials)} harms: {dict(seen)}')


def test_a_run_goes_on_from_the_step_before(whole, tmp_path, caplog):
  folder = tmp_path / 'run'
  shutil.copytree(whole, folder)
  assert steps_of(folder)[-2:] == [10, LAST]
  flip_numbers(folder / 'checkpoints' / str(LAST))
  caplog.set_level('INFO')
  train.train(small_run.config(), str(folder))
  assert 'resumed at step 10 of 12' in caplog.text
  # Its last step is saved again, as it was.
  assert steps_of(folder)[-1] == LAST
  assert fingerprints_of(folder, LAST) == fingerprints_of(whole, LAST)
  assert (folder / 'checkpoints_damaged' / str(LAST)).exists()


def test_a_run_without_any_whole_step_does_not_begin_again(
  whole, tmp_path, capsys
):
  folder = tmp_path / 'run'
  shutil.copytree(whole, folder)
  steps = steps_of(folder)
  assert len(steps) > 1
  for step in steps:
    flip_numbers(folder / 'checkpoints' / str(step))
  code = errors.exit_code_of(
    lambda: train.train(small_run.config(), str(folder))
  )
  assert code == errors.EXIT_BAD_INPUT
  said = capsys.readouterr().err
  assert said.count('\n') == 1
  for step in steps:
    assert f'step {step}: ' in said
  # As they were, for whoever can repair them.
  assert steps_of(folder) == steps
  assert not (folder / 'checkpoints_damaged').exists()
