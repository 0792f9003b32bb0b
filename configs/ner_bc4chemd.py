"""BC4CHEMD (Krallinger et al. 2015): chemical names.

    python -m biobert_jax train --config=configs/ner_bc4chemd.py:base \\
      --workdir=runs/bc4chemd --config.init_from=BIOBERT \\
      --config.data.dir=DATA/bc4chemd

Test, entities, exact match (Lee et al. 2019, Table 6), percent:

                          P      R      F1
    BERT                91.19  88.92  90.04
    BioBERT v1.0        92.23  90.61  91.41   (PubMed + PMC)
    BioBERT v1.1        92.80  91.92  92.36   (PubMed)
"""

import ml_collections

from .common import base, ner


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = ner.get_config(size, base.data_folder('bc4chemd'))
  config.data.entity_type = 'Chemical'
  return config.lock()
