"""Keys of relation extraction."""

import ml_collections

from . import base


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of experiments with relations.

  BioBERT's recipe (README of dmis-lab/biobert): 3 epochs of batches of 32
  sentences, learning rate 2e-5, length 128, the parameters of the last step.
  Packed, 16 rows of 128 hold about 40 sentences of GAD.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: default of `data.dir`.

  Returns:
    The config, still open.
  """
  config = base.get_config(size)
  config.task = 'relation'
  config.batch_size = 16
  config.optim.learning_rate = 2e-5
  config.train.epochs = 3.0
  config.train.evaluations = 3
  config.data = ml_collections.ConfigDict()
  # Holds train, devel, test as .tsv; of a corpus in folds, one of them.
  config.data.dir = folder
  config.data.train_split = 'train'  # 'train_dev': both.
  config.data.devel_split = 'devel'  # '': none; the last step is kept.
  config.data.test_split = 'test'  # '': none.
  # The labels of the corpus by id; (): those of the training split.
  config.data.labels = ()
  # The label of no relation, which scores leave out.
  config.data.negative = 'false'
  # How the pair is told: 'anonymised', its names hidden behind placeholders,
  # as in the paper; or 'markers' around its names, for files of
  # biobert-jax prepare-relation --entities markers.
  config.data.entities = 'anonymised'
  # What is classified: 'cls', the pooler's vector, as in the paper; or
  # 'entity_start', the two vectors where the entities start, side by side
  # (Baldini Soares et al. 2019, with markers).
  config.data.pooling = 'cls'
  # Spare pieces of the vocabulary that become [E1] [/E1] [E2] [/E2]. BERT's
  # own, cased or not, have these; extend_model.py fills the lowest first.
  config.data.markers = tuple(f'[unused{i}]' for i in range(95, 99))
  # The words that hide the pair, and those that stand for both at once; with
  # markers they name the types of the pair only.
  config.data.placeholders = ('@GENE$', '@DISEASE$')
  config.data.joint_placeholders = ('@GENE-DISEASE$',)
  config.data.max_broken = 0.01  # Of a file's rows; above, it is refused.
  config.data.max_seq_length = 128  # Pieces of a row.
  config.data.max_sequences = 8  # Sentences of a row, at most.
  config.data.pack = True  # Several sentences a row.
  if size == 'tiny':
    config.optim.learning_rate = 1e-3  # From random weights.
  return config
