"""BioASQ 4b (Tsatsaronis et al. 2015), factoid questions.

    python -m biobert_jax train --config=configs/qa_squad_v1_1.py:base \\
      --workdir=runs/squad --config.init_from=BIOBERT
    python -m biobert_jax train --config=configs/qa_bioasq_4b_factoid.py:base \\
      --workdir=runs/bioasq_4b --config.init_from=runs/squad \\
      --config.data.dir=DATA/bioasq_4b/factoid
    python -m biobert_jax predict --workdir=runs/bioasq_4b \\
      --input=DATA/bioasq_4b/factoid/test.json --format=nbest \\
      --output=nbest.json
    python -m biobert_jax prepare-submission --questions TEST.json \\
      --predictions nbest.json --output submission.json
    python -m biobert_jax score bioasq GOLD.json submission.json

Test, the five batches pooled (Lee et al. 2019, Table 8), percent: strict and
lenient accuracy, mean reciprocal rank:

                        SAcc   LAcc    MRR
    BERT               27.33  44.72  33.77
    BioBERT v1.0       28.57  47.82  35.17   (PubMed + PMC)
    BioBERT v1.1       27.95  44.10  34.72   (PubMed)

`data.dir` is what `biobert-jax prepare-bioasq` makes of the challenge's own
files. The paper has 327 questions in train, of this year's file alone, and 161
in test, passages being whole abstracts (`--passages=abstracts`).
"""

import ml_collections

from .common import bioasq


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  return bioasq.get_config(size, 'bioasq_4b/factoid').lock()
