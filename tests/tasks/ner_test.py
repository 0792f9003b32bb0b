"""Hostile corpora: one clear error, or one prediction for each gold token."""

import re
import tempfile
from collections.abc import Iterator
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from biobert_jax.data.packing import PackedRows
from biobert_jax.errors import InputError
from biobert_jax.tasks import ner
from biobert_jax.text.wordpiece import WordPieceTokenizer
from tests.fixtures import small_run

_LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
PIECES = (
  *('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'),
  *_LETTERS,
  *('##' + c for c in _LETTERS),
)
TOKENIZER = WordPieceTokenizer(PIECES, False)
TRAIN = 'Fever\tB\nof\tI\nrats\tO\n\nAspirin\tO\nhelps\tO\n'

_token = st.one_of(
  st.sampled_from(['Fever', 'IL', '-', '2', 'x' * 130, 'y' * 250, '糖尿病']),
  st.sampled_from(['\u200b', '\u00a0', '\xad', '\u2028', '\x85', '\uf061', '']),
  st.text(max_size=6),
)
_tag = st.one_of(
  st.sampled_from(['O', 'B', 'I']),
  st.sampled_from(['O', 'B', 'I', 'S', 'E', 'B-X', 'o', '', 'I-Y']),
)
_line = st.one_of(
  st.tuples(_token, _tag).map('\t'.join),
  st.sampled_from(['', ' ', '\t', '-DOCSTART-\tO', '###MEDLINE:1', 'a b c d']),
  st.tuples(_token, _tag, _tag).map('\t'.join),
)
_corpus = st.tuples(
  st.sampled_from(['', '\ufeff']),
  st.lists(_line, max_size=40),
  st.sampled_from(['\n', '\r\n', '\r']),
).map(
  lambda parts: (parts[0] + parts[2].join(parts[1]) + '\n').encode(
    'utf-8', 'surrogatepass'
  )
)
_bytes = st.one_of(_corpus, st.binary(max_size=60))


def random_outputs(rows: PackedRows) -> Iterator[tuple[Any, Any]]:
  """What a device would answer, chosen at random."""
  rng = np.random.default_rng(0)
  for batch in rows.eval_batches(4):
    shape = batch['input_ids'].shape
    yield (
      batch,
      {
        'label': rng.integers(0, 3, shape).astype(np.int32),
        'probability': rng.random(shape).astype(np.float32),
      },
    )


@hypothesis.settings(
  max_examples=500,
  deadline=None,
  suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
@hypothesis.given(_bytes)
def test_hostile_corpora(hostile):
  with tempfile.TemporaryDirectory() as folder:
    for split, text in (
      ('train', TRAIN.encode()),
      ('devel', TRAIN.encode()),
      ('test', hostile),
    ):
      with open(f'{folder}/{split}.tsv', 'wb') as file:
        file.write(text)
    config = small_run.config(
      data__dir=folder, data__max_seq_length=32, data__window_overlap=8
    )
    refused = ''
    try:
      dataset = ner.dataset_of(config, TOKENIZER)
    except InputError as error:
      refused = str(error)
    if refused:
      assert re.search(r'test\.tsv', refused), refused
      return
    rows = dataset.rows('test')
    scored = dataset.score('test', random_outputs(rows))
  gold = sum(len(s.tokens) for s in dataset.examples['test'])
  lines = scored.files['predictions_test.tsv'].split('\n')
  assert sum(line != '' for line in lines) == gold > 0
  assert scored.metrics['gold'] >= 0


def test_perfect_outputs_score_100():
  config = small_run.config()
  dataset = ner.dataset_of(config, TOKENIZER)
  rows = dataset.rows('test')

  def outputs():
    for batch in rows.eval_batches(8):
      shape = batch['labels'].shape
      yield batch, {'label': batch['labels'], 'probability': np.ones(shape)}

  scored = dataset.score('test', outputs())
  assert scored.metrics['f1'] == 100.0
  assert scored.files['errors_test.tsv'].count('\n') == 1
