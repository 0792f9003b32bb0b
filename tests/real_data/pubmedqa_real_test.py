"""PubMedQA as its authors gave it: the split of their own script.

Set BIOBERT_DATA to the folder that holds the corpora.
"""

import collections
import hashlib
import os
import pathlib

import pytest

from biobert_jax.data.yes_no import features as yes_no_features
from biobert_jax.data.yes_no import pubmedqa
from biobert_jax.text.wordpiece import WordPieceTokenizer

DATA = pathlib.Path(
  os.environ.get(
    'BIOBERT_DATA', pathlib.Path(__file__).parents[2] / '../shared/data'
  )
)
FOLDER = DATA / 'pubmedqa'
VOCAB = DATA / 'vocab-bert-base-cased' / 'vocab.txt'

pytestmark = pytest.mark.skipif(
  not FOLDER.is_dir(), reason=f'no PubMedQA in {DATA}: set BIOBERT_DATA'
)


def read(split, fold=0):
  counts = collections.Counter()
  pairs = pubmedqa.read_split(FOLDER, split, fold, 'required', counts)
  assert not +counts
  return pairs


def test_the_split_is_that_of_the_published_script():
  """All ids in the order of the files that split_dataset.py writes."""
  digest = hashlib.sha256()
  for fold in range(10):
    for split in ('train', 'devel'):
      ids = [pair.id for pair in read(split, fold)]
      assert len(ids) == {'train': 450, 'devel': 50}[split]
      digest.update(('\n'.join(ids) + '\n').encode())
  digest.update('\n'.join(pair.id for pair in read('test')).encode())
  assert digest.hexdigest() == (
    '35bb3e5966fb3e93844a54c33b7e91b6812b4ced585b858165f2c87a09b1a6b1'
  )


def test_labels_of_the_test_set():
  labels = collections.Counter(pair.label for pair in read('test'))
  assert labels == {'yes': 276, 'no': 169, 'maybe': 55}


@pytest.mark.skipif(not VOCAB.is_file(), reason=f'no {VOCAB}')
def test_what_falls_to_length_is_counted():
  tokenizer = WordPieceTokenizer.from_vocab_file(str(VOCAB), False)
  pairs = read('test')
  whole, counts = 0, collections.Counter()
  for pair in pairs:
    texts = (pair.question, pair.passage)
    whole += 3 + sum(len(tokenizer.encode(text)[0]) for text in texts)
  windows = yes_no_features.encode(
    pairs, tokenizer, max_seq_length=512, counts=counts
  )
  assert windows.lengths.max() == 512
  assert len(windows.input_ids) + counts['passage_pieces_cut'] == whole
  assert 0 < counts['passages_cut'] < 50
  assert not counts['questions_cut']
