"""Keys of span question answering."""

import ml_collections

from . import finetune


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of experiments with questions about passages.

  BERT's recipe for SQuAD 1.1 (README of google-research/bert), on which
  BioBERT builds: 2 epochs of batches of 12 windows of 384 tokens, stride 128,
  learning rate 3e-5, the parameters of the last step. Packed, 6 sequences of
  384 hold about 12 windows of SQuAD; 8 devices need `batch_size=8`.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: default of `data.dir`: files in SQuAD's format.

  Returns:
    The config, still open.
  """
  config = finetune.get_config(
    size, 'qa', folder, batch_size=6, max_seq_length=384
  )
  finetune.set_recipe(config, size, learning_rate=3e-5, epochs=2)
  finetune.add_sequence_keys(config)
  finetune.add_question_files(config)
  # '2.0': a question may have no answer in its passage. It also chooses which
  # of the two official scripts is followed.
  config.data.squad_version = '1.1'
  # Lengths and numbers are those of run_squad.py:80-97.
  config.data.max_question_length = 64  # Tokens; the rest is dropped.
  config.data.doc_stride = 128  # Tokens between the starts of windows.
  config.data.max_answer_length = 30  # Tokens.
  config.data.n_best = 20  # Starts and ends per window, answers per question.
  # Version 2.0: no answer above these null odds (run_squad.py:149).
  config.data.null_threshold = 0.0
  return config
