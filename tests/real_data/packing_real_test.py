"""How much of the rows is padding, on a real corpus and vocabulary.

Set BIOBERT_DATA to the folder that holds the corpora.
"""

import collections
import os
import pathlib

import numpy as np
import pytest

from biobert_jax.data import windows
from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.data.packing import PackedRows
from biobert_jax.text.wordpiece import WordPieceTokenizer

DATA = pathlib.Path(
  os.environ.get(
    'BIOBERT_DATA', pathlib.Path(__file__).parents[2] / '../shared/data'
  )
)
NCBI = DATA / 'ncbi-disease'
VOCAB = DATA / 'vocab-bert-base-cased' / 'vocab.txt'

pytestmark = pytest.mark.skipif(
  not (NCBI.is_dir() and VOCAB.is_file()),
  reason=f'no corpora in {DATA}: set BIOBERT_DATA',
)


def test_padding_of_ncbi_disease_at_128():
  counts = collections.Counter()
  sentences = ner_corpus.read_split(NCBI, 'train', counts)
  encoded = windows.encode(
    [s.tokens for s in sentences],
    WordPieceTokenizer.from_vocab_file(VOCAB, do_lower_case=False),
    max_seq_length=128,
    overlap=32,
    counts=counts,
  )
  labels = np.zeros(encoded.num_words, np.int32)
  padding = {
    pack: 1 - PackedRows(encoded, labels, max_seq_length=128, pack=pack).fill
    for pack in (True, False)
  }
  print(
    f'NCBI-disease train, rows of 128: {padding[True]:.2%} padding packed, '
    f'{padding[False]:.2%} unpacked; {dict(counts)}'
  )
  assert sorted(encoded.words[encoded.words >= 0]) == list(range(135701))
  assert padding[True] < 0.05
  assert padding[False] > 0.5
