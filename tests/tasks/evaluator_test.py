"""The compiled evaluation step: batches, predictions, order of calls."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from biobert_jax.parallel import sharding
from biobert_jax.tasks.evaluator import (
  Evaluator,
  one_ahead,
  prepare_keys,
  row_keys,
)
from tests.fixtures.small_task import TASK, make_batch


class Batches:
  """Packed sequences that are given batch by batch."""

  max_seq_length = 8
  num_rows = 32

  def __init__(self, *batches):
    self._batches = batches

  def feature_shapes(self, batch_size):
    names = make_batch(0, 1)
    shapes = dict.fromkeys(names, (batch_size, 8))
    return shapes | {'row_ids': (batch_size,)}

  def train_batch(self, step, batch_size, host=0, hosts=1):
    raise NotImplementedError

  def eval_batches(self, batch_size):
    for batch in self._batches:
      assert len(batch['row_ids']) == batch_size
      yield batch | {'words': np.zeros((batch_size, 8))}


def test_predictions_are_those_of_the_task():
  mesh = sharding.make_mesh('dp', 1, jax.devices()[:4])
  rows = Batches(make_batch(1, 12), make_batch(2, 12))
  # A multiple of the devices.
  evaluator = Evaluator(TASK, mesh, 'dp', 9, rows.feature_shapes).compile()
  assert evaluator.batch_size == 12
  params = jax.jit(TASK.init)(jax.random.key(0))
  placed = jax.device_put(params, evaluator.param_shardings)
  found = list(evaluator.run(placed, rows))
  assert len(found) == 2
  for batch, predicted in found:
    assert 'words' in batch  # What the device does not need is kept.
    arrays = {n: jax.numpy.asarray(batch[n]) for n in make_batch(0, 1)}
    logits = jax.jit(TASK.apply)(params, arrays)
    np.testing.assert_array_equal(predicted['label'], logits.argmax(-1))


def test_the_next_batch_is_dispatched_before_the_last_is_read():
  calls = []

  def dispatch(batch):
    calls.append(f'dispatch {batch["n"]}')
    return batch['n'] * 10

  def advance():
    calls.append('advance')

  one, two = ({'n': np.asarray(n)} for n in (1, 2))
  outputs = one_ahead(dispatch, [one, two], advance)
  assert next(outputs) == (one, 10)
  assert calls == ['dispatch 1', 'advance', 'dispatch 2']
  assert list(outputs) == [(two, 20)]
  assert calls[3:] == ['advance']


def test_advance_may_stop_it():
  def advance():
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    list(one_ahead(lambda batch: batch, [{}], advance))


# Keys of packed sequences, whatever the batch, the mesh and the generator.
ROW_IDS = jnp.arange(4)


def bits_of(keys):
  return np.asarray(jax.random.key_data(keys))


def test_a_key_belongs_to_the_index_in_the_global_batch():
  key = jax.random.key(1)
  whole = bits_of(row_keys(key, ROW_IDS))
  assert len({tuple(row) for row in whole}) == 4
  part = bits_of(row_keys(key, ROW_IDS[2:]))
  np.testing.assert_array_equal(part, whole[2:])


def test_masks_are_the_same_with_every_generator():
  plain = bits_of(prepare_keys(jax.random.key(1), ROW_IDS))
  hardware = jax.random.key(1, impl='rbg')
  np.testing.assert_array_equal(bits_of(prepare_keys(hardware, ROW_IDS)), plain)


def test_masks_and_dropout_draw_by_different_keys():
  key = jax.random.key(1)
  masks = {tuple(row) for row in bits_of(prepare_keys(key, ROW_IDS))}
  dropout = {tuple(row) for row in bits_of(row_keys(key, ROW_IDS))}
  assert not masks & dropout
