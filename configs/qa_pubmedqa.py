"""PubMedQA (Jin et al. 2019): does an abstract answer yes, no or maybe?

    python -m biobert_jax train --config=configs/qa_pubmedqa.py:base \\
      --workdir=runs/pubmedqa_0 --config.init_from=BIOBERT \\
      --config.data.dir=DATA/pubmedqa --config.data.fold=0

Accuracy on the 500 published test questions in the setting that requires
reasoning, where the passage is the abstract without its conclusion, percent
(Jin et al. 2019, abstract):

    majority (always yes)                                 55.2
    BioBERT, also tuned on 211,300 artificial questions
      and 61,200 unlabelled ones, in several phases       68.1
    one person                                            78.0

Here are the 1,000 labelled questions only. `data.dir` holds ori_pqal.json, of
which the published split is made: 500 test questions, and ten folds of the
others, of which `data.fold` is the dev set. The paper reports the mean over
all ten.
"""

import ml_collections

from .common import base, finetune, yes_no


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = yes_no.get_config(size, base.data_folder('pubmedqa'))
  config.head = 'sequence'
  config.data.labels = ('yes', 'no', 'maybe')
  config.data.measure = 'pubmedqa'
  config.data.max_seq_length = 512
  config.data.max_sequences = 4
  config.batch_size = 8
  finetune.set_recipe(config, size, learning_rate=2e-5, epochs=10)
  return config.lock()
