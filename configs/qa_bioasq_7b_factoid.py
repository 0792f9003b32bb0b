"""BioASQ 7b (Tsatsaronis et al. 2015), factoid questions.

    python -m biobert_jax train --config=configs/qa_squad_v1_1.py:base \\
      --workdir=runs/squad --config.init_from=BIOBERT
    python -m biobert_jax train --config=configs/qa_bioasq_7b_factoid.py:base \\
      --workdir=runs/bioasq_7b --config.init_from=runs/squad \\
      --config.data.dir=DATA/bioasq_7b/factoid
    python -m biobert_jax predict --workdir=runs/bioasq_7b \\
      --input=DATA/bioasq_7b/factoid/test.json --format=nbest \\
      --output=nbest.json
    python -m biobert_jax prepare-submission --questions TEST.json \\
      --predictions nbest.json --output submission.json
    python -m biobert_jax score bioasq GOLD.json submission.json

Test, percent, by the authors' later PyTorch code (README of
dmis-lab/biobert-pytorch, question-answering), without SQuAD and with it:

                        SAcc   LAcc    MRR
    BioBERT v1.1       31.48  45.68  37.13
    and SQuAD          40.12  59.26  48.34

`data.dir` is what `biobert-jax prepare-bioasq` makes of the challenge's own
files. Passages are whole abstracts (`--passages=abstracts`).
"""

import ml_collections

from .common import bioasq


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  return bioasq.get_config(size, 'bioasq_7b/factoid').lock()
