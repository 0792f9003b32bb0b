"""2010 i2b2/VA (Uzuner et al. 2011): problems, tests and treatments.

    python -m biobert_jax train --config=configs/ner_i2b2_2010.py:base \\
      --workdir=runs/i2b2_2010 --config.init_from=BIOBERT \\
      --config.data.dir=DATA/i2b2-2010

Test, entities, exact match (Lee et al. 2019, Table 6), percent:

                          P      R      F1
    BERT                84.04  84.08  84.06
    BioBERT v1.0        87.50  85.44  86.46   (PubMed + PMC)
    BioBERT v1.1        86.93  86.53  86.73   (PubMed)

The authors' files merge the three types. Needs a licence: see n2c2.
"""

import ml_collections

from .common import base, ner


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = ner.get_config(size, base.data_folder('i2b2-2010'))
  config.data.entity_type = 'Entity'
  return config.lock()
