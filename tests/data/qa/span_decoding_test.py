"""Answers from logits: as run_squad.py's loops choose them, and never lost."""

import json
import math
from collections import Counter

import numpy as np
import pytest

from biobert_jax.data.qa import features as qa_features
from biobert_jax.data.qa import span_decoding
from biobert_jax.data.qa.squad import Question
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer

LETTERS = 'abcdefghij'
TOKENIZER = WordPieceTokenizer(
  (*SPECIALS, *LETTERS, *('##' + c for c in LETTERS), '?'), False
)
# More than a window has pieces: so nothing of the reference's is cut off.
PLAIN = span_decoding.Rules(40, 4, unanswerable=False, null_threshold=0.0)


def questions_of(contexts):
  return [
    Question(str(i), 'ab?', context, (), 'x.json', 'there')
    for i, context in enumerate(contexts)
  ]


def encode(contexts):
  return qa_features.encode(
    questions_of(contexts),
    TOKENIZER,
    max_seq_length=16,
    max_question_length=3,
    doc_stride=4,
    counts=Counter(),
  )


def contexts_of(rng):
  words = [''.join(rng.choice(list(LETTERS), n)) for n in (1, 2, 3, 1, 2)]
  return [' '.join(rng.choice(words, size)) for size in (1, 4, 9, 30, 2, 17, 1)]


def logits_of(rng, windows):
  """Coarse, so that some are equal."""
  shape = (2, windows.windows.num_words)
  return (rng.integers(-20, 20, shape) / 4).astype(np.float32)


def of_the_reference(context, windows, number, logits, rules):
  """The n best of run_squad.py:741, written after its description."""
  found, null = [], (math.inf, 0.0, 0.0)
  for i in np.flatnonzero(windows.question == number):
    begin, end = windows.windows.offsets[i : i + 2]
    starts, ends = logits[:, begin:end].tolist()
    if starts[0] + ends[0] < null[0]:
      null = (starts[0] + ends[0], starts[0], ends[0])
    prefix = windows.prefix[i]
    last = prefix + windows.last[i] - windows.first[i]
    ranked = [
      sorted(range(len(row)), key=lambda k: -row[k])[: rules.n_best]
      for row in (starts, ends)
    ]
    for s in ranked[0]:
      for e in ranked[1]:
        piece = windows.first[i] + s - prefix
        if not (prefix <= s < last and prefix <= e < last):
          continue
        if not windows.own_first[i] <= piece < windows.own_last[i]:
          continue
        if not 0 <= e - s < rules.max_answer_length:
          continue
        base = windows.piece_offsets[number] + windows.first[i] - prefix
        place = windows.char_starts[base + s], windows.char_ends[base + e]
        found.append((starts[s], ends[e], context[slice(*place)]))
  if rules.unanswerable:
    found.append((null[1], null[2], ''))
  found.sort(key=lambda row: -(row[0] + row[1]))
  kept, seen = [], set()
  for start, end, text in found:
    if len(kept) == rules.n_best:
      break
    if text not in seen:
      seen.add(text)
      kept.append((text, start, end))
  if rules.unanswerable and '' not in seen:
    kept.append(('', null[1], null[2]))
  return kept, null


@pytest.mark.parametrize('unanswerable', [False, True])
@pytest.mark.parametrize('n_best', [40, 20])
def test_as_the_reference_chooses(unanswerable, n_best, monkeypatch):
  monkeypatch.setattr(span_decoding, '_CHUNK', 3)
  rules = span_decoding.Rules(n_best, 4, unanswerable, 0.5)
  nothing = 0
  for seed in range(8):
    rng = np.random.default_rng(seed)
    contexts = contexts_of(rng)
    questions, windows = questions_of(contexts), None
    # Passages are numbered by their first question.
    contexts = list(dict.fromkeys(contexts))
    questions, windows = questions_of(contexts), encode(contexts)
    logits = logits_of(rng, windows)
    found = span_decoding.decode(questions, windows, *logits, rules)
    assert len(found) == len(contexts)
    for number, (context, one) in enumerate(zip(contexts, found, strict=True)):
      kept, null = of_the_reference(context, windows, number, logits, rules)
      ours = [(c.text, c.start_logit, c.end_logit) for c in one.candidates]
      assert ours == kept
      scores = np.exp([start + end for _, start, end in kept])
      shares = [c.probability for c in one.candidates]
      np.testing.assert_allclose(shares, scores / scores.sum())
      text, start, end = next(row for row in kept if row[0])
      assert one.null_odds == pytest.approx(null[0] - start - end)
      silent = unanswerable and one.null_odds > 0.5
      assert one.chosen.text == ('' if silent else text)
      nothing += silent
      for c in one.candidates:
        assert context[c.start : c.end] == c.text
  assert (nothing > 0) == unanswerable


def test_a_passage_with_pieces_has_an_answer_whatever_the_question_gets():
  """The reference would say "empty": the best are all in the question."""
  questions, windows = questions_of(['c d']), encode(['c d'])
  logits = np.zeros((2, windows.windows.num_words), np.float32)
  logits[:, 1:4] = 9
  rules = span_decoding.Rules(2, 30, unanswerable=False, null_threshold=0.0)
  (one,) = span_decoding.decode(questions, windows, *logits, rules)
  assert one.chosen.text == 'c'
  assert len(one.candidates) == 2


def test_a_passage_without_pieces_is_answered_by_nothing():
  for rules in (PLAIN, span_decoding.Rules(20, 30, True, 0.0)):
    questions, windows = questions_of([' ', 'a']), encode([' ', 'a'])
    logits = np.zeros((2, windows.windows.num_words), np.float32)
    one, other = span_decoding.decode(questions, windows, *logits, rules)
    assert (one.chosen.text, one.chosen.probability) == ('', 1.0)
    assert one.null_odds == 0.0
    assert other.chosen.text == 'a'


def test_files_have_the_reference_s_form():
  questions, windows = questions_of(['c d']), encode(['c d'])
  logits = np.zeros((2, windows.windows.num_words), np.float32)
  logits[0, 5], logits[1, 6] = 2, 1  # [CLS] a b ? [SEP] c d [SEP]
  rules = span_decoding.Rules(2, 30, True, 0.0)
  found = span_decoding.decode(questions, windows, *logits, rules)
  files = span_decoding.prediction_files(questions, found, True)
  read = {name: json.loads(text) for name, text in files.items()}
  assert read['predictions'] == {'0': 'c d'}
  assert read['null_odds'] == {'0': -3.0}
  best, *_, last = read['nbest_predictions']['0']
  assert best.pop('probability') > last['probability']
  assert best == {
    'text': 'c d',
    'start': 0,
    'end': 3,
    'start_logit': 2.0,
    'end_logit': 1.0,
  }
  assert (last['text'], last['start'], last['end']) == ('', 0, 0)
  assert 'null_odds' not in span_decoding.prediction_files(
    questions, found, False
  )
