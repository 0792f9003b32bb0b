"""BioBERT-large v1.1 (+ PubMed): BERT-large, a million steps on PubMed.

    python -m biobert_jax train \\
      --config=configs/pretrain_biobert_large_v1_1.py:large \\
      --workdir=runs/biobert_large_v1_1 \\
      --config.init_from=BERT --config.data.dir=CORPUS

Published: PubMed; 1,000,000 steps; a vocabulary of 58,996 tokens, the cased one
of BERT and 30,000 of PubMed's own. Assumed: everything else, as for v1.1, and
the first vectors of the new tokens, which were not published. Here:

    python -m biobert_jax build-vocabulary --input PUBMED --output VOCABULARY \\
      --size 30000 --do_lower_case false
    python -m biobert_jax extend --model=BERT_LARGE \\
      --pieces=VOCABULARY/vocab.txt --output=BERT

starts them at the mean of their old tokens' vectors; CORPUS is then prepared
with the vocabulary of BERT.

One chip in a step, as compiled by libtpu 0.0.42.1 (`preflight
--vocab_size=58996`; nothing was run; the time is a lower bound):

    slice   batch    HBM  of GB   traffic  messages  at least
    v4-32      12  15.42   33.0   62.1 GB  730.8 MB   60.7 ms
    v5e-16     12  11.74   16.9   56.3 GB  730.8 MB   83.9 ms
    v5p-16     24  26.07  102.8  146.9 GB  730.8 MB   58.8 ms
    v6e-16     12  15.32   33.5   68.7 GB  730.8 MB   49.5 ms
"""

import ml_collections

from .common import pretrain


def get_config(size: str = 'large') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = pretrain.paper_config(size, steps=1_000_000)
  return config.lock()
