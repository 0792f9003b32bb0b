"""Keys of named entity recognition."""

import ml_collections

from . import finetune


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of NER experiments.

  BioBERT's recipe (Lee et al. 2019, section 3.3): batches of 10-64 sentences,
  learning rate 1e-5 to 5e-5, over 20 epochs, length 128. Packed, 8 sequences
  of 128 hold 25 to 30 sentences.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: default of `data.dir`: train, devel, test (and train_dev) as .tsv,
      .conll, .pubtator, ….

  Returns:
    The config, still open.
  """
  config = finetune.get_config(
    size, 'ner', folder, batch_size=8, max_seq_length=128
  )
  finetune.set_recipe(config, size, learning_rate=5e-5, epochs=20)
  # Of the tags: 'bio'; 'iobes' (or 'bioes'), 'bilou' and 'io' become BIO.
  config.data.scheme = 'bio'
  config.data.strict = False  # True: invisible tokens are errors.
  # Entity type of corpora whose tags have none (plain B and I).
  config.data.entity_type = 'Entity'
  # Weights of classes in the loss: 'balanced', by the inverse of their
  # frequency in the training split; LABEL=WEIGHT, …; (): all the same.
  config.data.class_weights = ()
  config.data.window_overlap = 32  # Tokens shared by windows of a sentence.
  return config
