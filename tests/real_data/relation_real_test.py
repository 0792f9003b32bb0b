"""GAD as BioBERT's authors gave it, read and counted.

Rows, labels and repeats are those that were counted with other tools when the
files were fetched. Set BIOBERT_DATA to the folder that holds the corpora.
"""

import collections
import os
import pathlib

import numpy as np
import pytest

from biobert_jax.data.packing import plan_rows
from biobert_jax.data.relation import corpus as relation_corpus
from biobert_jax.data.relation import features as relation_features
from biobert_jax.data.relation.pair_words import Placeholders
from biobert_jax.data.splits import count_overlap
from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer

DATA = pathlib.Path(
  os.environ.get(
    'BIOBERT_DATA', pathlib.Path(__file__).parents[2] / '../shared/data'
  )
)
GAD = DATA / 'gad'
VOCAB = DATA / 'vocab-bert-base-cased' / 'vocab.txt'
FORM = relation_corpus.RelationRules(
  Placeholders('@GENE$', '@DISEASE$'), ('0', '1'), 0.0
)

pytestmark = pytest.mark.skipif(
  not GAD.is_dir(), reason=f'no folds of GAD in {DATA}: set BIOBERT_DATA'
)


def bytes_of(ids):
  return np.asarray(ids, '<i4').tobytes()


def read(fold, split):
  counts = collections.Counter()
  examples = relation_corpus.read_split(GAD / fold, split, counts, FORM)
  return examples, dict(+counts)


@pytest.mark.parametrize(
  ('fold', 'train', 'test', 'positive', 'shared'),
  [
    ('1', 4796, 534, (2520, 281), 8),
    ('2', 4797, 533, (2521, 280), 9),
    ('3', 4797, 533, (2521, 280), 4),
  ],
)
def test_the_folds(fold, train, test, positive, shared):
  splits = [read(fold, split) for split in ('train', 'test')]
  assert [len(examples) for examples, _ in splits] == [train, test]
  assert [counts for _, counts in splits] == [{}, {}]
  for (examples, _), wanted in zip(splits, positive, strict=True):
    assert sum(example.label == '1' for example in examples) == wanted
  texts = [[one.text for one in split] for split, _ in splits]
  assert count_overlap(*texts) == shared
  # Together they are the 5,330 of the paper's Table 4.
  both = [example for examples, _ in splits for example in examples]
  assert len(both) == 5330
  assert len({example.text for example in both}) == 5122
  assert [e.index for e in splits[1][0]] == [str(i) for i in range(test)]
  assert splits[1][0][0].line == 2
  # dev.tsv is empty.
  assert len(read(fold, 'train_dev')[0]) == train
  with pytest.raises(InputError, match=r'dev\.tsv:1.*devel_split='):
    read(fold, 'devel')


@pytest.mark.skipif(not VOCAB.exists(), reason=f'no vocabulary in {DATA}')
def test_every_pair_is_kept_in_rows_of_the_paper_s_length():
  tokenizer = WordPieceTokenizer.from_vocab_file(VOCAB, False)
  examples = [e for split in ('train', 'test') for e in read('1', split)[0]]
  counts = collections.Counter()
  windows, _ = relation_features.encode(
    [example.text for example in examples],
    tokenizer,
    FORM.pair,
    max_seq_length=128,
    counts=counts,
  )
  assert dict(counts) == {'sentences_cut': 25}
  wanted = [bytes_of(tokenizer.encode(w)[0]) for w in ('@GENE$', '@DISEASE$')]
  cuts = windows.offsets[1:-1]
  lost = 0
  for example, ids in zip(
    examples, np.split(windows.input_ids, cuts), strict=True
  ):
    assert all(word in bytes_of(ids) for word in wanted)
    # The reference keeps the first 126 pieces, and in nine loses the pair.
    kept = tokenizer.encode(example.text)[1][:126][-1][1]
    lost += FORM.pair.locate(example.text[:kept]) is None
  assert lost == 9
  plan = plan_rows(windows.lengths, 128, True, max_sequences=8)
  assert len(windows.input_ids) / (plan.num_rows * 128) > 0.96
