"""SQuAD 2.0 (Rajpurkar et al. 2018): some questions have no answer.

    python -m biobert_jax train --config=configs/qa_squad_v2.py:base \\
      --workdir=runs/squad2 --config.init_from=BIOBERT --config.data.dir=SQUAD

Test F1 of a single BERT-large: 83.1 percent (Devlin et al. 2019, abstract).

The recipe is that of google-research/bert's README for BERT-large: 2 epochs,
learning rate 3e-5, length 384, and 0 as the threshold of the null odds.
`results.json` gives the best threshold on the split as `best_f1_thresh`, for
--config.data.null_threshold. BioBERT's BioASQ-7b yes/no models start from such
a model. `data.dir` holds train-v2.0.json and dev-v2.0.json; the latter is the
test split, and the last step is kept.
"""

import ml_collections

from .common import base, qa


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = qa.get_config(size, base.data_folder('squad'))
  config.data.train_files = 'train-v2.0.json'
  config.data.devel_split = ''
  config.data.test_files = 'dev-v2.0.json'
  config.data.squad_version = '2.0'
  return config.lock()
