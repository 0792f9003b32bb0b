"""Keys of named entity recognition."""

import ml_collections

from . import base


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of NER experiments.

  BioBERT's recipe (Lee et al. 2019, section 3.3): batch 10-64 sentences,
  learning rate 1e-5 to 5e-5, over 20 epochs, length 128. Packed, 8 rows of
  128 hold 25 to 30 sentences.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: default of `data.dir`.

  Returns:
    The config, still open.
  """
  config = base.get_config(size)
  config.task = 'ner'
  config.batch_size = 8
  config.data = ml_collections.ConfigDict()
  # Holds train, devel, test (and train_dev) as .tsv, .conll, .pubtator, ….
  config.data.dir = folder
  config.data.train_split = 'train'  # 'train_dev' for the paper's last run.
  config.data.devel_split = 'devel'  # '': none; the last step is kept.
  config.data.test_split = 'test'  # '': none.
  config.data.scheme = 'bio'  # 'iobes' converts.
  config.data.strict = False  # True: invisible tokens are errors.
  # The type of entities in corpora whose tags have none (plain B and I).
  config.data.entity_type = 'Entity'
  config.data.max_seq_length = 128  # Pieces of a row.
  config.data.window_overlap = 32  # Pieces shared where sentences are cut.
  config.data.pack = True  # Several sentences a row.
  if size == 'tiny':
    config.optim.learning_rate = 1e-3  # From random weights.
  return config
