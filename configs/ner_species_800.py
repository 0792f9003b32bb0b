"""Species-800 (Pafilis et al. 2013): species names.

    python -m biobert_jax train --config=configs/ner_species_800.py:base \\
      --workdir=runs/species_800 --config.init_from=BIOBERT \\
      --config.data.dir=DATA/species-800

Test, entities, exact match (Lee et al. 2019, Table 6), percent:

                          P      R      F1
    BERT                69.35  74.05  71.63
    BioBERT v1.0        72.84  77.97  75.31   (PubMed + PMC)
    BioBERT v1.1        72.80  75.36  74.06   (PubMed)
"""

import ml_collections

from .common import base, ner


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = ner.get_config(size, base.data_folder('species-800'))
  config.data.entity_type = 'Species'
  return config.lock()
