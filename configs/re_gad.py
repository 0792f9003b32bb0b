"""GAD (Bravo et al. 2015): whether a gene and a disease are associated.

    python -m biobert_jax train --config=configs/re_gad.py:base \\
      --workdir=runs/gad_1 --config.init_from=BIOBERT \\
      --config.data.dir=DATA/gad/1

Mean over ten folds, test, label 1 (Lee et al. 2019, Table 7), percent; F1 is
the mean of the folds' F1, not that of mean P and R:

                          P      R      F1
    BERT                74.28  85.11  79.29
    BioBERT v1.0        75.95  88.08  81.52   (PubMed + PMC)
    BioBERT v1.1        77.32  82.68  79.83   (PubMed)

`data.dir` is one fold. Its `dev.tsv` is empty, so the last step is kept. Of
the test sentences of a fold 1 to 28 are also in its training set; the log says
how many.
"""

import ml_collections

from .common import base, relation


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = relation.get_config(size, base.data_folder('gad/1'))
  config.data.devel_split = ''
  config.data.labels = ('0', '1')
  config.data.negative = '0'
  return config.lock()
