"""BioASQ 5b (Tsatsaronis et al. 2015), factoid questions.

    python -m biobert_jax train --config=configs/qa_squad_v1_1.py:base \\
      --workdir=runs/squad --config.init_from=BIOBERT
    python -m biobert_jax train --config=configs/qa_bioasq_5b_factoid.py:base \\
      --workdir=runs/bioasq_5b --config.init_from=runs/squad \\
      --config.data.dir=DATA/bioasq_5b/factoid
    python -m biobert_jax predict --workdir=runs/bioasq_5b \\
      --input=DATA/bioasq_5b/factoid/test.json --format=nbest \\
      --output=nbest.json
    python -m biobert_jax prepare-submission --questions TEST.json \\
      --predictions nbest.json --output submission.json
    python -m biobert_jax score bioasq GOLD.json submission.json

Test, the five batches pooled (Lee et al. 2019, Table 8), percent: strict and
lenient accuracy, mean reciprocal rank:

                        SAcc   LAcc    MRR
    BERT               39.33  52.67  44.27
    BioBERT v1.0       44.00  56.67  49.38   (PubMed + PMC)
    BioBERT v1.1       46.00  60.00  51.64   (PubMed)

`data.dir` is what `biobert-jax prepare-bioasq` makes of the challenge's own
files. The paper has 486 questions in train, of this year's file alone, and 150
in test, passages being whole abstracts (`--passages=abstracts`).
"""

import ml_collections

from .common import bioasq


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  return bioasq.get_config(size, 'bioasq_5b/factoid').lock()
