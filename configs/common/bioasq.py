"""Keys of BioASQ's factoid and list questions: spans, from SQuAD's weights."""

import ml_collections

from . import base, finetune, qa


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of experiments with BioASQ.

  BioBERT's recipe (README of dmis-lab/biobert): the model of SQuAD is trained
  for 5 epochs of batches of 12 questions with passages, learning rate 5e-6, and
  the parameters of the last step are kept. Passages are whole abstracts, so
  that a packed sequence of 384 holds about one.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: below the folder of corpora.

  Returns:
    The config, still open.
  """
  config = qa.get_config(size, base.data_folder(folder))
  config.batch_size = 12
  finetune.set_recipe(config, size, learning_rate=5e-6, epochs=5)
  # The authors' files (BioASQ-train-factoid-4b.json, BioASQ-test-factoid-4b-1
  # to -5.json), or those of `biobert-jax prepare-bioasq`.
  finetune.add_question_files(config, prefix='*')
  config.data.devel_split = ''  # The last step is kept.
  return config
