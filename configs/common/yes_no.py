"""Keys of questions that are answered by yes or no, or maybe."""

import ml_collections

from . import base


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of experiments with yes/no questions.

  Those of BioBERT at BioASQ 7b (bioasq-biobert, examplecode.sh): 2 epochs of
  batches of 10 pairs of question and passage, learning rate 5e-6, length 384,
  the parameters of the last step.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: default of `data.dir`.

  Returns:
    The config, still open.
  """
  config = base.get_config(size)
  config.task = 'yes_no'
  # 'yes_no': one logit on the last layer's [CLS], labels ('no', 'yes');
  # 'sequence': one for each label from the pooler.
  config.head = 'yes_no'
  config.batch_size = 10
  config.optim.learning_rate = 5e-6
  config.train.epochs = 2.0
  config.train.evaluations = 2
  config.data = ml_collections.ConfigDict()
  # Holds the files below, in SQuAD's form, or PubMedQA's ori_pqal.json.
  config.data.dir = folder
  # The files of each split: a name, or a pattern (`test-*.json`) for several
  # whose questions are pooled.
  config.data.train_files = 'train*.json'
  config.data.devel_files = 'dev*.json'
  config.data.test_files = 'test*.json'
  config.data.train_split = 'train'  # 'train_dev': both.
  config.data.devel_split = 'devel'  # '': none; the last step is kept.
  config.data.test_split = 'test'  # '': none.
  config.data.labels = ('no', 'yes')  # By id.
  config.data.measure = 'bioasq'  # Whose scores: or 'pubmedqa'.
  # Of PubMedQA: the abstract without its conclusion is the passage; 'free':
  # that conclusion alone.
  config.data.reasoning = 'required'
  config.data.fold = 0  # Of PubMedQA's ten, 0 to 9: the one that is devel.
  # Training pairs of one label at most, drawn by the seed; unset: no bound.
  # The reference takes 500 of each (run_yesno.py:271).
  config.data.max_per_label = ml_collections.config_dict.placeholder(int)
  config.data.balance = False  # As many of each label as of the rarest.
  config.data.max_broken = 0.01  # Of a file's rows; above, it is refused.
  config.data.max_seq_length = 384  # Pieces of a row.
  config.data.max_sequences = 8  # Pairs of a row, at most.
  config.data.pack = True  # Several pairs a row.
  if size == 'tiny':
    config.optim.learning_rate = 1e-3  # From random weights.
  return config
