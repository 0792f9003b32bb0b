"""The line-by-line files of the official scorers: tags, relation labels.

They are any system's, in the layouts of conlleval, of BioBERT's run_re.py and
of its PyTorch port. A quote is a character like any other.
"""

import dataclasses
import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Sequence

from biobert_jax.errors import InputError
from biobert_jax.io.lines import read_text

_BOUNDARY = '-X-'  # conlleval.pl's $boundary: such a line ends a sentence.
_TAG = re.compile(r'O|[BIESLU](-.*)?')

Row = tuple[int, list[str]]  # Of a token: its line, from 1, and its columns.


@dataclasses.dataclass
class Sentence:
  """The rows between two breaks, column by column."""

  tokens: list[str]
  gold: list[str]
  predicted: list[str]
  lines: list[int]  # From 1.


def read_tags(path: str) -> list[Sentence]:
  """Reads tokens with gold and predicted tags; '-' is standard input.

  A sentence without rows stands for each break too many.
  """
  wanted = 'token, gold tag and predicted tag'
  return [
    _sentence(path, rows, -2, [fields[-1] for _, fields in rows])
    for rows in _token_rows(path, 3, wanted)
  ]


def read_two_tag_files(
  gold: str, predictions: str, counts: Counter[str]
) -> list[Sentence]:
  """Reads tokens with gold tags, and predicted tags of the same tokens.

  In each file the first column is the token and the last its tag; predictions
  may be tags alone. Sentences are those of the gold file: `counts` takes
  `sentence_breaks_that_differ`.
  """
  golds = _token_rows(gold, 2, 'token and gold tag')
  said = _token_rows(predictions, 1, 'token and predicted tag')
  breaks = ({*itertools.accumulate(map(len, side))} for side in (golds, said))
  different = len(set.symmetric_difference(*breaks))
  counts['sentence_breaks_that_differ'] += different
  each = itertools.chain(*said)
  sentences = []
  for rows in golds:
    tags = [
      _predicted(gold, row, predictions, next(each, None)) for row in rows
    ]
    sentences.append(_sentence(gold, rows, -1, tags))
  if row := next(each, None):
    what = f'is past the last token of {gold}; give the tags of its tokens only'
    raise InputError.at(predictions, row[0], what)
  return sentences


def _predicted(gold: str, row: Row, predictions: str, other: Row | None) -> str:
  """The predicted tag of a gold token, from its row in the other file."""
  number, (token, *_) = row
  if other is None:
    what = f'token {token!r} has no tag in {predictions}, which ends before it;'
    what += ' tag every token, with O where nothing was predicted'
    raise InputError.at(gold, number, what)
  line, fields = other
  if len(fields) > 1 and fields[0] != token:
    what = f'has the token {fields[0]!r} where {gold}:{number} has {token!r}'
    what += '; give tags of the same tokens, one for each and in order'
    raise InputError.at(predictions, line, what)
  if len(fields) == 1 and not _TAG.fullmatch(fields[0]):
    what = f'{fields[0]!r} is no tag; write token and predicted tag'
    raise InputError.at(predictions, line, what)
  return fields[-1]


def _sentence(
  path: str, rows: Sequence[Row], gold: int, predicted: list[str]
) -> Sentence:
  """A sentence whose gold tags are in the column of that number."""
  tokens, tags, lines = [], [], []
  for number, fields in rows:
    if not fields[gold]:
      what = 'has an empty gold tag; write O for outside'
      raise InputError.at(path, number, what)
    tokens.append(fields[0])
    tags.append(fields[gold])
    lines.append(number)
  return Sentence(tokens, tags, predicted, lines)


def _token_rows(path: str, fewest: int, wanted: str) -> list[list[Row]]:
  """The rows between two breaks; each has that many columns, or more."""
  sentences: list[list[Row]] = [[]]
  separator, columns = '', 0
  # Not `splitlines`: a token may hold U+2028 and its like.
  for number, line in enumerate(read_text(path).split('\n'), start=1):
    row = line.rstrip(' \t\r')
    separator = separator or ('\t' if '\t' in row else ' ' if row else '')
    fields = row.split('\t') if separator == '\t' else re.split(' +', row)
    if fields[0] == _BOUNDARY or not row:
      sentences.append([])
      continue
    columns = columns or len(fields)
    if len(fields) < fewest or len(fields) != columns or '\r' in row:
      name = 'tab' if separator == '\t' else 'space'
      plural = 's' if len(fields) > 1 else ''
      what = f'has {len(fields)} {name}-separated column{plural}'
      if '\r' in row:
        what = 'holds a bare carriage return; end lines with \\n or \\r\\n'
      elif len(fields) < fewest:
        what += f'; write {wanted}'
        if fewest == 3:
          what += ', or name a gold file and a file of predictions'
      else:
        what += f' but the lines before have {columns}; give every line the'
        what += ' same columns, separated by tabs if a token holds a space'
      raise InputError.at(path, number, what)
    sentences[-1].append((number, fields))
  if not columns:
    raise InputError(f'{path}: holds no token; write {wanted} on each line')
  if not line:  # What follows the last line break is not a line, nor a break.
    sentences.pop()
  return sentences


def read_relation_gold(
  path: str, label_sets: Collection[Sequence[str]]
) -> tuple[list[str], Sequence[str]]:
  """Reads the labels of a relation corpus, in lower case.

  The file has a header that names the column `label` (`index`, `sentence`,
  `label` in the reference), or has none and the label last (`sentence`,
  `label`). Besides comes the first of the label sets that holds all of them.
  """
  rows = _rows(path)
  names = [name.strip().lower() for name in rows[0][1]]
  column, columns = -1, max(len(names), 2)
  if 'label' in names:
    column, rows = names.index('label'), rows[1:]
  labels = []
  for number, fields in rows:
    if len(fields) != columns:
      what = f'has {len(fields)} tab-separated columns; want {columns}, as in '
      what += 'the first line: write tabs inside of a sentence as blanks'
      raise InputError.at(path, number, what)
    labels.append(fields[column].strip().lower())
  if not rows:
    raise InputError(f'{path}: holds a header but no example')
  fits = max(label_sets, key=lambda known: sum(x in known for x in labels))
  for (number, _), label in zip(rows, labels, strict=True):
    if label not in fits:
      what = f'label {label!r} is not one of {", ".join(fits)}; fix it, or '
      what += 'name the column `label` in the first line'
      raise InputError.at(path, number, what)
  return labels, fits


def read_relation_predictions(path: str, labels: Sequence[str]) -> list[str]:
  """The labels that a system predicted; of equal probabilities the first wins.

  The file has for each example a line of tab-separated probabilities (or
  logits) in the order of `labels`, as run_re.py's test_results.tsv; or one
  label; or, after the header `index`, `prediction` of run_glue.py and the
  PyTorch port, a number and a label.
  """
  rows = _rows(path)
  header = [field.strip() for field in rows[0][1]]
  width, indexed = len(header), header == ['index', 'prediction']
  rows = rows[1:] if indexed else rows
  found = []
  for number, fields in rows:
    if len(fields) != width or (not indexed and width not in (1, len(labels))):
      what = f'has {len(fields)} tab-separated columns; write one label, or '
      what += f'{len(labels)} probabilities, in every line'
      raise InputError.at(path, number, what)
    if not indexed and width > 1:
      found.append(labels[_largest(path, number, fields)])
      continue
    label = fields[-1].strip().lower()
    if label not in labels:
      what = f'label {label!r} is not one of {", ".join(labels)}'
      raise InputError.at(path, number, f'{what}; write one of these')
    found.append(label)
  if not rows:
    raise InputError(f'{path}: holds a header but no prediction')
  return found


def _rows(path: str) -> list[tuple[int, list[str]]]:
  """(line, columns) of each line; blank ones only at the end."""
  lines = read_text(path).rstrip('\r\n').split('\n')
  rows = []
  for number, line in enumerate(lines, start=1):
    row = line.removesuffix('\r')
    if not row.strip():
      what = 'is blank; write one example in every line'
      raise InputError.at(path, number, what)
    rows.append((number, row.split('\t')))
  return rows


def _largest(path: str, number: int, fields: Sequence[str]) -> int:
  """The index of the largest number, the first of equal ones."""
  values = []
  for field in fields:
    try:
      values.append(float(field))
    except ValueError:
      values.append(math.nan)
    if not math.isfinite(values[-1]):
      what = f'{field!r} is not a finite number; write one probability for'
      raise InputError.at(path, number, f'{what} each label, separated by tabs')
  return values.index(max(values))
