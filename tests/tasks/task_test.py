"""The record of a task, its modules, and predictions in order."""

import jax
import numpy as np
import pytest

from biobert_jax.errors import DivergedError
from biobert_jax.tasks import datasets
from biobert_jax.tasks import task as tasks
from biobert_jax.training.experiment import TASKS
from tests.fixtures.small_task import TASK, make_batch


@pytest.mark.parametrize('name', TASKS)
def test_every_task_is_a_task_module(name):
  module = TASKS[name]
  members = {m for m in vars(tasks.TaskModule) if not m.startswith('_')}
  assert members == {
    *('PANELS', 'RANGES', 'validate'),
    *('task_of', 'tokenizer_of', 'dataset_of', 'shapes_of'),
  }
  for member in members:
    assert hasattr(module, member), member


def test_the_module_is_given_the_inputs_of_a_batch():
  params = TASK.init(jax.random.key(0))
  batch = {name: jax.numpy.asarray(x) for name, x in make_batch(0, 4).items()}
  logits = TASK.apply(params, batch)
  assert logits.shape == (4, 8, 3)
  others = batch | {'labels': batch['labels'] * 0}
  np.testing.assert_array_equal(TASK.apply(params, others), logits)
  assert TASK.prepare(batch, jax.random.split(jax.random.key(1), 4)) is batch


def batches_of(*indices):
  """Batches [2, 2] whose prediction is ten times the index, and one more."""
  for index in indices:
    array = np.asarray(index)
    yield {'examples': array}, {'a': array * 10.0, 'b': array * 10.0 + 1}


def test_predictions_come_in_the_order_of_the_examples():
  outputs = batches_of([[3, 0], [-1, 2]], [[1, -1], [-1, -1]])
  a, b = datasets.scatter(outputs, {'a': (4,), 'b': (4,)}, 'examples', 'pairs')
  np.testing.assert_array_equal(a, [0, 10, 20, 30])
  np.testing.assert_array_equal(b, a + 1)
  assert a.dtype == np.float32


def test_an_example_without_a_prediction_is_our_fault():
  outputs = batches_of([[3, 0], [-1, -1]])
  with pytest.raises(RuntimeError, match='2 pairs got no prediction'):
    datasets.scatter(outputs, {'a': (4,)}, 'examples', 'pairs')


@pytest.mark.parametrize('wrong', [np.nan, -np.inf])
def test_an_output_that_is_not_finite_is_named(wrong):
  """An argmax over NaN would choose the first label."""
  values = np.asarray([[[1.0, 2.0], [wrong, 0.0]]])
  outputs = iter([({'examples': np.asarray([[0, 1]])}, {'logits': values})])
  message = 'the output logits is not finite .* for 1 sequences of 2'
  with pytest.raises(DivergedError, match=message):
    datasets.merge(outputs, 'logits', 2, 2)
  # Where nothing is asked for, it may be anything.
  outputs = iter([({'examples': np.asarray([[0, -1]])}, {'logits': values})])
  assert datasets.merge(outputs, 'logits', 1, 2).tolist() == [[1.0, 2.0]]


def test_sequences_have_several_values():
  index = np.asarray([[1, -1], [0, 2]])
  values = np.arange(12).reshape(2, 2, 3)
  outputs = iter([({'examples': index}, {'logits': values})])
  merged = datasets.merge(outputs, 'logits', 3, 3)
  np.testing.assert_array_equal(merged, [[6, 7, 8], [0, 1, 2], [9, 10, 11]])
