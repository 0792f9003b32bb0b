"""The encoder of `inference/embed.py`; `embed_test.py` compares its vectors."""

from collections import Counter

import jax
import numpy as np
import pytest

from biobert_jax.data import windows
from biobert_jax.data.packing import PackedRows
from biobert_jax.inference.embed import PooledEncoder
from biobert_jax.inference.embedding_files import Header
from tests.fixtures import small_predictors


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  return small_predictors.write(tmp_path_factory.mktemp('model'), 'token')


def rows_of(model, texts):
  encoded = windows.encode_slots(
    texts, model.tokenizer, max_seq_length=16, overlap=4, counts=Counter()
  )
  nothing = np.zeros(encoded.num_words, np.int32)
  return PackedRows(encoded, nothing, max_seq_length=16, pack=True)


@pytest.mark.parametrize('pooling', ['mean', 'cls', 'tokens'])
def test_sums_are_made_on_the_device(model, pooling):
  header = Header(pooling, (-1, -2), 24, model.tokenizer.pieces)
  encoder = PooledEncoder(model, header)
  assert encoder.pools == (pooling != 'tokens')
  ((batch, output),) = encoder(rows_of(model, [[5, 6], [7]]))
  rows = len(batch['input_ids'])
  assert rows % len(jax.devices()) == 0
  slots = 8 if encoder.pools else 16
  assert output.shape == (2, rows, slots, 24)
  assert output.dtype == np.float32


def test_a_program_serves_rows_with_fewer_sequences(model):
  encoder = PooledEncoder(model, Header('mean', (-1,), 24, ()))
  for texts in ([[5]] * 3, [[5]], [[5]] * 5):
    assert len(list(encoder(rows_of(model, texts)))) == 1
  assert list(encoder._compiled) == [(16, 8)]
