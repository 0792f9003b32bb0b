"""JNLPBA (Kim et al. 2004): proteins, DNA and RNA as one type.

    python -m biobert_jax train --config=configs/ner_jnlpba.py:base \\
      --workdir=runs/jnlpba --config.init_from=BIOBERT \\
      --config.data.dir=DATA/jnlpba

Test, entities, exact match (Lee et al. 2019, Table 6), percent:

                          P      R      F1
    BERT                69.57  81.20  74.94
    BioBERT v1.0        72.68  83.21  77.59   (PubMed + PMC)
    BioBERT v1.1        72.24  83.56  77.49   (PubMed)

The paper's 6,241 test mentions are protein + DNA + RNA; cell types and cell
lines are dropped. Files with all five types work too (8,662 mentions) and
give other scores.
"""

import ml_collections

from .common import base, ner


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = ner.get_config(size, base.data_folder('jnlpba'))
  config.data.entity_type = 'Gene'
  return config.lock()
