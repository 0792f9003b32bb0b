"""BioBERT v1.0 (+ PubMed): BERT continues for 200,000 steps on PubMed.

    python -m biobert_jax train \\
      --config=configs/pretrain_biobert_v1_0_pubmed.py:base \\
      --workdir=runs/biobert_v1_0_pubmed \\
      --config.init_from=BERT --config.data.dir=CORPUS

Published: PubMed abstracts of January 2019 (4.5 billion words); 200,000 steps
of 192 sequences of 512 (19.7 billion positions); BERT is BERT-base cased with
its own vocabulary. Assumed: learning rate, warmup and decay of BERT
(configs/common/pretrain.py); the authors gave none.

CORPUS holds PubMed alone.

The step is that of pretrain_biobert_v1_1_pubmed.py; a table there gives its
cost on each slice.
"""

import ml_collections

from .common import pretrain


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = pretrain.paper_config(size, steps=200_000)
  return config.lock()
