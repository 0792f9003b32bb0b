"""BioBERT v1.0 (+ PubMed + PMC): 470,000 steps on abstracts and full texts.

    python -m biobert_jax train \\
      --config=configs/pretrain_biobert_v1_0_pubmed_pmc.py:base \\
      --workdir=runs/biobert_v1_0_pubmed_pmc \\
      --config.init_from=BERT --config.data.dir=CORPUS

Published: PubMed (4.5 billion words) and PMC (13.5 billion); 470,000 steps of
192 sequences of 512 (46.2 billion positions); BERT is BERT-base cased. Assumed:
learning rate, warmup and decay of BERT (configs/common/pretrain.py); the
authors gave none.

CORPUS holds both. The 470,000 steps are the 200,000 and 270,000 of the other
two; whether the authors mixed the corpora or used one after the other was not
published. Here they are mixed. For the latter, give the work folder of
pretrain_biobert_v1_0_pubmed to pretrain_biobert_v1_0_pmc as BERT.

The step is that of pretrain_biobert_v1_1_pubmed.py; a table there gives its
cost on each slice.
"""

import ml_collections

from .common import pretrain


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = pretrain.paper_config(size, steps=470_000)
  return config.lock()
