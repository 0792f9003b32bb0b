"""ChemProt (Krallinger et al. 2017): five groups of chemical-gene relations.

    python -m biobert_jax train --config=configs/re_chemprot.py:base \\
      --workdir=runs/chemprot --config.init_from=BIOBERT \\
      --config.data.dir=DATA/chemprot

Test, micro average over cpr:3, 4, 5, 6 and 9 (Lee et al. 2019, Table 7),
percent:

                          P      R      F1
    BERT                76.02  71.60  73.74
    BioBERT v1.0        75.20  75.09  75.14   (PubMed + PMC)
    BioBERT v1.1        77.02  75.90  76.46   (PubMed)

The authors' sentences were never released. `biobert-jax prepare-relation` makes
some from the corpus of BioCreative VI; those of BLUE are read unchanged. With
`--entities markers` it keeps the names; then train with
`--config.data.entities=markers` and, for the vectors of the markers in place of
the pooler's, `--config.data.pooling=entity_start`.
"""

import ml_collections

from .common import base, relation


def get_config(size: str = 'base') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = relation.get_config(size, base.data_folder('chemprot'))
  # In the order of the reference (run_re.py:436); BLUE's CPR:3 is the same.
  groups = ('cpr:3', 'cpr:4', 'cpr:5', 'cpr:6', 'cpr:9')
  config.data.labels = (*groups, 'false')
  config.data.placeholders = ('@CHEMICAL$', '@GENE$')
  config.data.joint_placeholders = ('@CHEM-GENE$',)
  return config.lock()
