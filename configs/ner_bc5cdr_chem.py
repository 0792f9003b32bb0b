"""BC5CDR (Li et al. 2016): chemical names.

    python -m biobert_jax train --config=configs/ner_bc5cdr_chem.py:base \\
      --workdir=runs/bc5cdr_chem --config.init_from=BIOBERT \\
      --config.data.dir=DATA/bc5cdr-chem

Test, entities, exact match (Lee et al. 2019, Table 6), percent:

                          P      R      F1
    BERT                90.94  91.38  91.16
    BioBERT v1.0        93.27  93.61  93.44   (PubMed + PMC)
    BioBERT v1.1        93.68  93.26  93.47   (PubMed)

The same sentences as BC5CDR-disease: never train on one and test on the
other.
"""

import ml_collections

from .common import base, ner


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = ner.get_config(size, base.data_folder('bc5cdr-chem'))
  config.data.entity_type = 'Chemical'
  return config.lock()
