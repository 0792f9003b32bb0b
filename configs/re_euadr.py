"""EU-ADR (van Mulligen et al. 2012): whether a gene and a disease are related.

    python -m biobert_jax train --config=configs/re_euadr.py:base \\
      --workdir=runs/euadr_1 --config.init_from=BIOBERT \\
      --config.data.dir=DATA/euadr/1

Mean over ten folds, test, label 1 (Lee et al. 2019, Table 7), percent; F1 is
the mean of the folds' F1, not that of mean P and R:

                          P      R      F1
    BERT                75.45  96.55  84.62
    BioBERT v1.0        80.92  90.81  84.83   (PubMed + PMC)
    BioBERT v1.1        77.86  83.55  79.74   (PubMed)

`data.dir` is one fold of a corpus of 355 sentences: scores of single folds vary
by many points. Its `dev.tsv` is empty, so the last step is kept.
"""

import ml_collections

from .common import base, relation


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = relation.get_config(size, base.data_folder('euadr/1'))
  config.batch_size = 8  # An epoch has about 128 packed sequences.
  config.data.devel_split = ''
  config.data.labels = ('0', '1')
  config.data.negative = '0'
  return config.lock()
