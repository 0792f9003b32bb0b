"""Tables 6, 7 and 8 of the paper: test scores that were published, percent.

Lee et al. 2019 (doi:10.1093/bioinformatics/btz682), the journal's version:
earlier ones on arXiv print other numbers. The test of this module recomputes
from these figures the averages that the text of the paper states.
"""

import re
from typing import NamedTuple

SYSTEMS = (
  'SOTA',
  'BERT',
  'BioBERT v1.0 (+ PubMed)',
  'BioBERT v1.0 (+ PMC)',
  'BioBERT v1.0 (+ PubMed + PMC)',
  'BioBERT v1.1 (+ PubMed)',
)
# The same as columns that fit on a page.
SHORT_NAMES = (
  *('SOTA', 'BERT', 'v1.0 PubMed', 'v1.0 PMC', 'v1.0 PubMed + PMC'),
  'BioBERT v1.1',
)
# Table -> what it is about, and its three measures.
TABLES = {
  6: ('Named entity recognition', ('P', 'R', 'F1')),
  7: ('Relation extraction', ('P', 'R', 'F1')),
  8: ('Question answering, factoid', ('SAcc', 'LAcc', 'MRR')),
}

# A row of Table 7 is the mean of ten folds (CHEMPROT: one test split), and its
# F1 the mean of the folds' F1. P and R of BERT on BC5CDR-disease do not give
# the F1 that is printed (82.22 would be); the F1 fits the paper's average.
_ROWS = {
  6: """
NCBI disease     88.30/89.00/88.60 84.12/87.19/85.63 86.76/88.02/87.38
                 86.16/89.48/87.79 89.04/89.69/89.36 88.22/91.25/89.71
2010 i2b2/VA     87.44/86.25/86.84 84.04/84.08/84.06 85.37/85.64/85.51
                 85.55/85.72/85.64 87.50/85.44/86.46 86.93/86.53/86.73
BC5CDR disease   89.61/83.09/86.23 81.97/82.48/82.41 85.80/86.60/86.20
                 84.67/85.87/85.27 85.86/87.27/86.56 86.47/87.84/87.15
BC5CDR chem      94.26/92.38/93.31 90.94/91.38/91.16 92.52/92.76/92.64
                 92.46/92.63/92.54 93.27/93.61/93.44 93.68/93.26/93.47
BC4CHEMD         92.29/90.01/91.14 91.19/88.92/90.04 91.77/90.77/91.26
                 91.65/90.30/90.97 92.23/90.61/91.41 92.80/91.92/92.36
BC2GM            81.81/81.57/81.69 81.17/82.42/81.79 81.72/83.38/82.54
                 82.86/84.21/83.53 85.16/83.65/84.40 84.32/85.12/84.72
JNLPBA           74.43/83.22/78.58 69.57/81.20/74.94 71.11/83.11/76.65
                 71.17/82.76/76.53 72.68/83.21/77.59 72.24/83.56/77.49
LINNAEUS         92.80/94.29/93.54 91.17/84.30/87.60 91.83/84.72/88.13
                 91.62/85.48/88.45 93.84/86.11/89.81 90.77/85.83/88.24
Species-800      74.34/75.96/74.98 69.35/74.05/71.63 70.60/75.75/73.08
                 71.54/74.71/73.09 72.84/77.97/75.31 72.80/75.36/74.06
""",
  7: """
GAD              79.21/89.25/83.93 74.28/85.11/79.29 76.43/87.65/81.61
                 75.20/86.15/80.24 75.95/88.08/81.52 77.32/82.68/79.83
EU-ADR           76.43/98.01/85.34 75.45/96.55/84.62 78.04/93.86/84.44
                 81.05/93.90/86.51 80.92/90.81/84.83 77.86/83.55/79.74
CHEMPROT         74.80/56.00/64.10 76.02/71.60/73.74 76.05/74.33/75.18
                 77.46/72.94/75.13 75.20/75.09/75.14 77.02/75.90/76.46
""",
  8: """
BioASQ 4b        20.01/28.81/23.52 27.33/44.72/33.77 25.47/44.72/33.28
                 26.09/42.24/32.42 28.57/47.82/35.17 27.95/44.10/34.72
BioASQ 5b        41.33/56.67/47.24 39.33/52.67/44.27 41.33/55.33/46.73
                 42.00/54.67/46.93 44.00/56.67/49.38 46.00/60.00/51.64
BioASQ 6b        24.22/37.89/27.84 33.54/51.55/40.88 43.48/55.90/48.11
                 41.61/55.28/47.02 40.37/57.77/47.48 42.86/57.77/48.43
""",
}
# Names of folders that are not those of the paper.
_ALIASES = {
  'i2b22010': '2010i2b2va',
  'i2b2': '2010i2b2va',
  's800': 'species800',
  'bc5cdrchemical': 'bc5cdrchem',
}


class Published(NamedTuple):
  """A row of a table: three measures of each of `SYSTEMS`, percent."""

  corpus: str
  table: int
  scores: tuple[tuple[float, ...], ...]


_CELLS = r'(?:[\d.]+/[\d.]+/[\d.]+\s+){6}'
CORPORA = tuple(
  Published(
    match[1],
    table,
    tuple(tuple(map(float, cell.split('/'))) for cell in match[2].split()),
  )
  for table, text in _ROWS.items()
  for match in re.finditer(rf'^(\S.*?) +({_CELLS})', text, re.M)
)


def _plain(name: str) -> str:
  plain = re.sub('[^a-z0-9]', '', name.lower())
  return _ALIASES.get(plain, plain)


def find(name: str) -> Published | None:
  """The row of a corpus, by its name or that of its folder; None if none.

  Case, spaces and punctuation do not count.
  """
  rows = {_plain(row.corpus): row for row in CORPORA}
  return rows.get(_plain(name))
