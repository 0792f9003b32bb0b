"""Checkpoints for comparisons made small."""

import pathlib
from collections import Counter

import numpy as np

from biobert_jax.checkpoints import huggingface
from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.models.config import BertConfig
from biobert_jax.text.vocabulary import build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer
from tests.comparison import baseline
from tests.fixtures import random_models

SAMPLE = baseline.REPOSITORY / 'biobert_jax' / 'sample' / 'ner'


def write_checkpoint(folder: pathlib.Path) -> None:
  """A tiny random model as a Hugging Face folder."""
  texts = [
    ' '.join(s.tokens)
    for s in ner_corpus.read_split(SAMPLE, 'train', Counter())
  ]
  tokenizer = WordPieceTokenizer(build_vocabulary(texts, 600), False)
  tokenizer.save(folder)
  config = BertConfig.tiny(
    vocab_size=tokenizer.vocab_size, max_position_embeddings=128
  )
  params = random_models.flat_params('encoder', config)
  # As BERT draws them; larger ones learn too slowly.
  params = {path: array / 15 for path, array in params.items()}
  for path in params:
    if path.endswith('scale'):
      params[path] = np.ones_like(params[path])
  huggingface.write(folder, params, config, 'encoder', ())
