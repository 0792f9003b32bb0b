"""Folders in the form of Hugging Face, read and written."""

import logging
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biobert_jax.checkpoints import model_folder, name_map
from biobert_jax.checkpoints.formats import safetensors_file
from biobert_jax.errors import InputError
from biobert_jax.io.checksums import array_sha256
from biobert_jax.io.json_files import read_json, write_json
from biobert_jax.models.config import ARCHITECTURE_FIELDS, BertConfig

_log = logging.getLogger(__name__)
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


def config_labels(directory: pathlib.Path) -> tuple[str, ...]:
  """The label names of a model folder's head, in the order of their ids.

  They are `id2label`, or else `label2id` turned round. There are none where
  `config.json` is absent or numbers no labels, or, with a note, where it
  numbers them wrongly.
  """
  path = directory / 'config.json'
  stored = read_json(path)
  by_id, ids = stored.get('id2label'), stored.get('label2id')
  named = isinstance(by_id, dict) and not all(map(_unnamed, by_id.values()))
  if not named and isinstance(ids, dict) and not all(map(_unnamed, ids)):
    by_id = {str(id): label for label, id in ids.items()}
    if len(by_id) < len(ids):
      _log.warning('%s: label2id gives an id twice; not used', path)
      return ()
  if not isinstance(by_id, dict) or not all(k.isdecimal() for k in by_id):
    return ()
  labels = tuple(_text(by_id[key]) for key in sorted(by_id, key=int))
  try:
    model_folder.check_labels(labels, path)
  except InputError as error:
    _log.warning('%s; its labels are not used', error)
    return ()
  if sorted(map(int, by_id)) != [*range(len(by_id))]:
    _log.warning('%s: its ids of labels are not 0, 1, 2, …; not used', path)
    return ()
  return labels


def _unnamed(label: Any) -> bool:
  """Whether it is what transformers writes where nobody named the class."""
  return re.fullmatch(r'LABEL_\d+', str(label)) is not None


def _text(label: Any) -> Any:
  """A label as text: some are numbers, or JSON's true and false."""
  if isinstance(label, bool):
    return str(label).lower()
  return str(label) if isinstance(label, int) else label


def config_head(directory: pathlib.Path, *heads: str) -> str:
  """The one of some heads whose class `config.json` names, else ''."""
  classes = read_json(directory / 'config.json').get('architectures')
  for name in classes if isinstance(classes, list) else ():
    for head in heads:
      if ARCHITECTURES[head].removeprefix('Bert') in str(name):
        return head
  return ''


def config_json(
  config: BertConfig, head: str, labels: Sequence[str], pad_id: int = 0
) -> dict[str, Any]:
  """The content of `config.json` for a model.

  `head` is a key of `ARCHITECTURES`; `labels` name a classifier's classes;
  `pad_id` is the id of [PAD] in the vocabulary.
  """
  stored: dict[str, Any] = {
    'architectures': [ARCHITECTURES[head]],
    'model_type': 'bert',
    **{name: getattr(config, name) for name in ARCHITECTURE_FIELDS},
    'pad_token_id': pad_id,
    'position_embedding_type': 'absolute',
    'dtype': 'float32',
  }
  if config.hidden_act == 'gelu_tanh':
    stored['hidden_act'] = 'gelu_new'
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
  pad_id: int = 0,
) -> dict[str, str]:
  """Writes `config.json` and `model.safetensors`, not the tokenizer's files.

  Returns:
    stored name -> SHA-256 of the tensor's bytes.
  """
  layers = config.num_hidden_layers
  tensors = name_map.write(params, name_map.HUGGINGFACE, layers)
  if head == 'encoder':  # The bare BertModel has no `bert.` before its names.
    tensors = {n.removeprefix('bert.'): array for n, array in tensors.items()}
  described = config_json(config, head, labels, pad_id)
  write_json(directory / 'config.json', described)
  safetensors_file.write(directory / WEIGHTS_FILE, tensors, {'format': 'pt'})
  return {name: array_sha256(array) for name, array in tensors.items()}
