"""Keys of relation extraction."""

import ml_collections

from . import finetune


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of experiments with relations.

  BioBERT's recipe (README of dmis-lab/biobert): 3 epochs of batches of 32
  sentences, learning rate 2e-5, length 128, the parameters of the last step.
  Packed, 16 sequences of 128 hold about 40 sentences of GAD.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: default of `data.dir`: train, devel, test as .tsv; one fold of a
      corpus in folds.

  Returns:
    The config, still open.
  """
  config = finetune.get_config(
    size, 'relation', folder, batch_size=16, max_seq_length=128
  )
  finetune.set_recipe(config, size, learning_rate=2e-5, epochs=3)
  finetune.add_sequence_keys(config)
  # Labels of the corpus by id; (): those of the training split.
  config.data.labels = ()
  # Weights of classes in the loss: 'balanced', by the inverse of their
  # frequency in the training split; LABEL=WEIGHT, …; (): all the same.
  config.data.class_weights = ()
  # The label of no relation, which scores leave out.
  config.data.negative = 'false'
  # A pair may stand in this many neighbouring sentences; see
  # `biobert-jax prepare-relation --window`.
  config.data.sentence_window = 1
  # How a sentence shows its pair: 'anonymised', with placeholders in place of
  # the names, as in the paper; or 'markers' around the names, for files of
  # `biobert-jax prepare-relation --entities=markers`.
  config.data.entities = 'anonymised'
  # What is classified: 'cls', the pooler's vector, as in the paper; or
  # 'entity_start', the two vectors where the entities start, concatenated
  # (Baldini Soares et al. 2019, with markers).
  config.data.pooling = 'cls'
  # Spare tokens of the vocabulary that become [E1] [/E1] [E2] [/E2]. BERT's
  # vocabularies have these, cased or not; `biobert-jax extend` fills the lowest
  # first.
  config.data.markers = tuple(f'[unused{i}]' for i in range(95, 99))
  # The words in place of the pair, and those in place of both at once; with
  # markers they only name the types of the pair.
  config.data.placeholders = ('@GENE$', '@DISEASE$')
  config.data.joint_placeholders = ('@GENE-DISEASE$',)
  return config
