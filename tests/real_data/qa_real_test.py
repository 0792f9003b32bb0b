"""XQuAD, which is a part of SQuAD's development file, as it is read."""

import os
import pathlib
from collections import Counter

import numpy as np
import pytest

from biobert_jax.data.qa import features as qa_features
from biobert_jax.data.qa import squad
from biobert_jax.data.qa.span_decoding import Rules, decode
from biobert_jax.text.wordpiece import WordPieceTokenizer

ROOT = pathlib.Path(__file__).parents[2]
DATA = pathlib.Path(
  os.environ.get('BIOBERT_DATA', ROOT.parent / 'shared' / 'data')
)
XQUAD = DATA / 'xquad-en' / 'xquad.en.json'
VOCAB = DATA / 'vocab-bert-base-cased' / 'vocab.txt'

pytestmark = pytest.mark.skipif(
  not (XQUAD.exists() and VOCAB.exists()),
  reason=f'no XQuAD or vocabulary in {DATA}; set BIOBERT_DATA',
)


@pytest.fixture(scope='module')
def corpus():
  """Questions, windows of 384 pieces, what was noticed."""
  counts = Counter()
  form = squad.SquadRules('1.1', training=True, max_broken=0.0)
  questions = squad.read_files([str(XQUAD)], counts, form)
  windows = qa_features.encode(
    questions,
    WordPieceTokenizer.from_vocab_file(VOCAB, do_lower_case=False),
    max_seq_length=384,
    max_question_length=64,
    doc_stride=128,
    counts=counts,
  )
  return questions, windows, +counts


def test_no_question_is_lost(corpus):
  questions, windows, counts = corpus
  assert len(questions) == 1190
  assert len({question.context for question in questions}) == 240
  assert counts == {'questions_split': 28}
  assert sorted(set(windows.question.tolist())) == list(range(1190))


def test_labels_point_at_the_answers(corpus):
  """All but one word for word: there the answer ends within a piece."""
  questions, windows, _ = corpus
  logits = np.zeros((2, windows.windows.num_words), np.float32)
  for row, bit in zip(logits, (1, 2), strict=True):
    row[windows.labels & bit > 0] = 9
  rules = Rules(20, 100, unanswerable=False, null_threshold=0.0)
  found = decode(questions, windows, *logits, rules)
  wrong = []
  for question, one in zip(questions, found, strict=True):
    for candidate in one.candidates:
      place = slice(candidate.start, candidate.end)
      assert question.context[place] == candidate.text
    gold = question.answers[0].text
    if one.chosen.text != gold:
      wrong.append((gold, one.chosen.text))
  assert wrong == [
    ('7,000,000 square kilometres (2,70', '7,000,000 square kilometres (2,700')
  ]
