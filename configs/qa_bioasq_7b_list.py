"""BioASQ 7b (Tsatsaronis et al. 2015), list questions.

    python -m biobert_jax train --config=configs/qa_squad_v1_1.py:base \\
      --workdir=runs/squad --config.init_from=BIOBERT
    python -m biobert_jax train --config=configs/qa_bioasq_7b_list.py:base \\
      --workdir=runs/bioasq_7b_list --config.init_from=runs/squad \\
      --config.data.dir=DATA/bioasq_7b/list
    python -m biobert_jax predict --workdir=runs/bioasq_7b_list \\
      --input=DATA/bioasq_7b/list/test.json --format=nbest \\
      --output=nbest.json
    python -m biobert_jax prepare-submission --questions TEST.json \\
      --predictions nbest.json --output submission.json
    python -m biobert_jax score bioasq GOLD.json submission.json

The recipe is that of BioBERT at BioASQ 7b (Yoon et al. 2019; bioasq-biobert,
examplecode.sh): 7 epochs of batches of 10. Its repository gives no figure for
list questions.

`data.dir` is what `biobert-jax prepare-bioasq` makes of the challenge's own
files. Passages are whole abstracts (`--passages=abstracts`); in train, each
answer found in one is an example of its own.
"""

import ml_collections

from .common import bioasq


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = bioasq.get_config(size, 'bioasq_7b/list')
  config.batch_size = 10
  config.train.epochs = 7.0
  return config.lock()
