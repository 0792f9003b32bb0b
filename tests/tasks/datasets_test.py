"""Parts that the datasets of all tasks share."""

import hashlib
import logging

import numpy as np
import pytest

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
    datasets.data_folder(config, ', a folder of shards')


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
