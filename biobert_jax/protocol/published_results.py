"""Tables 6, 7 and 8 of the paper: test scores that were published, percent.

Lee et al. 2019 (doi:10.1093/bioinformatics/btz682), the journal's version:
earlier ones on arXiv print other numbers. The test of this module recomputes
from these figures the averages that the text of the paper states.
"""

import csv
import pathlib
import re
from typing import NamedTuple

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


def _scores(cells: list[str]) -> tuple[tuple[float, ...], ...]:
  return tuple(tuple(map(float, cell.split('/'))) for cell in cells)


# A row of Table 7 is the mean of ten folds (CHEMPROT: one test split), and its
# F1 the mean of the folds' F1. P and R of BERT on BC5CDR-disease do not give
# the F1 that is printed (82.22 would be); the F1 fits the paper's average.
_FILE = pathlib.Path(__file__).with_suffix('.tsv')
_HEADER, *_ROWS = csv.reader(_FILE.read_text('utf-8').splitlines(), 'excel-tab')
SYSTEMS = tuple(_HEADER[2:])
CORPORA = tuple(
  Published(name, int(table), _scores(cells)) for table, name, *cells in _ROWS
)


def _plain(name: str) -> str:
  plain = re.sub('[^a-z0-9]', '', name.lower())
  return _ALIASES.get(plain, plain)


def find(name: str) -> Published | None:
  """The row of a corpus by name, of which letters and digits count; or None."""
  rows = {_plain(row.corpus): row for row in CORPORA}
  return rows.get(_plain(name))
