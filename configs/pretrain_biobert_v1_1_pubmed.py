"""BioBERT v1.1 (+ PubMed): BERT continues for a million steps on PubMed.

    python -m biobert_jax train \\
      --config=configs/pretrain_biobert_v1_1_pubmed.py:base \\
      --workdir=runs/biobert_v1_1_pubmed \\
      --config.init_from=BERT --config.data.dir=CORPUS

Published: PubMed abstracts of January 2019 (4.5 billion words); 1,000,000
steps of 192 sequences of 512 (98.3 billion positions); BERT is BERT-base cased.
Assumed: learning rate, warmup and decay of BERT (configs/common/pretrain.py);
the authors gave none.

The authors recommend this model; it took about 23 days on 8 V100. Its scores
are in the docstrings of configs/ner_*.py.

One chip in a step, as compiled by libtpu 0.0.42.1 (`preflight`; nothing was
run; the time is a lower bound):

    slice   batch    HBM  of GB  traffic  messages  at least
    v4-32      12   5.53   33.0  21.9 GB  217.9 MB  20.9 ms
    v5e-16     12   4.03   16.9  16.7 GB  217.9 MB  25.0 ms
    v5p-16     24   9.61  102.8  54.2 GB  217.9 MB  21.0 ms
    v6e-16     12   5.50   33.5  22.2 GB  217.9 MB  15.8 ms

By the compiler's own cycles (`--full`), 55.6 ms on v5e-16, 57.0 on v4-32.
"""

import ml_collections

from .common import pretrain


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = pretrain.paper_config(size, steps=1_000_000)
  return config.lock()
