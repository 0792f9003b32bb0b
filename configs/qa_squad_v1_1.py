"""SQuAD 1.1 (Rajpurkar et al. 2016): the span that answers a question.

    python -m biobert_jax train --config=configs/qa_squad_v1_1.py:base \\
      --workdir=runs/squad --config.init_from=BIOBERT --config.data.dir=SQUAD

Dev, percent (README of google-research/bert, for these very settings; of
BERT-large with batches of 24):

                            EM      F1
    BERT-base, uncased   81.25   88.41
    BERT-large, uncased  84.39   90.87

BioBERT fine-tunes on SQuAD by the same recipe (batch 12, learning rate 3e-5, 2
epochs, length 384) before it continues with BioASQ; no score was published.
`data.dir` holds train-v1.1.json and dev-v1.1.json; the latter is the test
split, and the last step is kept.
"""

import ml_collections

from .common import base, qa


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = qa.get_config(size, base.data_folder('squad'))
  config.data.train_files = 'train-v1.1.json'
  config.data.devel_split = ''
  config.data.test_files = 'dev-v1.1.json'
  return config.lock()
