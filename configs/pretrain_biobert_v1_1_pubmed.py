"""BioBERT v1.1 (+ PubMed): BERT goes on for a million steps on PubMed.

    python -m biobert_jax train \\
      --config=configs/pretrain_biobert_v1_1_pubmed.py:base \\
      --workdir=runs/biobert_v1_1_pubmed \\
      --config.init_from=BERT --config.data.dir=CORPUS

Published: PubMed abstracts of January 2019 (4.5 billion words); 1,000,000
steps of 192 rows of 512 (98.3 billion positions); BERT is BERT-base cased.
Assumed: rate, warmup and decay of BERT (configs/common/pretrain.py); the
authors gave none.

The authors' recommended model: about 23 days on 8 V100. Test figures are in
the docstrings of configs/ner_*.py.
"""

import ml_collections

from configs.common import pretrain


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = pretrain.paper_config(size, steps=1_000_000)
  return config.lock()
