"""Keys of BioASQ's factoid and list questions: spans, from SQuAD's weights."""

import ml_collections

from . import base, qa


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of experiments with BioASQ.

  BioBERT's recipe (README of dmis-lab/biobert): what SQuAD left is tuned for 5
  epochs of batches of 12 questions with passages, learning rate 5e-6, the
  parameters of the last step. Passages are whole abstracts, so that a row of
  384 holds about one.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: below the folder of corpora.

  Returns:
    The config, still open.
  """
  config = qa.get_config(size, base.data_folder(folder))
  config.batch_size = 12
  config.train.epochs = 5.0
  config.train.evaluations = 5
  # The authors' files (BioASQ-train-factoid-4b.json, BioASQ-test-factoid-4b-1
  # to -5.json), or those of biobert-jax prepare-bioasq.
  config.data.train_files = '*train*.json'
  config.data.devel_files = '*dev*.json'
  config.data.test_files = '*test*.json'
  config.data.devel_split = ''  # The last step is kept.
  if size != 'tiny':
    config.optim.learning_rate = 5e-6
  return config
