"""BioASQ 6b (Tsatsaronis et al. 2015), factoid questions.

    python -m biobert_jax train --config=configs/qa_squad_v1_1.py:base \\
      --workdir=runs/squad --config.init_from=BIOBERT
    python -m biobert_jax train --config=configs/qa_bioasq_6b_factoid.py:base \\
      --workdir=runs/bioasq_6b --config.init_from=runs/squad \\
      --config.data.dir=DATA/bioasq_6b/factoid
    python -m biobert_jax predict --workdir=runs/bioasq_6b \\
      --input=DATA/bioasq_6b/factoid/test.json --format=nbest \\
      --output=nbest.json
    python -m biobert_jax prepare-submission --questions TEST.json \\
      --predictions nbest.json --output submission.json
    python -m biobert_jax score bioasq GOLD.json submission.json

Test, the five batches pooled (Lee et al. 2019, Table 8), percent: strict and
lenient accuracy, mean reciprocal rank:

                        SAcc   LAcc    MRR
    BERT               33.54  51.55  40.88
    BioBERT v1.0       40.37  57.77  47.48   (PubMed + PMC)
    BioBERT v1.1       42.86  57.77  48.43   (PubMed)

`data.dir` is what `biobert-jax prepare-bioasq` makes of the challenge's own
files. The paper has 618 questions in train, of this year's file alone, and 161
in test, passages being whole abstracts (`--passages=abstracts`).
"""

import ml_collections

from .common import bioasq


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  return bioasq.get_config(size, 'bioasq_6b/factoid').lock()
