"""Disease and chemical names in the embedded sample; a minute on a laptop.

    python -m biobert_jax train --config=configs/quickstart.py:tiny \
      --workdir=runs/quickstart

The sample is invented (biobert_jax/sample/ner): it shows that the whole path
runs and says nothing about a model.
"""

import pathlib

import biobert_jax
from configs.common import ner


def get_config(size: str = 'tiny'):
  sample = pathlib.Path(biobert_jax.__file__).parent / 'sample' / 'ner'
  config = ner.get_config(size, str(sample))
  config.train.epochs = 30.0
  config.train.evaluations = 6
  return config.lock()
