"""A training run small enough for tests: seconds, not minutes."""

from typing import Any

import ml_collections

from configs import quickstart


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
