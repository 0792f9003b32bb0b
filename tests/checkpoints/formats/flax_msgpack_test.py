"""Flax files of transformers are read, and damaged ones named."""

import pathlib

import numpy as np
import pytest
from flax import serialization
from flax.traverse_util import unflatten_dict

from biobert_jax.checkpoints import detect, pretrained
from biobert_jax.checkpoints.formats import flax_msgpack
from biobert_jax.errors import InputError
from tests.fixtures import model_folders


def flax_name(path: str) -> str:
  path = path.replace('encoder/layer_', 'encoder/layer/')
  return f'{path}/embedding' if path.endswith('_embeddings') else path


def test_a_model_of_transformers_is_read(tmp_path: pathlib.Path) -> None:
  params = model_folders.write_huggingface(tmp_path)
  (tmp_path / 'model.safetensors').unlink()
  tree = {flax_name(path): array for path, array in params.items()}
  # In half precision too.
  tree['classifier/bias'] = tree['classifier/bias'].astype('bfloat16')
  content = serialization.msgpack_serialize(unflatten_dict(tree, sep='/'))
  path = tmp_path / flax_msgpack.WEIGHTS_FILE
  path.write_bytes(content)
  model = pretrained.load_pretrained(tmp_path)
  assert model.source.form == detect.HUGGINGFACE
  assert model.head == 'token'
  assert model.params.keys() == params.keys()
  for name, array in params.items():
    if name != 'classifier/bias':
      np.testing.assert_array_equal(model.params[name], array)
  for damaged in (content[:-9], b'\x00', b'nothing'):
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r'cut or damaged|not an array'):
      pretrained.load_pretrained(tmp_path)
