"""Corpora of relations: sentences whose pair of entities is hidden, labelled.

A corpus is a folder with a file for each split, in columns that tabs
separate. The format is detected from the content:

  no header, 2 columns     sentence, label (BioBERT: train, dev)
  no header, 3 columns     index, sentence, label
  a header                 whatever names them, in any order (BioBERT: test;
                           BLUE: every split; the PyTorch port: train)

The PyTorch port's gold is read from its `test_original.tsv`. Oddities are
counted: byte_order_marks, crlf_lines, blank_lines, labels_in_another_case,
repeated_indices, sentences_with_several_labels. Broken rows are left out and
counted (rows_with_wrong_columns, rows_without_sentence,
rows_with_unknown_labels, headers_amid_rows); rows_without_placeholders and
rows_without_markers are kept. A larger share of them is an InputError.
"""

import dataclasses
import itertools
import os
import pathlib
from collections import Counter
from collections.abc import Iterable, Sequence

from biobert_jax.data import splits
from biobert_jax.data.broken_rows import BrokenRows
from biobert_jax.data.relation.pair_words import Markers, Placeholders
from biobert_jax.errors import InputError
from biobert_jax.io import lines

# Names of columns, as headers have them.
_COLUMNS = {
  'index': ('index', 'id', 'idx', 'guid'),
  'sentence': ('sentence', 'text'),
  'label': ('label', 'labels', 'relation'),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
  """A sentence and the relation of its pair."""

  index: str  # Its name in the file; its number from 0 where there is none.
  text: str  # The sentence, as it stands there.
  label: str  # The relation, spelt as in the labels.
  path: str
  line: int


@dataclasses.dataclass(frozen=True)
class RelationRules:
  """The rules that the rows of a corpus must satisfy."""

  # The words that stand for its pairs, or around them.
  pair: Placeholders | Markers
  labels: tuple[str, ...] = ()  # Its labels; empty: whatever stands there.
  # Fraction 0-1 of broken rows, above which a file is refused.
  max_broken: float = 0.01


def read_rows(
  path: str | os.PathLike[str], counts: Counter[str], form: RelationRules
) -> list[Example]:
  """Reads one UTF-8 file of examples, in its order.

  `counts` takes what was odd or broken. An InputError names file and line: no
  known columns, no labels, or too many broken rows.
  """
  name = os.fspath(path)
  broken = BrokenRows(name, counts)
  places: dict[str, int] = {}
  width = rows = 0
  examples: list[Example] = []
  for line, text in lines.read_lines(path, counts):
    if not text.strip():
      counts['blank_lines'] += 1
      continue
    cells = text.split('\t')
    named = _header(cells)
    if not places:
      places, width = _layout(cells, form, name, line), len(cells)
      if named:
        continue
    rows += 1
    fault = _fault(cells, width, places, named)
    if fault:
      broken.add(line, *fault)
      continue
    label = cells[places['label']].strip(' ')
    known = _known(label, form.labels, counts)
    if known is None:
      broken.add(line, 'rows_with_unknown_labels', _unknown(cells, label, form))
      continue
    index = cells[places['index']] if 'index' in places else str(rows - 1)
    sentence = cells[places['sentence']]
    if form.pair.locate(sentence) is None:
      kind = 'markers' if isinstance(form.pair, Markers) else 'placeholders'
      what = f'{sentence[:60]!r} holds {form.pair.lacking}'
      broken.add(line, f'rows_without_{kind}', what)
    examples.append(Example(index, sentence, known, name, line))
  broken.check(rows, form.max_broken)
  _count_repeats(examples, counts)
  return examples


def _header(cells: Sequence[str]) -> dict[str, int]:
  """Column -> its place, where cells are a header; else empty."""
  names = [cell.strip().casefold() for cell in cells]
  places = {
    column: names.index(spelling)
    for column, spellings in _COLUMNS.items()
    for spelling in reversed(spellings)
    if spelling in names
  }
  return places if 'sentence' in places and len(places) > 1 else {}


def _layout(
  cells: Sequence[str], form: RelationRules, name: str, line: int
) -> dict[str, int]:
  """Column -> its place, by the first row of a file; it may be no such row."""
  places = _header(cells)
  if places:
    if 'label' not in places:
      what = 'no column of labels (its header names none): give the file that'
      raise InputError.at(name, line, f'{what} has them')
    return places
  if len(cells) not in (2, 3):
    what = f'{_columns(cells)}; want sentence, label or index, sentence, label,'
    what += ' separated by tabs, or a header that names them; raw corpora go'
    what += ' through `biobert-jax prepare-relation`'
    raise InputError.at(name, line, what)
  sentence = cells[-2]
  if ' ' not in sentence and form.pair.locate(sentence) is None:
    known = ', '.join(itertools.chain(*_COLUMNS.values()))
    what = f'the first row begins {sentence[:60]!r}: no sentence, nor the name'
    raise InputError.at(name, line, f'{what} of a column ({known}); fix it')
  columns = ('index', 'sentence', 'label')[-len(cells) :]
  return {column: place for place, column in enumerate(columns)}


def _columns(cells: Sequence[str]) -> str:
  return f'{len(cells)} column{"s" * (len(cells) > 1)}'


def _fault(
  cells: Sequence[str], width: int, places: dict[str, int], named: object
) -> tuple[str, str] | None:
  """(name of the count, fault) of a row that cannot be read."""
  kind = 'rows_with_wrong_columns'
  if named:
    kind = 'headers_amid_rows'
    what = 'a header amid the rows: files were joined; delete the line'
  elif len(cells) != width:
    what = f'{_columns(cells)}, but the first line has {width}: a tab stands in'
    what += ' the sentence, or is missing'
  elif '\r' in ''.join(cells):
    what = 'a carriage return inside the line: end lines with a newline'
  elif not cells[places['sentence']].strip():
    kind = 'rows_without_sentence'
    what = 'the sentence is empty: write it or delete the line'
  else:
    return None
  return kind, what


def _known(
  label: str, labels: Sequence[str], counts: Counter[str]
) -> str | None:
  """A label as the set spells it; None where it is not in the set."""
  if not labels:
    return label or None
  if label in labels:
    return label
  for other in labels:
    if other.casefold() == label.casefold():
      counts['labels_in_another_case'] += 1
      return other
  return None


def _unknown(cells: Sequence[str], label: str, form: RelationRules) -> str:
  if not label:
    return 'the label is empty: write it or delete the line'
  what = f'label {label[:60]!r} is not one of {", ".join(form.labels)}'
  if any(cell.strip() in form.labels for cell in cells):
    what += '; the label has to be the last column, or named by a header'
  return f'{what}: fix it, or set --config.data.labels=A,B,C'


def _count_repeats(examples: Sequence[Example], counts: Counter[str]) -> None:
  labels: dict[str, set[str]] = {}
  for example in examples:
    labels.setdefault(example.text, set()).add(example.label)
  several = sum(len(found) > 1 for found in labels.values())
  counts['sentences_with_several_labels'] += several
  distinct = len({example.index for example in examples})
  counts['repeated_indices'] += len(examples) - distinct


def read_split(
  directory: str | os.PathLike[str],
  split: str,
  counts: Counter[str],
  form: RelationRules,
) -> list[Example]:
  """Reads one split of a corpus, or of one of its folds, in any layout.

  `train_dev` without a file of its own is train and then devel, which may be
  empty. An InputError: no file, several, an empty or an unreadable one.
  """
  folder = pathlib.Path(directory)
  if not folder.is_dir() and (folds := _folds(folder.parent)):
    what = f'{folder.parent} holds folds ({", ".join(folds)})'
    what = f'{folder}: no such folder; {what}: name one by --config.data.dir'
    raise InputError(what)
  path = splits.find_split(folder, split)
  if path is None and split == 'train_dev':
    train = read_split(folder, 'train', counts, form)
    devel = splits.find_split(folder, 'devel')
    return train + (read_rows(devel, counts, form) if devel else [])
  if path is None:
    if folds := _folds(folder):
      remedy = f'name one: --config.data.dir={folder / folds[0]}'
      raise InputError(f'{folder}: holds folds ({", ".join(folds)}); {remedy}')
    raise splits.missing_split(folder, split)
  original = path.with_stem(f'{path.stem}_original')
  if original.is_file() and not _has_labels(path):
    counts['splits_with_gold_in_another_file'] += 1
    path = original
  examples = read_rows(path, counts, form)
  if not examples:
    what = 'the file holds no sentence'
    if split in ('devel', 'test'):
      what += f'; --config.data.{split}_split= trains without it'
    raise InputError.at(path, 1, what)
  return examples


def _has_labels(path: pathlib.Path) -> bool:
  """Whether a file has labels, or no header that says it has none."""
  for _, text in lines.read_lines(path, Counter()):
    named = _header(text.split('\t'))
    return not named or 'label' in named
  return True


def _folds(folder: pathlib.Path) -> list[str]:
  """The names of the folds in a folder, in their order."""
  if not folder.is_dir():
    return []
  folds = [e.name for e in folder.iterdir() if (e / 'train.tsv').exists()]
  return sorted(folds, key=lambda name: (len(name), name))


def label_set(examples: Iterable[Example], negative: str) -> tuple[str, ...]:
  """The labels that stand in a split: the negative one first, then sorted."""
  found = {example.label for example in examples} - {negative}
  return (negative, *sorted(found))


def check_labels(
  examples: Sequence[Example], labels: Sequence[str], split: str
) -> None:
  """Raises an InputError where a label is not one that a model knows."""
  for example in examples:
    if example.label not in labels:
      what = f'{split} has label {example.label!r}, which is not one of '
      what += f'{", ".join(labels)}; fix it, or set --config.data.labels=A,B,C'
      raise InputError.at(example.path, example.line, what)
