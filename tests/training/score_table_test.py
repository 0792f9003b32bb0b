"""Scores that a person reads are rounded and in percent."""

from biobert_jax.training import score_table

NER = {
  'precision': 71.236,
  'f1': 70.0,
  'gold': 12,
  'per_type': {'Disease': {'f1': 1.0}},
  'f1_interval_95': [60.0, 80.0],
}


def test_percent_stays_percent():
  assert score_table.line('ner', NER) == 'precision 71.24, f1 70.00'


def test_fractions_become_percent():
  scores = {'accuracy': 0.7654321, 'macro_f1': 0.5, 'questions': 7}
  assert score_table.line('yes_no', scores) == 'accuracy 76.54, macro f1 50.00'


def test_losses_are_no_percent_and_thresholds_no_scores():
  scores = {'masked_lm_loss': 1.23456, 'best_f1_thresh': -1.5, 'f1': 60.0}
  expected = 'masked lm loss (nats) 1.2346, f1 60.00'
  assert score_table.line('qa', scores) == expected


def test_one_line_per_score_and_one_column_per_split():
  results = {'devel': NER, 'test': {'f1': 100.0}}
  assert score_table.table('ner', results).splitlines() == [
    '  scores (%)     devel    test',
    '  precision      71.24       -',
    '  f1             70.00  100.00',
  ]


def test_without_scores_there_is_no_table():
  assert score_table.table('qa', {'test': {'questions': 3}}) == ''
