"""One answer to a question: the mean of the logits of its passages."""

import json

import numpy as np
import pytest

from biobert_jax.data.yes_no import answer_aggregation
from biobert_jax.data.yes_no.features import QuestionPair

PAIRS = [
  QuestionPair(f'{q}_{n}', q, f'Is {q}?', 'text', '', 'f')
  for q, n in (('a', 1), ('b', 1), ('a', 2), ('a', 3))
]
LABELS = ('no', 'yes')


def decide(yes):
  logits = np.stack([np.zeros(4), np.asarray(yes)], axis=1)
  return answer_aggregation.aggregate(PAIRS, logits.astype(np.float32), LABELS)


def test_the_mean_decides_not_the_majority():
  decided = decide([-1.0, 2.0, -1.0, 2.5])
  assert list(decided) == ['a', 'b']
  assert decided['a'].label == decided['b'].label == 'yes'
  assert [d.passages for d in decided.values()] == [3, 1]
  share = 1 / (1 + np.exp(-0.5 / 3))
  assert decided['a'].probabilities == pytest.approx((1 - share, share))
  assert sum(decided['b'].probabilities) == pytest.approx(1)


def test_a_mean_of_nothing_is_no():
  """Yes where it is above 0, as the reference has it."""
  assert decide([-1.0, 0.0, 1.0, 0.0])['a'].label == 'no'
  assert decide([-1.0, 0.0, 1.0, 0.0])['b'].label == 'no'


def test_tables_of_answers():
  decided = decide([-1.0, -9.0, -1.0, -1.0])
  gold = {'a': 'yes', 'b': 'yes'}
  rows = answer_aggregation.predictions(decided, gold, LABELS).splitlines()
  assert rows[0] == 'id\tpassages\tno\tyes\tpredicted\tgold'
  assert rows[1] == 'a\t3\t0.731059\t0.268941\tno\tyes'
  wrong = answer_aggregation.mistakes(decided, gold, PAIRS).splitlines()
  assert [row.split('\t')[0] for row in wrong] == ['id', 'b', 'a']
  assert wrong[2] == 'a\tyes\tno\t0.7311\tIs a?'
  right = answer_aggregation.mistakes(decided, {'a': 'no', 'b': 'no'}, PAIRS)
  assert right.count('\n') == 1
  assert json.loads(answer_aggregation.answers_json(decided)) == {
    'a': 'no',
    'b': 'no',
  }
