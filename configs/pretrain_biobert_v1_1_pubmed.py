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

A chip in a step, as compiled by libtpu 0.0.42.1 (`preflight`; nothing was run,
and the time is a bound that no step reaches):

    slice    rows    HBM  of GB  traffic  messages  at least
    v4-32      12   6.58   33.0  25.7 GB  217.9 MB   23.9 ms
    v5e-16     12   5.51   16.9  23.2 GB  217.9 MB   32.8 ms
    v5p-16     24  11.62  102.8  67.3 GB  217.9 MB   25.8 ms
    v6e-16     12   6.52   33.5  26.1 GB  217.9 MB   18.2 ms
"""

import ml_collections

from configs.common import pretrain


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = pretrain.paper_config(size, steps=1_000_000)
  return config.lock()
