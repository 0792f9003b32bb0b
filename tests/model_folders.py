"""Small models in folders, written by the tests."""

import pathlib

import numpy as np

from biobert_jax import weights
from biobert_jax.data.wordpiece import WordPieceTokenizer
from biobert_jax.interchange import folder, huggingface, names, tensorflow
from tests.interchange import random_models

LABELS = ('O', 'B', 'I')
SPECIALS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')
CONFIG = random_models.CONFIG


def pieces() -> tuple[str, ...]:
  """A cased vocabulary of letters, as many pieces as `CONFIG` embeds."""
  letters = [chr(c) for c in (*range(65, 88), *range(97, 119))]
  return (*SPECIALS, *letters)[: CONFIG.vocab_size]


def labels_of(head: str) -> tuple[str, ...]:
  return LABELS if head in weights.CLASSIFIERS else ()


def write_huggingface(
  path: pathlib.Path, head: str = 'token'
) -> dict[str, np.ndarray]:
  """A folder as transformers would write it; returns its parameters."""
  path.mkdir(parents=True, exist_ok=True)
  params = random_models.flat_params(head)
  huggingface.write(path, params, CONFIG, head, labels_of(head))
  WordPieceTokenizer(pieces(), do_lower_case=False).save(path)
  return params


def write_tensorflow(
  path: pathlib.Path, head: str = 'pretraining', **slots: np.ndarray
) -> dict[str, np.ndarray]:
  """A folder as Google released them; returns its parameters."""
  path.mkdir(parents=True, exist_ok=True)
  params = random_models.flat_params(head)
  arrays = names.write(params, names.TENSORFLOW, CONFIG.num_hidden_layers)
  tensorflow.write(path / 'bert_model.ckpt', {**arrays, **slots})
  stored = huggingface.config_json(CONFIG, head, ())
  folder.write_json(path / 'bert_config.json', stored)
  (path / 'vocab.txt').write_text('\n'.join(pieces()) + '\n')
  return params
