"""Pre-training rows of real abstracts and full texts, under BERT's vocabulary.

Set BIOBERT_DATA to the folder that holds the corpora.
"""

import os
import pathlib
import time

import numpy as np
import pytest

from biobert_jax.data.pretraining.sentence_pairs import article_id
from biobert_jax.data.pretraining.sequences import PretrainingSequences
from biobert_jax.data.pretraining.shards import Shards
from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.text.wordpiece import WordPieceTokenizer
from tests.fixtures.sentence_corpora import reference_pairs

DATA = pathlib.Path(
  os.environ.get(
    'BIOBERT_DATA', pathlib.Path(__file__).parents[2] / '../shared/data'
  )
)
PUBMED, PMC = DATA / 'pubmed-xml', DATA / 'pmc-oa-ccby'
VOCAB = DATA / 'vocab-bert-base-cased' / 'vocab.txt'
INPUTS = {
  'abstracts': [PMC / 'abstracts.jsonl', PUBMED / 'pubmed20n1015.xml.gz'],
  'full texts': [PMC / 'fulltext.jsonl'],
}

pytestmark = pytest.mark.skipif(
  not (PUBMED.is_dir() and PMC.is_dir() and VOCAB.is_file()),
  reason=f'no PubMed, PMC and vocabulary in {DATA}: set BIOBERT_DATA',
)


@pytest.fixture(scope='module')
def tokenizer():
  return WordPieceTokenizer.from_vocab_file(VOCAB, do_lower_case=False)


@pytest.fixture(scope='module', params=INPUTS)
def corpus(request, tmp_path_factory, tokenizer):
  folder = tmp_path_factory.mktemp('corpus')
  inputs = [str(path) for path in INPUTS[request.param]]
  prepare.prepare(inputs, folder, tokenizer, workers=1)
  return request.param, Shards(folder, tokenizer=tokenizer)


@pytest.mark.parametrize('length', [512, 128])
def test_rows_are_full(corpus, tokenizer, length):
  name, shards = corpus
  rows = PretrainingSequences(shards, tokenizer, max_seq_length=length)
  start = time.process_time()
  found = rows.statistics(num_blocks=60)
  seconds = time.process_time() - start
  positions = found['blocks_measured'] * rows.block_rows * length
  print(f'{name}, {length}: {positions / seconds / 1e6:.1f} M positions/s')
  print({key: round(value, 4) for key, value in found.items()})
  assert found['fill'] > 0.97
  assert found['random_next'] == pytest.approx(0.5, abs=0.03)
  assert found['unlabelled'] < 0.25
  assert found['rows_at_max_pairs'] < 0.02
  assert found['documents_left_out'] < 0.06
  assert found['documents_repeated'] < 0.06
  alone = PretrainingSequences(
    shards, tokenizer, max_seq_length=length, next_sentence=False
  )
  assert alone.statistics(num_blocks=60)['fill'] > 0.97


def test_pairs_are_those_of_the_reference(corpus, tokenizer):
  name, shards = corpus
  rows = PretrainingSequences(
    shards,
    tokenizer,
    max_seq_length=512,
    pack=False,
    single_sentence='random',
    block_rows=2048,
  )
  batch = [
    (lengths, label)
    for step in range(rows.num_rows // 16)
    for lengths, label in [_lengths(rows.train_batch(step, 64))]
  ]
  ours = np.concatenate([lengths for lengths, _ in batch])
  random = np.concatenate([label for _, label in batch]) == 1
  documents = [
    document.sentence_lengths.tolist()
    for document in shards.read(0, len(shards))
  ]
  draw = np.random.default_rng(0)
  theirs = np.array(
    [
      pair
      for _ in range(4)
      for number in range(len(documents))
      for pair in reference_pairs(documents, number, 509, 0.1, draw)
    ]
  )
  print(
    f'{name}: A, B and random {ours.mean(0)} {random.mean():.4f},'
    f' of the reference {theirs.mean(0)}'
  )
  assert ours.mean(0) == pytest.approx(theirs[:, :2].mean(0), rel=0.04)
  assert random.mean() == pytest.approx(theirs[:, 2].mean(), abs=0.015)


def _lengths(batch):
  """Pieces of A and B, [B, 2], and labels, [B], of unpacked rows."""
  real = (batch['sequence_ids'] > 0).sum(1)
  b = batch['segment_ids'].sum(1)
  a = real - b - 2
  return np.stack([a, b - 1], 1), batch['next_sentence_labels'][:, 0]


def test_segments_are_text_of_the_corpus(corpus, tokenizer):
  """A and B are looked for, piece by piece, in the documents as prepared."""
  _, shards = corpus
  documents = shards.read(0, len(shards))
  ids = np.concatenate([d.input_ids for d in documents])
  names = np.repeat([article_id(d.id) for d in documents], shards.lengths)
  text = ids.astype('<u2').tobytes()

  def articles(pieces):
    wanted, at, found = pieces.astype('<u2').tobytes(), -1, set()
    while (at := text.find(wanted, at + 1)) >= 0:
      if at % 2 == 0:
        found.add(str(names[at // 2]))
    return found

  rows = PretrainingSequences(shards, tokenizer, max_seq_length=512)
  batch = rows.train_batch(3, 64)
  seen = {0: 0, 1: 0}
  for row in range(64):
    for number in range(1, batch['sequence_ids'][row].max() + 1):
      place = batch['sequence_ids'][row] == number
      label = batch['next_sentence_labels'][row, number - 1]
      pieces = batch['input_ids'][row][place]
      second = batch['segment_ids'][row][place] == 1
      a, b = pieces[~second][1:-1], pieces[second][:-1]
      assert articles(a)
      if label == 0 and not place[-1]:  # Not truncated.
        assert articles(np.concatenate([a, b]))
        seen[0] += 1
      if label == 1 and min(len(a), len(b)) > 20:
        assert articles(b)
        assert articles(a) != articles(b)
        seen[1] += 1
  assert min(seen.values()) > 15
