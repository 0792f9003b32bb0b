"""Keys that all fine-tuning experiments have: the corpus, splits, packing."""

import ml_collections

from . import base


def get_config(
  size: str, task: str, folder: str, *, batch_size: int, max_seq_length: int
) -> ml_collections.ConfigDict:
  """Defaults of fine-tuning.

  Args:
    size: 'tiny', 'base' or 'large'.
    task: 'ner', 'relation', 'qa' or 'yes_no'.
    folder: default of `data.dir`.
    batch_size: packed sequences of a global batch.
    max_seq_length: tokens of a packed sequence.

  Returns:
    The config, still open for more keys.
  """
  config = base.get_config(size)
  config.task = task
  config.batch_size = batch_size
  config.data = ml_collections.ConfigDict()
  config.data.dir = folder  # The folder of the corpus.
  config.data.train_split = 'train'  # 'train_dev': train and dev set together.
  config.data.devel_split = 'devel'  # The dev set; '': the last step is kept.
  config.data.test_split = 'test'  # '': none.
  config.data.max_seq_length = max_seq_length  # Tokens of a packed sequence.
  config.data.pack = True  # Several examples in a packed sequence.
  return config


def set_recipe(
  config: ml_collections.ConfigDict,
  size: str,
  *,
  learning_rate: float,
  epochs: int,
) -> None:
  """Sets the learning rate and the epochs, each followed by an evaluation."""
  # The tiny model starts from random weights.
  config.optim.learning_rate = 1e-3 if size == 'tiny' else learning_rate
  config.train.epochs = float(epochs)
  config.train.evaluations = epochs


def add_sequence_keys(config: ml_collections.ConfigDict) -> None:
  """Adds the keys of tasks whose examples are whole sequences."""
  # Fraction of a file's examples that may be broken; above, it is refused.
  config.data.max_broken = 0.01
  config.data.max_sequences = 8  # Most examples in a packed sequence.


def add_question_files(
  config: ml_collections.ConfigDict, prefix: str = ''
) -> None:
  """Adds the files of each split, whose names may begin with `prefix`.

  A value is a name or a pattern (`test-*.json`) for several files, whose
  questions are joined.
  """
  config.data.train_files = f'{prefix}train*.json'
  config.data.devel_files = f'{prefix}dev*.json'
  config.data.test_files = f'{prefix}test*.json'
