"""Bad batches are skipped, bad shards are named; neither is trained on."""

import pathlib
import shutil

import jaxtyping
import numpy as np
import pytest

from biobert_jax import errors
from biobert_jax.data import input_pipeline
from biobert_jax.data.pretraining.manifest import HELD_OUT, MANIFEST, TRAIN
from biobert_jax.training import train
from tests.fault_injection.children import LAST
from tests.fixtures import small_corpus, small_run
from tests.fixtures.saved_state import fingerprints_of, leaves_of, steps_of

EVERY_STEP = {
  'train__checkpoint_every_steps': 1,
  'train__keep_checkpoints': 20,
  # Nothing but steps.
  'data__devel_split': '',
  'data__test_split': '',
}


def poisoned_from(first, count):
  """`pipeline.train_batches` of which some give a NaN.

  A piece that the vocabulary does not have reads NaN from the embeddings.
  """
  original = input_pipeline.train_batches

  def batches(*arguments, start_step, **options):
    made = original(*arguments, start_step=start_step, **options)
    for step, batch in enumerate(made, start_step + 1):
      if first <= step < first + count:
        batch = batch | {'input_ids': np.full_like(batch['input_ids'], 10**6)}
      yield batch

  return batches


def of_optimizer(fingerprints):
  """Checksums of parameters and moments."""
  return {
    name: digits
    for name, digits in fingerprints.items()
    if name.startswith(('params/', 'opt_state/'))
  }


def test_a_bad_batch_changes_nothing(tmp_path, monkeypatch, caplog):
  config, count = small_run.config(train__max_skipped_steps=3, **EVERY_STEP), 2
  monkeypatch.setattr(input_pipeline, 'train_batches', poisoned_from(4, count))
  train.train(config, str(tmp_path))
  found = {step: fingerprints_of(tmp_path, step) for step in steps_of(tmp_path)}
  assert len(found) == LAST
  assert 'step 4 is skipped: loss nan' in caplog.text
  for step in range(4, 4 + count):
    assert of_optimizer(found[step]) == of_optimizer(found[3])
    assert found[step]['skipped'] != found[step - 1]['skipped']
  assert of_optimizer(found[4 + count]) != of_optimizer(found[3])
  # In all, and in a row: the last field of the state.
  skipped = leaves_of(tmp_path, LAST)
  assert any(np.array_equal(leaf, [count, 0]) for leaf in skipped)


def test_bad_batches_in_a_row_end_the_run(tmp_path, monkeypatch, capsys):
  config = small_run.config(train__max_skipped_steps=3, **EVERY_STEP)
  monkeypatch.setattr(input_pipeline, 'train_batches', poisoned_from(5, 100))
  code = errors.exit_code_of(lambda: train.train(config, str(tmp_path)))
  assert code == errors.EXIT_DIVERGED
  said = capsys.readouterr().err
  assert said.startswith('diverged: loss nan')
  assert '3 steps in a row' in said
  steps = steps_of(tmp_path)
  # The parameters of the last good step, to the bit.
  last = fingerprints_of(tmp_path, steps[-1])
  assert of_optimizer(last) == of_optimizer(fingerprints_of(tmp_path, 4))
  assert all(np.isfinite(leaf).all() for leaf in leaves_of(tmp_path, steps[-1]))


@pytest.fixture(scope='module')
def shards(tmp_path_factory):
  return small_corpus.make(tmp_path_factory.mktemp('corpus'), held_out=0.2)


def shard_of(folder: pathlib.Path, split: str = TRAIN) -> pathlib.Path:
  return sorted(folder.glob(f'*-{split}.array_record-*'))[0]


def cut_at_the_end_of_a_record(folder):
  """As a copy that was broken off between two blocks."""
  path = shard_of(folder)
  path.write_bytes(
    path.read_bytes()[: (path.stat().st_size - 1) // 65536 * 65536]
  )
  return path


def cut_in_the_middle(folder):
  path = shard_of(folder)
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  return path


def flip(folder):
  path = shard_of(folder)
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 0x10
  path.write_bytes(bytes(data))
  return path


def empty(folder):
  path = shard_of(folder)
  path.write_bytes(b'')
  return path


def twice(folder):
  """A file that was joined to itself."""
  path = shard_of(folder)
  path.write_bytes(2 * path.read_bytes())
  return path


def superfluous(folder):
  """A shard twice under two names."""
  path = shard_of(folder)
  other = path.with_name(path.name.replace('-00000-', '-00007-'))
  shutil.copy(path, other)
  return other


def another(folder):
  """Whole, but that of the other split."""
  path = shard_of(folder)
  shutil.copy(shard_of(folder, HELD_OUT), path)
  return path


def gone(folder):
  path = shard_of(folder)
  path.unlink()
  return path


def no_manifest(folder):
  path = folder / MANIFEST
  path.write_text('{')
  return path


@pytest.mark.parametrize(
  'harm',
  [
    cut_at_the_end_of_a_record,
    cut_in_the_middle,
    flip,
    empty,
    twice,
    superfluous,
    another,
    gone,
    no_manifest,
  ],
)
def test_a_bad_shard_is_named(shards, tmp_path, capsys, harm):
  folder, workdir = tmp_path / 'shards', tmp_path / 'run'
  shutil.copytree(shards, folder)
  path = harm(folder)
  config = small_run.pretraining(str(folder), data__verify='all')
  code = errors.exit_code_of(lambda: train.train(config, str(workdir)))
  assert code == errors.EXIT_BAD_INPUT
  said = capsys.readouterr().err
  assert str(path) in said
  assert said.count('\n') == 1
  # Before the first step.
  assert not (workdir / 'metrics.jsonl').exists()


def test_a_flip_that_no_hash_was_taken_of_is_found_on_reading(
  shards, tmp_path, capsys, monkeypatch
):
  """With `verify=sizes`, by the checksum of the record's block."""
  folder, workdir = tmp_path / 'shards', tmp_path / 'run'
  shutil.copytree(shards, folder)
  path = flip(folder)
  # Checking types, beartype reads some record of the shards by itself.
  monkeypatch.setattr(jaxtyping.config, 'jaxtyping_disable', True)
  config = small_run.pretraining(str(folder), data__verify='sizes')
  code = errors.exit_code_of(lambda: train.train(config, str(workdir)))
  assert code == errors.EXIT_BAD_INPUT
  said = capsys.readouterr().err
  assert str(path) in said
  assert 'record' in said
