"""Entity scores are conlleval.pl's, digit for digit."""

import json
import random

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from biobert_jax.metrics import ner
from tests.fixtures import conlleval_cases
from tests.fixtures.random_tags import CONLLEVAL as SCHEMES

# In these the script leaves no chunk open: what it counts is what one can list.
REGULAR = ('untyped', 'typed', 'iobes')


@st.composite
def tagged(draw, schemes=tuple(SCHEMES)):
  """Gold and predicted tags of some sentences, often in agreement."""
  tag = st.sampled_from(SCHEMES[draw(st.sampled_from(schemes))])
  gold = draw(st.lists(st.lists(tag, max_size=8), max_size=6))
  predicted = [
    [draw(tag) if draw(st.booleans()) else gold_tag for gold_tag in sentence]
    for sentence in gold
  ]
  return gold, predicted


def mentions(sentences):
  """Every span of every sentence, with the sentence's index."""
  return {
    ner.Span(index, *span)
    for index, tags in enumerate(sentences)
    for span in ner.spans(tags)
  }


@pytest.mark.parametrize('case', conlleval_cases.CASES, ids=lambda c: c.name)
def test_text_is_what_the_script_printed(case):
  report = ner.evaluate(case.gold, case.predicted)
  assert ner.conlleval_text(report) == case.text


@pytest.mark.parametrize('case', conlleval_cases.CASES, ids=lambda c: c.name)
def test_dict_has_the_printed_figures(case):
  report = ner.as_dict(ner.evaluate(case.gold, case.predicted))
  first, *rest = case.text.splitlines()
  words = first.replace(';', '').rstrip('.').split()
  counts = [report['gold'], report['predicted'], report['correct']]
  assert counts == [int(words[i]) for i in (4, 7, 10)]
  printed = [
    float(f.rstrip('%')) for f in rest[0].replace(';', '').split()[1::2]
  ]
  names = ('accuracy', 'precision', 'recall', 'f1')
  assert [report[name] for name in names] == printed
  for line in rest[1:]:
    type_, figures = line.split(': precision: ')
    row = report['per_type'][type_.strip() or 'entity']
    printed = figures.replace('%; recall:', '').replace('%; FB1:', '').split()
    values = [row['precision'], row['recall'], row['f1'], row['predicted']]
    assert values == list(map(float, printed))
  assert len(report['per_type']) == len(set(rest[1:]))


@pytest.mark.parametrize(
  ('tags', 'expected'),
  [
    ('', []),
    ('O O', []),
    ('B I O B', [(0, 2, ''), (3, 4, '')]),
    ('I-D I-D O I-D', [(0, 2, 'D'), (3, 4, 'D')]),
    ('B-D B-D I-D', [(0, 1, 'D'), (1, 3, 'D')]),
    ('B-D I-C I-C', [(0, 1, 'D'), (1, 3, 'C')]),
    ('B-cell-line I-cell-line I-cell', [(0, 2, 'cell-line'), (2, 3, 'cell')]),
    ('S-D O B-D E-D O', [(0, 1, 'D'), (2, 4, 'D')]),
    ('B-D E-D B-D E-D', [(0, 4, 'D')]),
    ('U-D B-C L-C', [(0, 1, 'D'), (1, 3, 'C')]),
    ('[ I ]', [(0, 1, ''), (2, 3, '')]),
    ('B S O O', [(0, 2, '')]),
    ('B-0 I', [(0, 2, '')]),
    ('B O-D', [(0, 1, '')]),
  ],
)
def test_spans(tags, expected):
  assert ner.spans(tags.split()) == expected


@hypothesis.given(tagged())
def test_spans_are_ordered_apart_and_never_outside(sides):
  for tags in sides[0]:
    end = 0
    for start, stop, _ in ner.spans(tags):
      assert end <= start < stop <= len(tags)
      assert all(tag.split('-')[0] != 'O' for tag in tags[start:stop])
      end = stop


@hypothesis.given(tagged())
def test_counts_of_entities_are_numbers_of_spans(sides):
  gold, predicted = sides
  overall = ner.evaluate(gold, predicted).overall
  assert overall.gold == len(mentions(gold))
  assert overall.predicted == len(mentions(predicted))


@hypothesis.given(tagged(REGULAR))
def test_lists_of_mistakes_agree_with_the_counts(sides):
  gold, predicted = sides
  report = ner.evaluate(gold, predicted)
  golds, predictions = mentions(gold), mentions(predicted)
  assert report.overall.correct == len(golds & predictions)
  assert set(report.false_positives) == predictions - golds
  assert set(report.false_negatives) == golds - predictions
  for mistakes in (report.false_positives, report.false_negatives):
    places = [(span.sentence, span.start) for span in mistakes]
    assert places == sorted(set(places))


@hypothesis.given(tagged(REGULAR))
def test_exchanging_sides_exchanges_precision_and_recall(sides):
  one = ner.evaluate(*sides).overall
  other = ner.evaluate(*reversed(sides)).overall
  assert (one.precision, one.recall) == (other.recall, other.precision)
  assert one.f1 == pytest.approx(other.f1, rel=1e-15)


@hypothesis.given(tagged())
def test_per_type_scores_add_up(sides):
  report = ner.evaluate(*sides)
  golds, predictions, _ = np.sum([(0, 0, 0), *report.per_type.values()], axis=0)
  assert (golds, predictions) == report.overall[:2]
  assert list(report.per_type) == sorted(report.per_type)


def test_nothing_scores_zero():
  report = ner.evaluate([], [], bootstrap=10)
  assert ner.as_dict(report) == {
    'precision': 0.0,
    'recall': 0.0,
    'f1': 0.0,
    'per_type': {},
    'gold': 0,
    'predicted': 0,
    'correct': 0,
    'accuracy': 0.0,
    'f1_interval_95': None,
  }
  assert ner.conlleval_text(report) == (
    'processed 0 tokens with 0 phrases; found: 0 phrases; correct: 0.\n'
  )


def test_sentence_of_another_length_is_named():
  with pytest.raises(ValueError, match='sentence 1 has 2 gold tags but 1'):
    ner.evaluate([['O'], ['O', 'O']], [['O'], ['O']])
  with pytest.raises(ValueError, match='2 gold sentences but 1'):
    ner.evaluate([['O'], ['O']], [['O']])


def test_dict_is_json_and_names_untyped_entities():
  report = ner.evaluate([['B', 'O', 'B-D']], [['B', 'B', 'B-D']], bootstrap=9)
  scores = json.loads(json.dumps(ner.as_dict(report)))
  assert scores['per_type']['entity'] == {
    'precision': 50.0,
    'recall': 100.0,
    'f1': 66.67,
    'gold': 1,
    'predicted': 2,
    'correct': 1,
  }
  assert set(scores['per_type']) == {'entity', 'D'}
  assert scores['f1_interval_95'] == [80.0, 80.0]


def test_a_type_called_entity_is_not_mistaken_for_none():
  tags = [['B', 'O', 'B-entity', 'O', 'B-entity']]
  per_type = ner.as_dict(ner.evaluate(tags, tags))['per_type']
  assert per_type['']['gold'] == 1
  assert per_type['entity']['gold'] == 2


def corpus(seed, sentences=120):
  """A corpus in which one tag of four is drawn anew."""
  draw = random.Random(seed)
  tags = SCHEMES['typed']
  gold = [draw.choices(tags, k=draw.randint(1, 20)) for _ in range(sentences)]
  predicted = [
    [draw.choice(tags) if draw.random() < 0.25 else tag for tag in sentence]
    for sentence in gold
  ]
  return gold, predicted


def test_interval_is_that_of_resampled_sentences():
  gold, predicted = corpus(0)
  counts = np.array(
    [
      ner.evaluate([one], [other]).overall
      for one, other in zip(gold, predicted, strict=True)
    ]
  )
  random_ = np.random.default_rng(1)
  draws = random_.integers(len(counts), size=(20000, len(counts)))
  golds, predictions, corrects = counts[draws].sum(axis=1).T
  f1 = 200 * corrects / (golds + predictions)
  report = ner.evaluate(gold, predicted, bootstrap=20000)
  # 0.019 standard deviations is the standard error of such a percentile; there
  # are two, and three of them are allowed.
  assert report.interval == pytest.approx(
    np.percentile(f1, [2.5, 97.5]), rel=0, abs=3 * 2**0.5 * 0.019 * np.std(f1)
  )


def test_interval_repeats_with_its_seed_and_ignores_empty_sentences():
  gold, predicted = corpus(2)
  intervals = [
    ner.evaluate(one, other, bootstrap=200, seed=seed).interval
    for one, other, seed in (
      (gold, predicted, 5),
      (gold, predicted, 5),
      ([[], *gold, []], [[], *predicted, []], 5),
      (gold, predicted, 6),
    )
  ]
  assert intervals[0] == intervals[1] == intervals[2] != intervals[3]
  assert ner.evaluate(gold, predicted).interval is None


def test_interval_of_a_perfect_prediction_is_a_point():
  gold, _ = corpus(3)
  assert ner.evaluate(gold, gold, bootstrap=50).interval == (100.0, 100.0)
