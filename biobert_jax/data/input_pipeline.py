"""tf.data: (rows, seed, step) to this host's batches, ahead of the device."""

import os
from collections.abc import Iterator
from typing import Protocol

# Its C++ side writes banners and hardware remarks to standard error.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '0')

from biobert_jax.data.batch_sizes import Stages
from biobert_jax.data.packing import Batch
from biobert_jax.errors import InputError

try:
  import tensorflow as tf
except ModuleNotFoundError as error:
  raise InputError(
    "training reads its batches by tf.data: pip install 'biobert-jax[train]'"
  ) from error


class TrainRows(Protocol):
  """Training batches by step, such as `packing.PackedRows`."""

  def feature_shapes(self, batch_size: int) -> dict[str, tuple[int, ...]]: ...

  def train_batch(
    self,
    step: int,
    batch_size: int,
    host: int,
    hosts: int,
    earlier: Stages = (),
  ) -> Batch: ...


def train_batches(
  rows: TrainRows,
  *,
  batch_size: int,
  start_step: int,
  num_steps: int,
  host: int = 0,
  hosts: int = 1,
  earlier: Stages = (),
) -> Iterator[Batch]:
  """Training batches of steps `start_step` ... `num_steps` - 1.

  `earlier` are the batch sizes of the steps before, where they were others.

  Yields:
    int32 arrays by name: of the global batch the part of host number `host`
    of `hosts`.

  Raises:
    InputError: as the rows raise it: a damaged file.
  """
  shapes = rows.feature_shapes(batch_size // hosts)
  failures: list[InputError] = []

  def assemble(step: int) -> list[object]:
    try:
      batch = rows.train_batch(int(step), batch_size, host, hosts, earlier)
    except InputError as error:
      failures.append(error)  # TensorFlow would pass on its text alone.
      raise
    return [batch[name] for name in shapes]

  # On Python 3.13 AutoGraph warns; there is nothing here for it to convert.
  @tf.autograph.experimental.do_not_convert
  def features(step: tf.Tensor) -> dict[str, tf.Tensor]:
    arrays = tf.numpy_function(
      assemble, [step], [tf.int32] * len(shapes), stateful=False
    )
    for array, shape in zip(arrays, shapes.values(), strict=True):
      array.set_shape(shape)
    return dict(zip(shapes, arrays, strict=True))

  dataset = tf.data.Dataset.range(start_step, num_steps)
  dataset = dataset.map(features, num_parallel_calls=2, deterministic=True)
  options = tf.data.Options()
  # One thread: assembling takes microseconds a row, the rest is XLA's.
  options.threading.private_threadpool_size = 1
  try:
    yield from dataset.with_options(options).prefetch(4).as_numpy_iterator()
  except tf.errors.OpError:
    if failures:
      raise failures[0] from None
    raise
