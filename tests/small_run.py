"""A training run small enough for tests: seconds, not minutes."""

import importlib
from typing import Any

import ml_collections

from configs import (
  pretrain_pubmed_packed,
  qa_pubmedqa,
  qa_squad_v1_1,
  qa_squad_v2,
  quickstart,
  re_gad,
)

# One narrow layer, twelve steps.
_SMALL: dict[str, Any] = {
  'batch_size': 8,
  'model.hidden_size': 32,
  'model.num_hidden_layers': 1,
  'model.intermediate_size': 64,
  'optim.learning_rate': 3e-3,
  'train.steps': 12,
  'train.evaluations': 2,
  'train.eval_batch_size': 8,
  'train.log_every_steps': 1,
  'train.checkpoint_every_steps': 5,
}


def config(**overrides: Any) -> ml_collections.ConfigDict:
  """The quick start with one narrow layer; dotted keys override.

  Args:
    **overrides: values by dotted key, with `__` for the dot.

  Returns:
    A config of about 12 steps.
  """
  changes = {
    'batch_size': 8,
    'vocab.do_lower_case': None,
    'model.hidden_size': 32,
    'model.num_hidden_layers': 1,
    'model.intermediate_size': 64,
    'optim.learning_rate': 3e-3,
    'train.epochs': 3.0,
    'train.evaluations': 2,
    'train.log_every_steps': 1,
    'train.checkpoint_every_steps': 5,
  }
  changes |= {key.replace('__', '.'): v for key, v in overrides.items()}
  small = quickstart.get_config('tiny')
  small.update_from_flattened_dict(changes)
  return small


def pretraining(folder: str, **overrides: Any) -> ml_collections.ConfigDict:
  """Pre-training of shards with one narrow layer; dotted keys override.

  Args:
    folder: the shards, such as those of `small_corpus`.
    **overrides: values by dotted key, with `__` for the dot.

  Returns:
    A config of 12 steps.
  """
  changes = _SMALL | {
    'data.dir': folder,
    'data.max_seq_length': 32,
    'data.eval_rows': 24,
    'data.max_pairs': 4,
    'masking.max_predictions': 6,
  }
  changes |= {key.replace('__', '.'): v for key, v in overrides.items()}
  small = pretrain_pubmed_packed.get_config('tiny')
  small.update_from_flattened_dict(changes)
  return small


def relation(folder: str, **overrides: Any) -> ml_collections.ConfigDict:
  """Relations of a fold with one narrow layer; dotted keys override.

  Args:
    folder: the fold, such as that of `small_relations`.
    **overrides: values by dotted key, with `__` for the dot.

  Returns:
    A config of 12 steps.
  """
  changes = _SMALL | {
    'data.dir': folder,
    'data.max_seq_length': 64,
    'data.max_sequences': 3,
    'vocab.size': 120,
  }
  changes |= {key.replace('__', '.'): v for key, v in overrides.items()}
  small = re_gad.get_config('tiny')
  small.update_from_flattened_dict(changes)
  return small


def qa(
  folder: str, version: str = '1.1', **overrides: Any
) -> ml_collections.ConfigDict:
  """Questions about passages with one narrow layer; dotted keys override.

  Args:
    folder: the corpus, such as that of `small_questions`.
    version: of SQuAD's form.
    **overrides: values by dotted key, with `__` for the dot.

  Returns:
    A config of 12 steps.
  """
  changes = _SMALL | {
    'data.dir': folder,
    'data.train_files': 'train.json',
    'data.devel_files': 'dev.json',
    'data.test_files': 'test.json',
    'data.max_seq_length': 64,
    'data.max_question_length': 16,
    'data.doc_stride': 16,
    'data.max_sequences': 3,
    'vocab.size': 160,
  }
  changes |= {key.replace('__', '.'): v for key, v in overrides.items()}
  module = {'1.1': qa_squad_v1_1, '2.0': qa_squad_v2}[version]
  small = module.get_config('tiny')
  small.update_from_flattened_dict(changes)
  return small


def yes_no(folder: str, **overrides: Any) -> ml_collections.ConfigDict:
  """Yes/no questions with one narrow layer; dotted keys override.

  Args:
    folder: the corpus, such as that of `small_bioasq`.
    **overrides: values by dotted key, with `__` for the dot.

  Returns:
    A config of 12 steps.
  """
  changes = _SMALL | {
    'data.dir': folder,
    'data.max_seq_length': 64,
    'data.max_sequences': 3,
    'vocab.size': 120,
  }
  changes |= {key.replace('__', '.'): v for key, v in overrides.items()}
  small = qa_pubmedqa.get_config('tiny')
  small.update_from_flattened_dict(changes)
  return small


def bioasq(
  name: str, folder: str, **overrides: Any
) -> ml_collections.ConfigDict:
  """One of BioASQ's experiments with one narrow layer; dotted keys override.

  Args:
    name: of the file in `configs/`.
    folder: the corpus, as `scripts/prepare_bioasq.py` makes it.
    **overrides: values by dotted key, with `__` for the dot.

  Returns:
    A config of 12 steps.
  """
  changes = _SMALL | {
    'data.dir': folder,
    'data.max_seq_length': 64,
    'data.max_sequences': 3,
    'vocab.size': 200,
    'train.checkpoint_every_steps': 50,
  }
  changes |= {key.replace('__', '.'): v for key, v in overrides.items()}
  small = importlib.import_module(f'configs.{name}').get_config('tiny')
  if 'doc_stride' in small.data:
    changes |= {'data.max_question_length': 16, 'data.doc_stride': 16}
  small.update_from_flattened_dict(changes)
  return small
