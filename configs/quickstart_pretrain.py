"""Masked tokens and next sentences of the embedded sample; half a minute.

    python -m biobert_jax build-vocabulary \\
      --input 'biobert_jax/sample/pubmed/*.xml' \\
      --output runs/sample/vocabulary --size 4000 --do_lower_case true
    python -m biobert_jax prepare-corpus \\
      --input 'biobert_jax/sample/pubmed/*.xml' \\
      --output runs/sample/corpus --vocab runs/sample/vocabulary/vocab.txt \\
      --do_lower_case true --held_out 0.1
    python -m biobert_jax train --config=configs/quickstart_pretrain.py:tiny \\
      --workdir=runs/sample/pretrained --config.data.dir=runs/sample/corpus
    python -m biobert_jax train --config=configs/quickstart.py:tiny \\
      --workdir=runs/sample/ner --config.init_from=runs/sample/pretrained

The sample is invented (biobert_jax/sample/pubmed) and 9,400 words long: it
shows that the path runs from XML to a tagger, and says nothing about a model.
The model learns which tokens are frequent and almost nothing about context.
"""

import ml_collections

from .common import pretrain


def get_config(size: str = 'tiny') -> ml_collections.ConfigDict:
  """The experiment; `size` is 'tiny', 'base' or 'large'."""
  config = pretrain.get_config(size, steps=400)
  config.train.steps = 400
  config.train.checkpoint_every_steps = 200
  config.batch_size = 8
  # Too few steps to overfit.
  config.model.hidden_dropout_prob = 0.0
  config.model.attention_probs_dropout_prob = 0.0
  return config.lock()
