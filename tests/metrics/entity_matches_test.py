"""Strict, relaxed, boundary and macro scores, and a second implementation."""

import itertools
import json

import pytest

from biobert_jax.metrics import entity_matches, ner
from tests.fixtures import random_tags


def evaluate(gold, predicted, scheme=entity_matches.AUTO):
  report = ner.evaluate(gold, predicted)
  return entity_matches.evaluate(gold, predicted, report, scheme)


@pytest.mark.parametrize(
  ('scheme', 'tags', 'expected'),
  [
    ('IOB2', 'B-D I-D O I-D', [(0, 2, 'D')]),
    ('IOB2', 'B-D I-C B-C B-C', [(0, 1, 'D'), (2, 3, 'C'), (3, 4, 'C')]),
    ('IOB2', 'I I B I', [(2, 4, '')]),
    ('IOB1', 'I-D I-D O I-D B-D', [(0, 2, 'D'), (3, 4, 'D'), (4, 5, 'D')]),
    ('IOB1', 'B-D I-D I-C', [(1, 2, 'D'), (2, 3, 'C')]),
    ('IOE2', 'I-D E-D E-D I-D O', [(0, 2, 'D'), (2, 3, 'D')]),
    ('IOE1', 'I-D E-D I-D O', [(0, 2, 'D'), (2, 3, 'D')]),
    ('IOBES', 'B-D I-D E-D S-C B-D O', [(0, 3, 'D'), (3, 4, 'C')]),
    ('IOBES', 'B-D E-C I-D E-D', []),
    ('BILOU', 'B-D L-D U-D B-C I-C', [(0, 2, 'D'), (2, 3, 'D')]),
  ],
)
def test_strict_spans_are_seqeval_s(scheme, tags, expected):
  """Written by seqeval 1.2.2; comparison/seqeval_test.py has 1,000 files."""
  assert entity_matches.strict_spans(tags.split(), scheme) == expected


@pytest.mark.parametrize(
  ('tags', 'scheme'),
  [
    ('O B-D I-D', 'IOB2'),
    ('B', 'IOB2'),
    ('O', 'IOB2'),
    ('I-D O', 'IOB1'),
    ('I-D E-D', 'IOE2'),
    ('S O', 'IOBES'),
    ('B-D L-D O', 'BILOU'),
    ('B-D U-D S-D', ''),
    ('Disease O', ''),
  ],
)
def test_the_scheme_is_that_of_the_gold_tags(tags, scheme):
  assert entity_matches.scheme_of([tags.split()]) == scheme


def test_scores_of_a_sentence_that_can_be_counted_by_hand():
  gold = [
    ['B-D', 'I-D', 'I-D', 'O', 'B-D', 'I-D', 'O', 'B-C', 'O'],
    ['B-D', 'O'],
  ]
  said = [['B-D', 'I-D', 'O', 'O', 'O', 'I-D', 'B-D', 'B-D', 'O'], ['O', 'O']]
  found = evaluate(gold, said)
  # D: 1-2 for 1-3, 6 for 5-6 (its I starts an entity), a D for a C, one missed.
  assert found.relaxed == (4, 4, 2, 2)
  assert (found.relaxed.precision, found.relaxed.recall) == (50, 50)
  assert (found.left, found.right) == ((4, 4, 1), (4, 4, 1))
  assert (found.scheme, found.strict) == ('IOB2', (4, 3, 0))
  assert found.macro == (0, 0, 0)
  one_for_two = evaluate([['B-D', 'B-D']], [['B-D', 'I-D']])
  assert one_for_two.relaxed == (2, 1, 2, 1)
  assert one_for_two.relaxed.f1 == 100


def test_macro_is_the_mean_over_types_of_either_side():
  found = evaluate([['B-D', 'B-C', 'O']], [['B-D', 'O', 'B-G']])
  assert found.macro == (100 / 3, 100 / 3, 100 / 3)
  figures = json.loads(json.dumps(entity_matches.as_dict(found)))
  third, half = ({'precision': x, 'recall': x, 'f1': x} for x in (33.33, 50.0))
  counted = half | {'gold': 2, 'predicted': 2, 'correct': 1}
  matched = {'gold_matched': 1, 'predicted_matched': 1}
  assert figures == {
    'macro': third,
    'strict': counted | {'scheme': 'IOB2'},
    'relaxed': half | {'gold': 2, 'predicted': 2} | matched,
    'left': counted,
    'right': counted,
  }


def test_tags_of_another_scheme_have_no_strict_scores():
  gold, said = [['B-D', 'I-D', 'O']], [['B-D', 'E-D', 'O']]
  assert evaluate(gold, said).strict is None
  assert entity_matches.as_dict(evaluate(gold, said))['strict'] is None
  assert evaluate(gold, said, 'IOBES').strict == (0, 1, 0)


def definition(tags, scheme):
  """Strict spans by what a scheme means, token by token."""
  first, last, alone = {
    'IOB2': ('B', 'I', 'B'),
    'IOBES': ('B', 'E', 'S'),
    'BILOU': ('B', 'L', 'U'),
  }[scheme]
  tags = [*(tag.split('-', 1) + [''] for tag in tags), ['O', '', '']]
  found = []
  for start, end in itertools.combinations(range(len(tags)), 2):
    heads = ''.join(head for head, *_ in tags[start:end])
    types = {type_ for _, type_, *_ in tags[start:end]}
    whole = first + 'I' * (len(heads) - 2) + last if len(heads) > 1 else alone
    goes_on = scheme == 'IOB2' and tags[end][:2] == ['I', tags[start][1]]
    if heads == whole and len(types) == 1 and not goes_on:
      found.append((start, end, *types))
  return found


def overlapping(some, others):
  """Spans of `some` that share a token and the type with one of `others`."""
  return sum(
    any(max(a, c) < min(b, d) and type_ == other for c, d, other in others)
    for a, b, type_ in some
  )


def test_a_second_implementation_agrees_on_1000_random_files():
  strict_scores = 0
  for scheme, gold, predicted in random_tags.random_files(1000):
    pairs = [*zip(gold, predicted, strict=True)]
    found = evaluate(gold, predicted, scheme)
    sides = [[ner.spans(tags) for tags in pair] for pair in pairs]
    assert found.relaxed[2:] == (
      sum(overlapping(one, other) for one, other in sides),
      sum(overlapping(other, one) for one, other in sides),
    )
    for score, place in ((found.left, 0), (found.right, 1)):
      shared = [
        (a, b)
        for golds, others in sides
        for a, b in itertools.product(golds, others)
        if (a[place], a[2]) == (b[place], b[2])
      ]
      assert score.correct == len(shared)
    if scheme not in ('IOB1', 'IOE1', 'IOE2'):
      each = [[definition(tags, scheme) for tags in pair] for pair in pairs]
      assert found.strict == (
        sum(len(one) for one, _ in each),
        sum(len(other) for _, other in each),
        sum(len({*one} & {*other}) for one, other in each),
      )
      strict_scores += found.strict.correct > 0
  assert strict_scores > 200
