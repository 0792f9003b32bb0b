"""BC5CDR (Li et al. 2016): disease names.

    python -m biobert_jax train --config=configs/ner_bc5cdr_disease.py:base \\
      --workdir=runs/bc5cdr_disease --config.init_from=BIOBERT \\
      --config.data.dir=DATA/bc5cdr-disease

Test, entities, exact match (Lee et al. 2019, Table 6), percent:

                          P      R      F1
    BERT                81.97  82.48  82.41
    BioBERT v1.0        85.86  87.27  86.56   (PubMed + PMC)
    BioBERT v1.1        86.47  87.84  87.15   (PubMed)

BERT's P and R give an F1 of 82.22; 82.41 is what the paper prints, and
what its averages need.
"""

import ml_collections

from .common import base, ner


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = ner.get_config(size, base.data_folder('bc5cdr-disease'))
  config.data.entity_type = 'Disease'
  return config.lock()
