"""Parts that the datasets of all tasks share."""

import hashlib
import logging

import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from biobert_jax.data.packing import PackedRows
from biobert_jax.errors import InputError
from biobert_jax.tasks import datasets, ner
from biobert_jax.text.wordpiece import WordPieceTokenizer
from tests.fixtures import small_run


def test_splits_that_are_empty_are_not_read():
  assert datasets.named_splits(small_run.config()) == ('train', 'devel', 'test')
  config = small_run.config(data__devel_split='')
  assert datasets.named_splits(config) == ('train', 'test')


def test_the_folder_of_the_corpus_is_expanded(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  config = small_run.config(data__dir='~/corpus')
  assert datasets.data_folder(config) == tmp_path / 'corpus'
  config = small_run.config(data__dir='')
  with pytest.raises(InputError, match='dir=DIR, a folder of shards$'):
    datasets.data_place(config, ', a folder of shards')


def test_the_digest_is_of_splits_and_records_in_order():
  """Work folders hold it: it stays what it was."""
  text = 'train\nFever\tB\nfell\tO\ntest\n'
  expected = hashlib.sha256(text.encode()).hexdigest()
  found = {'train': ['Fever\tB', 'fell\tO'], 'test': []}
  assert datasets.digest(found, iter) == expected
  found['train'].reverse()
  assert datasets.digest(found, iter) != expected


def test_ids_of_labels():
  ids = datasets.label_ids(iter(['I', 'O', 'I']), ('O', 'B', 'I'))
  assert ids.dtype == np.int32
  assert ids.tolist() == [2, 0, 2]


def test_a_vocabulary_of_the_training_split(caplog):
  caplog.set_level(logging.INFO)
  config = small_run.config(vocab__size=40)
  texts = ['fever and rash', 'fever or rash']
  extra = ('[unused95]', '[CLS]')
  tokenizer = datasets.build_tokenizer(config, texts, extra)
  assert isinstance(tokenizer, WordPieceTokenizer)
  assert tokenizer.pieces[-1] == '[unused95]'
  assert tokenizer.pieces.count('[CLS]') == 1
  assert 'building a vocabulary' in caplog.text


def test_the_log_says_how_densely_a_split_is_packed(caplog):
  caplog.set_level(logging.INFO)
  config = small_run.config()
  dataset = ner.dataset_of(config, ner.tokenizer_of(config))
  rows = dataset.rows('test')
  assert isinstance(rows, PackedRows)
  said = f'in {rows.num_rows} packed sequences of 128, '
  assert f'{said}{100 * (1 - rows.fill):.2f} % padding' in caplog.text
  assert 'test: ' in caplog.text


def weights_config(*given):
  return ConfigDict({'data': {'class_weights': given}})


@pytest.mark.parametrize(
  ('given', 'divisor'),
  [
    (('balanced',), 2 * 4 / 2 / 3 + 4 / 2 / 1),
    (('B=3',), 2 + 3),
    (('B=3', 'O=0.5'), 1 + 3),
  ],
)
def test_weights_of_classes(given, divisor):
  parts = datasets.class_weights(
    weights_config(*given), ('O', 'B', 'I'), lambda: ['O', 'O', 'O', 'B']
  )
  batch = {'labels': jnp.asarray([0, 0, 1, -1])}
  found = parts['normalizers'](batch)['loss']
  np.testing.assert_allclose(found, divisor, rtol=1e-6)


def test_without_weights_the_corpus_is_not_read():
  for config in (weights_config(), ConfigDict({'data': {}})):
    assert datasets.class_weights(config, ('O',), lambda: 1 / 0) == {}


@pytest.mark.parametrize('given', ['X=2', 'B', 'B=x', 'B=0', 'B=nan', 'B=inf'])
def test_wrong_weights_are_refused(given):
  with pytest.raises(InputError, match='data.class_weights has .*O, B'):
    datasets.class_weights(weights_config(given), ('O', 'B'), list)
