"""Folders in the form of Hugging Face, read and written."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biobert_jax.checkpoints import model_folder, name_map
from biobert_jax.checkpoints.formats import safetensors_file
from biobert_jax.io.checksums import array_sha256
from biobert_jax.io.json_files import read_json, write_json
from biobert_jax.models.config import BertConfig

WEIGHTS_FILE = 'model.safetensors'
# Head -> transformers' class. It has none for yes/no, nor for the places of two
# entities: the encoder is read.
ARCHITECTURES = {
  'encoder': 'BertModel',
  'pretraining': 'BertForPreTraining',
  'masked_lm': 'BertForMaskedLM',
  'token': 'BertForTokenClassification',
  'sequence': 'BertForSequenceClassification',
  'span': 'BertForQuestionAnswering',
  'yes_no': 'BertModel',
  'entity_pair': 'BertModel',
}
# Ours -> theirs; the reverse stands in models/config.py.
_ACTIVATIONS = {'gelu': 'gelu', 'gelu_tanh': 'gelu_new', 'relu': 'relu'}


def _read_config(directory: pathlib.Path) -> dict[str, Any]:
  """`config.json`; empty where it is absent."""
  return read_json(directory / 'config.json')


def config_labels(directory: pathlib.Path) -> tuple[str, ...]:
  """The label names of a checkpoint's head, in the order of their ids.

  Args:
    directory: a Hugging Face model folder.

  Returns:
    The names; empty where `config.json` is absent or numbers no labels.

  Raises:
    InputError: the file is damaged.
  """
  by_id = _read_config(directory).get('id2label')
  if not isinstance(by_id, dict) or not all(k.isdecimal() for k in by_id):
    return ()
  labels = tuple(by_id[key] for key in sorted(by_id, key=int))
  model_folder.check_labels(labels, directory / 'config.json')
  return labels


def config_classifier(directory: pathlib.Path) -> str:
  """'token' or 'sequence' by the class that `config.json` names, else ''."""
  classes = _read_config(directory).get('architectures')
  for name in classes if isinstance(classes, list) else ():
    if 'ForTokenClassification' in str(name):
      return 'token'
    if 'ForSequenceClassification' in str(name):
      return 'sequence'
  return ''


def has_spans(directory: pathlib.Path) -> bool:
  """Whether the class that `config.json` names answers questions."""
  classes = _read_config(directory).get('architectures')
  return isinstance(classes, list) and any(
    'ForQuestionAnswering' in str(name) for name in classes
  )


def config_json(
  config: BertConfig, head: str, labels: Sequence[str]
) -> dict[str, Any]:
  """The content of `config.json` for a model.

  Args:
    config: the architecture.
    head: a key of `ARCHITECTURES`.
    labels: names of a classifier's classes, by id; else empty.
  """
  stored: dict[str, Any] = {
    'architectures': [ARCHITECTURES[head]],
    'model_type': 'bert',
    'vocab_size': config.vocab_size,
    'hidden_size': config.hidden_size,
    'num_hidden_layers': config.num_hidden_layers,
    'num_attention_heads': config.num_attention_heads,
    'intermediate_size': config.intermediate_size,
    'hidden_act': _ACTIVATIONS[config.hidden_act],
    'hidden_dropout_prob': config.hidden_dropout_prob,
    'attention_probs_dropout_prob': config.attention_probs_dropout_prob,
    'max_position_embeddings': config.max_position_embeddings,
    'type_vocab_size': config.type_vocab_size,
    'initializer_range': config.initializer_range,
    'layer_norm_eps': config.layer_norm_eps,
    'pad_token_id': 0,
    'position_embedding_type': 'absolute',
    'dtype': 'float32',
  }
  if labels:
    stored['id2label'] = {str(i): label for i, label in enumerate(labels)}
    stored['label2id'] = {label: i for i, label in enumerate(labels)}
  return stored


def write(
  directory: pathlib.Path,
  params: Mapping[str, np.ndarray],
  config: BertConfig,
  head: str,
  labels: Sequence[str],
) -> dict[str, str]:
  """Writes `config.json` and `model.safetensors`.

  Args:
    directory: an empty folder; the tokenizer's files are not written here.
    params: path -> array, layers unrolled.
    config: the architecture.
    head: a key of `ARCHITECTURES`.
    labels: names of a classifier's classes, by id; else empty.

  Returns:
    stored name -> SHA-256 of the tensor's bytes.
  """
  tensors = name_map.write(
    params, name_map.HUGGINGFACE, config.num_hidden_layers
  )
  if head == 'encoder':  # The bare BertModel has no `bert.` before its names.
    tensors = {n.removeprefix('bert.'): array for n, array in tensors.items()}
  write_json(directory / 'config.json', config_json(config, head, labels))
  safetensors_file.write(directory / WEIGHTS_FILE, tensors, {'format': 'pt'})
  return {name: array_sha256(array) for name, array in tensors.items()}
