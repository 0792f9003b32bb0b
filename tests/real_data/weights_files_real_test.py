"""Real checkpoint files: every name, shape and checksum that is recorded.

Set BIOBERT_DATA to the folder that holds them.
"""

import csv
import os
import pathlib
import shutil

import numpy as np
import pytest

from biobert_jax.checkpoints.formats import tensorflow
from biobert_jax.checkpoints.formats.torch import file as torch_file
from biobert_jax.errors import InputError

DATA = pathlib.Path(
  os.environ.get(
    'BIOBERT_DATA', pathlib.Path(__file__).parents[2] / '../shared/data'
  )
)
BIOBERT = DATA / 'biobert-v1.1-files'
TINY_TF = DATA / 'tiny-bert-tf1-ckpt'
TINY_TORCH = DATA / 'tiny-bert-torch' / 'bert-h16-l2'

pytestmark = pytest.mark.skipif(
  not (BIOBERT.is_dir() and TINY_TF.is_dir() and TINY_TORCH.is_dir()),
  reason=f'no checkpoint files in {DATA}: set BIOBERT_DATA',
)


def recorded(folder: pathlib.Path) -> dict[str, tuple[tuple[int, ...], str]]:
  """name -> (shape, type) by a decoding of the index without TensorFlow."""
  dtypes = {'1': 'float32', '9': 'int64'}
  with (folder / 'tensors.tsv').open(encoding='utf-8') as file:
    rows = list(csv.reader(file, delimiter='\t'))[1:]
  return {
    name: (tuple(map(int, shape.split('x') if shape else ())), dtypes[dtype])
    for name, dtype, shape, *_ in rows
  }


def test_the_index_of_biobert_gives_its_199_names_and_shapes():
  prefix = tensorflow.find_prefix(BIOBERT)
  assert prefix == BIOBERT / 'model.ckpt-1000000'
  tensors = tensorflow.list_tensors(prefix)
  found = {name: (t.shape, t.dtype) for name, t in tensors.items()}
  assert found == recorded(BIOBERT)
  assert len(found) == 199
  assert found['bert/embeddings/word_embeddings'] == ((28996, 768), 'float32')
  with pytest.raises(InputError, match=r'ckpt-1000000.data-00000-of-00001: no'):
    tensorflow.read(prefix)


def test_a_tf1_checkpoint_with_slots_reads_whole(tmp_path):
  prefix = tensorflow.find_prefix(TINY_TF)
  tensors = tensorflow.read(prefix)
  assert {n: (t.shape, t.dtype) for n, t in tensors.items()} == recorded(
    TINY_TF
  )
  arrays = {name: stored.read() for name, stored in tensors.items()}
  assert len(arrays) == 139
  assert sum(array.nbytes for array in arrays.values()) == 8420
  # Written by us, the data file has the same bytes.
  tensorflow.write(tmp_path / prefix.name, arrays)
  name = f'{prefix.name}.data-00000-of-00001'
  assert (tmp_path / name).read_bytes() == (TINY_TF / name).read_bytes()


def test_every_bit_of_a_tf1_checkpoint_counts(tmp_path):
  for path in TINY_TF.glob('bert_model.ckpt.[di]*'):
    shutil.copyfile(path, tmp_path / path.name)
  data = tmp_path / 'bert_model.ckpt.data-00000-of-00001'
  content = data.read_bytes()
  for at in range(0, len(content), 501):
    flipped = bytearray(content)
    flipped[at] ^= 1 << at % 8
    data.write_bytes(flipped)
    tensors = tensorflow.read(tmp_path / 'bert_model.ckpt')
    refused = []
    for name, stored in tensors.items():
      try:
        stored.read()
      except InputError as error:
        refused.append((name, str(error)))
    assert len(refused) == 1
    name, message = refused[0]
    assert f'bert_model.ckpt.data-*: {name} cannot be read' in message


def test_a_torch_file_from_before_1_6():
  path = TINY_TORCH / 'pytorch_model.bin'
  tensors = torch_file.read(TINY_TORCH)
  assert len(tensors) == 39
  words = tensors['embeddings.word_embeddings.weight']
  assert (words.shape, words.dtype) == ((121, 16), 'float32')
  arrays = {name: stored.read() for name, stored in tensors.items()}
  assert all(np.isfinite(array).all() for array in arrays.values())
  np.testing.assert_array_equal(
    arrays['encoder.layer.1.output.LayerNorm.bias'].shape, (16,)
  )
  # Weights are drawn with BERT's deviation of 0.02; LayerNorms start at 1.
  query = arrays['encoder.layer.0.attention.self.query.weight']
  assert 0.015 < query.std() < 0.025
  assert (arrays['embeddings.LayerNorm.weight'] == 1).all()
  # Every byte of the file is a tensor's or the description's.
  weights = sum(array.nbytes for array in arrays.values())
  assert 0 < path.stat().st_size - weights < 10_000


def test_a_torch_file_cut_anywhere(tmp_path):
  content = (TINY_TORCH / 'pytorch_model.bin').read_bytes()
  path = tmp_path / 'pytorch_model.bin'
  for length in range(0, len(content), 997):
    path.write_bytes(content[:length])
    with pytest.raises(InputError, match=r'pytorch_model.bin: '):
      torch_file.read(path)
