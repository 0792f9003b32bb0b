"""Ours: the text of BioBERT v1.1 in half the steps and two thirds of the time.

    python -m biobert_jax train \\
      --config=configs/pretrain_pubmed_packed.py:base \\
      --workdir=runs/pubmed_packed \\
      --config.init_from=BERT --config.data.dir=CORPUS

A third of the positions of v1.1 is padding: a million steps of 192 sequences of
512 process about 66 billion tokens. 500,000 steps of 256 packed sequences, 97 %
full, process 64 billion in two thirds of the operations. The learning rate is
BERT's times the square root of 256/192; steps whose gradient explodes are
skipped; whole words are masked (Cui et al. 2021). This is a recipe, not a
result: it has not been run to its end.

One chip in a step, as compiled by libtpu 0.0.42.1 (`preflight`; nothing was
run; the time is a lower bound):

    slice   batch    HBM  of GB  traffic  messages  at least
    v4-32      16   6.87   33.0  27.4 GB  217.9 MB  25.3 ms
    v5e-16     16   5.05   16.9  22.9 GB  217.9 MB  32.4 ms
    v5p-16     32  12.32  102.8  71.3 GB  217.9 MB  27.2 ms
    v6e-16     16   6.86   33.5  31.9 GB  217.9 MB  21.7 ms
"""

import ml_collections

from .common import pretrain


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = pretrain.get_config(size, steps=500_000)
  if size != 'tiny':
    config.batch_size = 256
    config.train.eval_batch_size = 256
    config.optim.learning_rate = 1.15e-4
    config.optim.skip_norm = 100.0
  config.masking.whole_word = True
  return config.lock()
