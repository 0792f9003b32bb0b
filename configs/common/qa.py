"""Keys of span question answering."""

import ml_collections

from . import base


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of experiments with questions about passages.

  BERT's recipe for SQuAD 1.1 (README of google-research/bert), on which
  BioBERT builds: 2 epochs of batches of 12 windows of 384 pieces, stride 128,
  learning rate 3e-5, the parameters of the last step. Packed, 6 rows of 384
  hold about 12 windows of SQuAD; 8 devices need `batch_size=8`.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: default of `data.dir`.

  Returns:
    The config, still open.
  """
  config = base.get_config(size)
  config.task = 'qa'
  config.batch_size = 6
  config.optim.learning_rate = 3e-5
  config.train.epochs = 2.0
  config.train.evaluations = 2
  config.data = ml_collections.ConfigDict()
  # Holds the files below, in SQuAD's form.
  config.data.dir = folder
  # The files of each split: a name, or a pattern (`test-*.json`) for several
  # whose questions are pooled.
  config.data.train_files = 'train*.json'
  config.data.devel_files = 'dev*.json'
  config.data.test_files = 'test*.json'
  config.data.train_split = 'train'  # 'train_dev': train and devel.
  config.data.devel_split = 'devel'  # '': none; the last step is kept.
  config.data.test_split = 'test'  # '': none.
  # '2.0': a question may have no answer in its passage; and which of the two
  # official scripts is followed.
  config.data.squad_version = '1.1'
  # Of a training file's questions; above, it is refused.
  config.data.max_broken = 0.01
  # Pieces of a row, and of a window at most (run_squad.py:80-97, as all below).
  config.data.max_seq_length = 384
  config.data.max_question_length = 64  # Pieces; the rest is cut off.
  config.data.doc_stride = 128  # Pieces between the begins of windows.
  config.data.max_answer_length = 30  # Pieces.
  config.data.n_best = 20  # Starts and ends of a window, answers of a question.
  # Of version 2.0: no answer where the null odds are above (run_squad.py:149).
  config.data.null_threshold = 0.0
  config.data.max_sequences = 8  # Windows of a row, at most.
  config.data.pack = True  # Several windows a row.
  if size == 'tiny':
    config.optim.learning_rate = 1e-3  # From random weights.
  return config
