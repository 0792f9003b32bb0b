"""Golden cases of BioBERT's re_eval.py: written here, scored by it.

`biocodes/re_eval.py` of dmis-lab/biobert at e283eaa, with pandas 3.1 and
scikit-learn 1.9.
"""

from typing import NamedTuple


class Case(NamedTuple):
  """Gold labels and rows of probabilities, and the figures of the script.

  Attributes:
    name: of the case.
    task: --task of the script: binary or chemprot.
    gold: the labels, by number of their place among the task's.
    predicted: the probabilities of each example, parted by blanks.
    figures: F1, recall, precision and, if binary, specificity, as printed.
  """

  name: str
  task: str
  gold: str
  predicted: list[str]
  figures: str


def _sure(labels: str, size: int) -> list[str]:
  """Rows that give the label with that number a probability of 1."""
  return [
    ' '.join(str(float(place == int(label))) for place in range(size))
    for label in labels
  ]


CASES = [
  Case(
    'all_right',
    'binary',
    '0110',
    _sure('0110', 2),
    '100.00 100.00 100.00 100.00',
  ),
  Case(
    'some_wrong',
    'binary',
    '0110100',
    _sure('0101110', 2),
    '57.14 66.67 50.00 50.00',
  ),
  Case(
    'nothing_predicted',
    'binary',
    '0110',
    _sure('0000', 2),
    '0.00 0.00 0.00 100.00',
  ),
  Case('no_gold', 'binary', '0000', _sure('0010', 2), '0.00 0.00 0.00 75.00'),
  Case(
    'only_the_positive',
    'binary',
    '111',
    _sure('101', 2),
    '80.00 66.67 100.00 0.00',
  ),
  Case(
    'probabilities',
    'binary',
    '11001',
    ['0.5 0.5', '0.49999 0.50001', '9e-1 1e-1', '-2.5 -2.4', '0 1'],
    '66.67 66.67 66.67 50.00',
  ),
  Case(
    'rounding',
    'binary',
    23 * '1' + 137 * '0',
    _sure(160 * '1', 2),
    '25.14 100.00 14.37 0.00',
  ),
  Case(
    'all_classes',
    'chemprot',
    '012345',
    _sure('012345', 6),
    '100.00 100.00 100.00',
  ),
  Case(
    'micro_mean',
    'chemprot',
    '0011234555555',
    _sure('0111534555500', 6),
    '66.67 71.43 62.50',
  ),
  Case(
    'nothing_but_false_predicted',
    'chemprot',
    '012345',
    _sure('555555', 6),
    '0.00 0.00 0.00',
  ),
]
