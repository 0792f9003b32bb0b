"""BioBERT in JAX/Flax, for TPU slices.

  from biobert_jax import Tagger
  tagger = Tagger('runs/ncbi')
  tagger('A patient with type 2 diabetes.').entities

Classes are imported when they are first used; `README.md` shows them all.
"""

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from ml_collections import ConfigDict

  from biobert_jax.checkpoints.export import export
  from biobert_jax.checkpoints.pretrained import load_pretrained
  from biobert_jax.inference.embed import Embedder
  from biobert_jax.inference.question_answerer import (
    QuestionAnswerer,
    YesNoAnswerer,
  )
  from biobert_jax.inference.relation_extractor import RelationExtractor
  from biobert_jax.inference.tagger import Tagger
  from biobert_jax.text.documents import Document, Entity

__version__ = '0.2.0'
__all__ = [
  'Document',
  'Embedder',
  'Entity',
  'QuestionAnswerer',
  'RelationExtractor',
  'Tagger',
  'YesNoAnswerer',
  'export',
  'load_pretrained',
  'train',
]
# Public name -> the module that defines it.
_MODULES = {
  'Document': 'text.documents',
  'Embedder': 'inference.embed',
  'Entity': 'text.documents',
  'QuestionAnswerer': 'inference.question_answerer',
  'RelationExtractor': 'inference.relation_extractor',
  'Tagger': 'inference.tagger',
  'YesNoAnswerer': 'inference.question_answerer',
  'export': 'checkpoints.export',
  'load_pretrained': 'checkpoints.pretrained',
}


def train(
  config: 'ConfigDict | str',
  workdir: str | os.PathLike[str],
  overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
  """Trains a model, or resumes a run that was interrupted.

  Args:
    config: 'ner_ncbi_disease:base', the path of a config file, or a config.
    workdir: the folder that everything is written to.
    overrides: config keys with new values, {'optim.learning_rate': 3e-5}.

  Returns:
    The report of `training.train.train`, with the scores of each split.

  Raises:
    InputError: a wrong config or corpus, before anything is compiled.
  """
  from biobert_jax.commands.config_files import load_config
  from biobert_jax.errors import InputError
  from biobert_jax.training import train as training

  if isinstance(config, str):
    config = load_config(config)
  else:
    config = config.copy_and_resolve_references()
  try:
    config.update_from_flattened_dict(dict(overrides or {}))
  except (KeyError, TypeError) as error:
    what = ' '.join(str(error).split())
    raise InputError(f'overrides do not fit the config: {what}') from error
  return training.train(config, os.fspath(workdir))


def __getattr__(name: str) -> Any:
  if name not in _MODULES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  module = importlib.import_module(f'{__name__}.{_MODULES[name]}')
  globals()[name] = getattr(module, name)  # Found directly from now on.
  return globals()[name]


def __dir__() -> list[str]:
  return sorted({*globals(), *_MODULES})
