"""tf.data: (rows, seed, step) to this host's batches, ahead of the device."""

import os
from collections.abc import Iterator

# Its C++ side writes banners and hardware remarks to standard error.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')

import tensorflow as tf

from biobert_jax.data.packing import FEATURES, Batch, PackedRows


def train_dataset(
  rows: PackedRows,
  *,
  batch_size: int,
  start_step: int,
  num_steps: int,
  host: int = 0,
  hosts: int = 1,
) -> tf.data.Dataset:
  """Training batches of steps `start_step` ... `num_steps` - 1.

  Args:
    rows: packed examples.
    batch_size: rows of the global batch.
    start_step: the first step wanted; a resumed run starts anywhere at once.
    num_steps: the end of training.
    host: this host's index.
    hosts: how many hosts share each batch.

  Returns:
    A dataset of dicts of int32 arrays, this host's part of each batch.
  """
  each = batch_size // hosts

  def assemble(step: int) -> list[object]:
    batch = rows.train_batch(int(step), batch_size, host, hosts)
    return [batch[name] for name in FEATURES]

  def features(step: tf.Tensor) -> dict[str, tf.Tensor]:
    arrays = tf.numpy_function(
      assemble, [step], [tf.int32] * len(FEATURES), stateful=False
    )
    out = dict(zip(FEATURES, arrays, strict=True))
    for name, array in out.items():
      shape = [each] if name == 'row_ids' else [each, rows.max_seq_length]
      array.set_shape(shape)
    return out

  dataset = tf.data.Dataset.range(start_step, num_steps)
  dataset = dataset.map(features, num_parallel_calls=2, deterministic=True)
  options = tf.data.Options()
  # One thread: assembling takes microseconds a row, the rest is XLA's.
  options.threading.private_threadpool_size = 1
  return dataset.with_options(options).prefetch(4)


def train_batches(dataset: tf.data.Dataset) -> Iterator[Batch]:
  """The dataset as dicts of NumPy arrays."""
  return dataset.as_numpy_iterator()
