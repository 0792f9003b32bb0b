"""LINNAEUS (Gerner et al. 2010): species names.

    python -m biobert_jax train --config=configs/ner_linnaeus.py:base \\
      --workdir=runs/linnaeus --config.init_from=BIOBERT \\
      --config.data.dir=DATA/linnaeus

Test, entities, exact match (Lee et al. 2019, Table 6), percent:

                          P      R      F1
    BERT                91.17  84.30  87.60
    BioBERT v1.0        93.84  86.11  89.81   (PubMed + PMC)
    BioBERT v1.1        90.77  85.83  88.24   (PubMed)
"""

import ml_collections

from .common import base, ner


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = ner.get_config(size, base.data_folder('linnaeus'))
  config.data.entity_type = 'Species'
  return config.lock()
