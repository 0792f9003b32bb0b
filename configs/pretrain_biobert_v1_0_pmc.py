"""BioBERT v1.0 (+ PMC): BERT continues for 270,000 steps on full texts.

    python -m biobert_jax train \\
      --config=configs/pretrain_biobert_v1_0_pmc.py:base \\
      --workdir=runs/biobert_v1_0_pmc \\
      --config.init_from=BERT --config.data.dir=CORPUS

Published: PMC full texts of January 2019 (13.5 billion words); 270,000 steps
of 192 sequences of 512 (26.5 billion positions); BERT is BERT-base cased.
Assumed: learning rate, warmup and decay of BERT (configs/common/pretrain.py);
the authors gave none.

CORPUS holds PMC's open access full texts alone.

The step is that of pretrain_biobert_v1_1_pubmed.py; a table there gives its
cost on each slice.
"""

import ml_collections

from .common import pretrain


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = pretrain.paper_config(size, steps=270_000)
  return config.lock()
