"""Keras files of transformers are read, and damaged ones named."""

import pathlib
import sys

import h5py
import numpy as np
import pytest

from biobert_jax.checkpoints import pretrained
from biobert_jax.checkpoints.formats import hdf5
from biobert_jax.errors import InputError
from tests.fixtures import model_folders


def keras_name(path: str) -> str:
  if path.endswith('_embeddings'):
    path += '/weight' if 'word' in path else '/embeddings'
  path = path.replace('encoder/layer_', 'encoder/layer_._')
  path = path.replace('Norm/scale', 'Norm/gamma').replace(
    'Norm/bias', 'Norm/beta'
  )
  top = path.split('/')[0]
  return f'{top}/tf_bert_for_token_classification/{path}:0'


def test_a_model_of_transformers_is_read(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
  params = model_folders.write_huggingface(tmp_path)
  (tmp_path / 'model.safetensors').unlink()
  path = tmp_path / hdf5.WEIGHTS_FILE
  with h5py.File(path, 'w') as file:
    file.create_group('top_level_model_weights')
    for name, array in params.items():
      file[keras_name(name)] = array
  model = pretrained.load_pretrained(tmp_path)
  assert model.head == 'token'
  assert model.params.keys() == params.keys()
  for name, array in params.items():
    np.testing.assert_array_equal(model.params[name], array)
  # Under another name too, if it is named.
  other = path.rename(tmp_path / 'weights.h5')
  assert pretrained.load_pretrained(other).params.keys() == params.keys()
  content = other.read_bytes()
  other.write_bytes(content[: len(content) // 2])
  with pytest.raises(InputError, match='cut or damaged'):
    pretrained.load_pretrained(other)
  monkeypatch.setitem(sys.modules, 'h5py', None)
  with pytest.raises(InputError, match='needs h5py: pip install h5py'):
    pretrained.load_pretrained(other)
