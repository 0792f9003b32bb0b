"""BC2GM (Smith et al. 2008): gene names.

    python -m biobert_jax train --config=configs/ner_bc2gm.py:base \\
      --workdir=runs/bc2gm --config.init_from=BIOBERT \\
      --config.data.dir=DATA/bc2gm

Test, entities, exact match (Lee et al. 2019, Table 6), percent:

                          P      R      F1
    BERT                81.17  82.42  81.79
    BioBERT v1.0        85.16  83.65  84.40   (PubMed + PMC)
    BioBERT v1.1        84.32  85.12  84.72   (PubMed)

Scored without the alternate annotations, as in the paper.
"""

import ml_collections

from .common import base, ner


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = ner.get_config(size, base.data_folder('bc2gm'))
  config.data.entity_type = 'Gene'
  return config.lock()
