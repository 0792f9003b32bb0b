"""Keys of questions that are answered by yes or no, or maybe."""

import ml_collections
from ml_collections.config_dict import placeholder

from . import finetune


def get_config(size: str, folder: str) -> ml_collections.ConfigDict:
  """Defaults of experiments with yes/no questions.

  They are those of BioBERT at BioASQ 7b (bioasq-biobert, examplecode.sh): 2
  epochs of batches of 10 pairs of question and passage, learning rate 5e-6,
  length 384, the parameters of the last step.

  Args:
    size: 'tiny', 'base' or 'large'.
    folder: default of `data.dir`: files in SQuAD's format, or PubMedQA's
      ori_pqal.json.

  Returns:
    The config, still open.
  """
  config = finetune.get_config(
    size, 'yes_no', folder, batch_size=10, max_seq_length=384
  )
  finetune.set_recipe(config, size, learning_rate=5e-6, epochs=2)
  finetune.add_sequence_keys(config)
  finetune.add_question_files(config)
  # 'yes_no': one logit from the last layer's [CLS], labels ('no', 'yes');
  # 'sequence': one logit per label from the pooler.
  config.head = 'yes_no'
  config.data.labels = ('no', 'yes')  # By id.
  config.data.measure = 'bioasq'  # Whose scores: or 'pubmedqa'.
  # PubMedQA's setting. 'required': the passage is the abstract without its
  # conclusion; 'free': the conclusion alone.
  config.data.reasoning = 'required'
  config.data.fold = 0  # PubMedQA: the fold, 0 to 9, that is the dev set.
  # Most training pairs per label, chosen by the seed; unset: no bound. The
  # reference takes 500 (run_yesno.py:271).
  config.data.max_per_label = placeholder(int)
  config.data.balance = False  # True: as many of each label as of the rarest.
  return config
