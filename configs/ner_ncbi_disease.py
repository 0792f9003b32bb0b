"""NCBI-disease (Dogan et al. 2014): disease names.

    python -m biobert_jax train --config=configs/ner_ncbi_disease.py:base \\
      --workdir=runs/ncbi_disease --config.init_from=BIOBERT \\
      --config.data.dir=DATA/ncbi-disease

Test, entities, exact match (Lee et al. 2019, Table 6), percent:

                          P      R      F1
    BERT                84.12  87.19  85.63
    BioBERT v1.0        89.04  89.69  89.36   (PubMed + PMC)
    BioBERT v1.1        88.22  91.25  89.71   (PubMed)
"""

import ml_collections

from .common import base, ner


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = ner.get_config(size, base.data_folder('ncbi-disease'))
  config.data.entity_type = 'Disease'
  return config.lock()
