"""Real checkpoints through our own form and out again, bit for bit.

Set BIOBERT_DATA to the folder that holds them.
"""

import csv
import pathlib
import shutil
from collections import Counter

import numpy as np
import pytest

from biobert_jax.checkpoints import export, import_weights, name_map, pretrained
from biobert_jax.checkpoints.formats import tensorflow
from biobert_jax.checkpoints.formats.file_magic import LazyTensor
from biobert_jax.models.config import BertConfig
from biobert_jax.text.wordpiece import WordPieceTokenizer, check_vocab_size
from tests.comparison.baseline import DATA

BIOBERT = DATA / 'biobert-v1.1-files'
TINY_TF = DATA / 'tiny-bert-tf1-ckpt'
TINY_TORCH = DATA / 'tiny-bert-torch' / 'bert-h16-l2'

pytestmark = pytest.mark.skipif(
  not (BIOBERT.is_dir() and TINY_TF.is_dir() and TINY_TORCH.is_dir()),
  reason=f'no checkpoint files in {DATA}: set BIOBERT_DATA',
)


def arrays_of(folder: pathlib.Path) -> dict[str, np.ndarray]:
  """All tensors of a TF1 checkpoint."""
  prefix = tensorflow.find_prefix(folder)
  assert prefix is not None
  stored = tensorflow.read(prefix)
  return {name: tensor.read() for name, tensor in stored.items()}


def is_of_the_model(name: str) -> bool:
  return name != 'global_step' and not name.endswith(('/adam_m', '/adam_v'))


def assert_bit_equal(
  found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]
) -> None:
  assert found.keys() == wanted.keys()
  for name, array in wanted.items():
    assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
    assert found[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize('slots', [False, True])
def test_tf1_to_ours_to_tf1_is_bit_equal(
  slots: bool, tmp_path: pathlib.Path
) -> None:
  """Through an import on disk; with slots all 139 tensors, else 46."""
  original = arrays_of(TINY_TF)
  model = pretrained.load_pretrained(TINY_TF, do_lower_case=True)
  report = import_weights.import_weights(
    model, str(tmp_path / 'ours'), slots=slots
  )
  assert report['slots_kept'] == (93 if slots else 0)
  kept = pretrained.load_pretrained(tmp_path / 'ours')
  export.export(kept, 'tensorflow', str(tmp_path / 'back'))
  wanted = {n: a for n, a in original.items() if slots or is_of_the_model(n)}
  assert len(wanted) == (139 if slots else 46)
  assert_bit_equal(arrays_of(tmp_path / 'back'), wanted)


def test_every_tensor_of_a_tf1_checkpoint_is_explained() -> None:
  contents = pretrained.load_pretrained(TINY_TF, do_lower_case=True).contents
  assert contents.skipped == {
    'optimizer slots (adam_m)': 46,
    'optimizer slots (adam_v)': 46,
    'counters (global_step)': 1,
  }
  assert (len(contents.params), len(contents.slots)) == (46, 93)
  assert contents.groups == (
    'encoder',
    'pooler',
    'masked_lm',
    'next_sentence',
  )
  assert str(contents).startswith('46 tensors of the model (encoder, pooler')


def test_every_tensor_of_a_torch_file_is_explained(
  tmp_path: pathlib.Path,
) -> None:
  model = pretrained.load_pretrained(TINY_TORCH)
  assert (model.head, len(model.params)) == ('encoder', 39)
  assert model.contents.skipped == Counter()
  assert not model.tokenizer.do_lower_case
  import_weights.import_weights(model, str(tmp_path / 'ours'))
  again = pretrained.load_pretrained(tmp_path / 'ours')
  assert_bit_equal(again.params, model.params)


def tensors_of_biobert(source: str) -> dict[str, tuple[int, ...]]:
  """name -> shape, as it was written down, or out of the real index."""
  if source == 'index':
    prefix = tensorflow.find_prefix(BIOBERT)
    assert prefix is not None
    return {n: t.shape for n, t in tensorflow.list_tensors(prefix).items()}
  with (BIOBERT / source).open(encoding='utf-8') as file:
    rows = list(csv.reader(file, delimiter='\t'))[1:]
  return {
    name: tuple(map(int, shape.split('x') if shape else ()))
    for name, _, shape, *_ in rows
  }


@pytest.mark.parametrize('source', ['tensors.tsv', 'index'])
def test_biobert_is_our_base_encoder_and_pooler(source: str) -> None:
  """One to one: none of its 199 is left, and none of ours."""
  config = BertConfig.from_json(BIOBERT / 'bert_config.json')
  assert config == BertConfig.base()
  ours = {
    row.tensorflow: row.sizes(config)
    for row in name_map.table(config.num_hidden_layers)
    if row.group in (name_map.ENCODER, name_map.POOLER)
  }
  theirs = tensors_of_biobert(source)
  assert len(theirs) == 199
  assert ours == theirs
  ones = {row.ours for row in name_map.table(config.num_hidden_layers)}
  assert len(ones) == len(name_map.table(config.num_hidden_layers))


def test_biobert_opens_but_for_its_weights(tmp_path: pathlib.Path) -> None:
  """Its real index, vocabulary and sizes, with numbers of ours."""
  config = BertConfig.from_json(BIOBERT / 'bert_config.json')
  tokenizer = WordPieceTokenizer.from_directory(BIOBERT, do_lower_case=False)
  check_vocab_size(tokenizer, config.vocab_size, BIOBERT)
  prefix = tensorflow.find_prefix(BIOBERT)
  assert prefix is not None
  zeros = {
    name: LazyTensor(t.shape, t.dtype, lambda s=t.shape: np.zeros(s, 'f'))
    for name, t in tensorflow.list_tensors(prefix).items()
  }
  contents = name_map.read(zeros, name_map.TENSORFLOW, config, BIOBERT)
  assert (len(contents.params), contents.skipped) == (199, Counter())
  assert contents.groups == ('encoder', 'pooler')
  words = sum(array.size for array in contents.params.values())
  assert words == 108_310_272
  shutil.copytree(BIOBERT, tmp_path / 'biobert')
  with pytest.raises(
    pretrained.InputError, match='data-00000-of-00001: no such'
  ):
    pretrained.load_pretrained(tmp_path / 'biobert', do_lower_case=False)
