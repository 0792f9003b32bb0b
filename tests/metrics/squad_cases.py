"""Golden cases of SQuAD: written here, figures printed by the official scripts.

`evaluate-v1.1.py` as allenai/bi-att-flow keeps it, and `evaluate-v2.0.py` of
rajpurkar/SQuAD-explorer, under Python 3.11.
"""

from typing import NamedTuple


class Case(NamedTuple):
  """Answers by question, and what the script prints for them.

  Attributes:
    name: of the case.
    version: of the script.
    gold: the answers of each question.
    predictions: by question.
    null_odds: by question, or None: -n.
    threshold: -t.
    figures: what the script prints.
  """

  name: str
  version: str
  gold: dict[str, list[str]]
  predictions: dict[str, str]
  null_odds: dict[str, float] | None
  threshold: float
  figures: dict[str, float]


_GOLD = {
  'a': ['the BRCA1 gene', 'BRCA1'],
  'b': [],
  'c': ['IL-2 receptor alpha chain'],
  'd': [],
  'e': ['the'],
  'f': ['a β-blocker'],
}
_SAID = {
  'a': 'BRCA1 gene.',
  'b': '',
  'c': 'IL2 receptor',
  'd': 'p53',
  'e': '',
  'f': 'The beta blocker',
}
_ODDS = {'f': 1.5, 'd': -0.5, 'a': -3, 'b': 2.0, 'e': -0.5, 'c': -0.5}

CASES = [
  Case(
    'words',
    '1.1',
    {
      '1': ['An  Answer, with articles'],
      '2': ['BRCA1', 'BRCA-1 gene', 'the gene'],
      '3': ['gene gene p53 A-B'],
      '4': ['(TGF-β)'],
      '5': ['İ stanbul'],
      '6': ['theory of a\u00a0gene'],
      '7': ['“quoted”'],
    },
    {
      '1': 'the answer WITH articles',
      '2': 'gene BRCA1',
      '3': 'p53 gene gene AB gene',
      '4': 'tgfβ',
      '5': 'i̇ stanbul',
      '6': 'theory of gene',
      '7': 'quoted',
    },
    None,
    1.0,
    {'exact_match': 57.142857142857146, 'f1': 84.12698412698413},
  ),
  Case(
    'nothing_left_of_an_answer_1.1',
    '1.1',
    {'1': ['the'], '2': ['.'], '3': ['a', 'b']},
    {'1': 'an', '2': '', '3': ''},
    None,
    1.0,
    {'exact_match': 100.0, 'f1': 0.0},
  ),
  Case(
    'nothing_left_of_an_answer_2.0',
    '2.0',
    {'1': ['the'], '2': ['.'], '3': ['a', 'b']},
    {'1': 'an', '2': '', '3': ''},
    None,
    1.0,
    {
      'exact': 66.66666666666667,
      'f1': 66.66666666666667,
      'total': 3,
      'HasAns_exact': 66.66666666666667,
      'HasAns_f1': 66.66666666666667,
      'HasAns_total': 3,
    },
  ),
  Case(
    'missing_predictions_score_0',
    '1.1',
    {'1': ['p53'], '2': ['p53'], '3': ['p53']},
    {'2': 'p53 gene'},
    None,
    1.0,
    {'exact_match': 0.0, 'f1': 22.222222222222218},
  ),
  Case(
    'unanswerable',
    '2.0',
    _GOLD,
    _SAID,
    None,
    1.0,
    {
      'exact': 50.0,
      'f1': 61.11111111111111,
      'total': 6,
      'HasAns_exact': 50.0,
      'HasAns_f1': 66.66666666666666,
      'HasAns_total': 4,
      'NoAns_exact': 50.0,
      'NoAns_f1': 50.0,
      'NoAns_total': 2,
    },
  ),
  Case(
    'null_odds',
    '2.0',
    _GOLD,
    _SAID,
    _ODDS,
    1.0,
    {
      'exact': 50.0,
      'f1': 61.11111111111111,
      'total': 6,
      'HasAns_exact': 50.0,
      'HasAns_f1': 66.66666666666666,
      'HasAns_total': 4,
      'NoAns_exact': 50.0,
      'NoAns_f1': 50.0,
      'NoAns_total': 2,
      'best_exact': 50.0,
      'best_exact_thresh': -3,
      'best_f1': 61.11111111111111,
      'best_f1_thresh': -0.5,
    },
  ),
  Case(
    'threshold',
    '2.0',
    _GOLD,
    _SAID,
    _ODDS,
    -0.75,
    {
      'exact': 50.0,
      'f1': 50.0,
      'total': 6,
      'HasAns_exact': 25.0,
      'HasAns_f1': 25.0,
      'HasAns_total': 4,
      'NoAns_exact': 100.0,
      'NoAns_f1': 100.0,
      'NoAns_total': 2,
      'best_exact': 50.0,
      'best_exact_thresh': -3,
      'best_f1': 61.11111111111111,
      'best_f1_thresh': -0.5,
    },
  ),
  Case(
    'only_unanswerable',
    '2.0',
    {'1': [], '2': [], '3': []},
    {'1': '', '2': 'p53', '3': 'the'},
    {'1': 0.0, '2': 0.5, '3': 0.25},
    1.0,
    {
      'exact': 66.66666666666667,
      'f1': 66.66666666666667,
      'total': 3,
      'NoAns_exact': 66.66666666666667,
      'NoAns_f1': 66.66666666666667,
      'NoAns_total': 3,
      'best_exact': 100.0,
      'best_exact_thresh': 0.0,
      'best_f1': 100.0,
      'best_f1_thresh': 0.0,
    },
  ),
  Case(
    'silence_is_no_loss',
    '2.0',
    {'1': [], '2': ['p53'], '3': []},
    {'1': '', '2': 'p53', '3': 'p53'},
    {'1': -2, '2': 0.5, '3': 3},
    1.0,
    {
      'exact': 100.0,
      'f1': 100.0,
      'total': 3,
      'HasAns_exact': 100.0,
      'HasAns_f1': 100.0,
      'HasAns_total': 1,
      'NoAns_exact': 100.0,
      'NoAns_f1': 100.0,
      'NoAns_total': 2,
      'best_exact': 100.0,
      'best_exact_thresh': 0.5,
      'best_f1': 100.0,
      'best_f1_thresh': 0.5,
    },
  ),
  Case(
    'best_threshold_within_a_tie',
    '2.0',
    {'1': ['p53'], '2': []},
    {'1': 'p53', '2': 'p53'},
    {'1': 0.25, '2': 0.25},
    1.0,
    {
      'exact': 50.0,
      'f1': 50.0,
      'total': 2,
      'HasAns_exact': 100.0,
      'HasAns_f1': 100.0,
      'HasAns_total': 1,
      'NoAns_exact': 0.0,
      'NoAns_f1': 0.0,
      'NoAns_total': 1,
      'best_exact': 100.0,
      'best_exact_thresh': 0.25,
      'best_f1': 100.0,
      'best_f1_thresh': 0.25,
    },
  ),
]
