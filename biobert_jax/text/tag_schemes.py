"""Schemes of entity tags, and how each becomes BIO.

bio    B begins an entity, I continues it: B-Drug I-Drug, or B I untyped
iobes  also E at its end and S on an entity of one token; or `bioes`
bilou  the same with L and U
io     the type alone, or I and the type: entities that touch are one
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from biobert_jax import errors

# Scheme -> letters of its tags.
SCHEMES = {
  'bio': 'BI',
  'iobes': 'BIES',
  'bioes': 'BIES',
  'bilou': 'BILU',
  'io': 'I',
}
RANGES = {'data.scheme': errors.one_of(SCHEMES)}
_LETTERS = 'BIESLU'
_TO_BIO = {'S': 'B', 'U': 'B', 'E': 'I', 'L': 'I'}
# The reference's own labels (run_ner.py:191) besides O mark no entity.
_NO_ENTITY = ('O', '[PAD]', 'X', '[CLS]', '[SEP]')
_UNNAMED = re.compile(r'LABEL_\d+|\d+')
# How checkpoints write a letter and a type; the first that fits all labels.
_SPELLINGS = tuple(
  map(
    re.compile,
    (
      rf'(?P<letter>[{_LETTERS}])(-(?P<type>.+))?',
      rf'(?P<letter>[{_LETTERS}{_LETTERS.lower()}])[-_](?P<type>.+)',
      rf'(?P<type>.+)[-_](?P<letter>[{_LETTERS}])',
      rf'(?![{_LETTERS}]$|[{_LETTERS}][-_])(?P<type>.+)',
    ),
  )
)


class Labels(NamedTuple):
  """The labels of a tagger as tags of a scheme."""

  tags: tuple[str, ...]  # By id: `O`, or a letter with -Type or without.
  scheme: str  # A key of `SCHEMES`.


def pattern(scheme: str) -> re.Pattern[str]:
  """What matches a tag of a scheme, as corpora write it.

  An InputError: no such scheme.
  """
  errors.check_ranges({'data.scheme': scheme}, RANGES)
  if scheme == 'io':
    return re.compile(rf'O|I|(I-)?(?![{_LETTERS}](-|$))\S+')
  return re.compile(rf'O|[{SCHEMES[scheme]}](-\S+)?')


def scheme_of(tags: Collection[str]) -> str:
  """The first scheme that all tags are of; '' where there is none."""
  fits = (s for s in SCHEMES if all(map(pattern(s).fullmatch, tags)))
  return next(fits, '')


def read_labels(labels: Sequence[str]) -> Labels | None:
  """Reads the labels of a tagger; None where they are no tags."""
  outside = set(_NO_ENTITY)
  if outside.isdisjoint(labels):
    outside |= {'o', '0'}  # Written for O, where there is none.
  names = [label for label in labels if label not in outside]
  if not names or any(map(_UNNAMED.fullmatch, names)):
    return None
  for spelling in _SPELLINGS:
    found = {name: spelling.fullmatch(name) for name in names}
    if all(found.values()):
      break
  else:
    return None

  def tag(label: str) -> str:
    if not (match := found.get(label)):
      return 'O'
    parts = match.groupdict()
    letter, kind = parts.get('letter', 'I').upper(), parts['type']
    return f'{letter}-{kind}' if kind else letter

  tags = tuple(map(tag, labels))
  used = {one[0] for one in tags}
  if spelling is _SPELLINGS[-1]:
    # Without one that marks no entity these are classes of something else.
    return Labels(tags, 'io') if 'O' in used else None
  ends = {'bilou': 'LU', 'iobes': 'ES'}
  schemes = [s for s, letters in ends.items() if used & set(letters)]
  return Labels(tags, [*schemes, 'bio'][0])


def are_tags(labels: Sequence[str]) -> bool:
  """Whether labels can be nothing but tags: O, and letters with types."""
  found = read_labels(labels)
  return found is not None and found.scheme != 'io' and 'O' in found.tags


def to_bio(
  tags: Sequence[str], scheme: str, counts: Counter[str]
) -> tuple[str, ...]:
  """The tags of a sentence in BIO.

  `counts` takes SCHEME_tags_converted, and SCHEME_tags_after_end: an inner or
  last tag after an end, which starts an entity.
  """
  if scheme == 'bio':
    return tuple(tags)
  name = 'iobes' if scheme == 'bioes' else scheme
  found: list[str] = []
  before, closed = 'O', False
  for tag in tags:
    if scheme == 'io' and tag != 'O':
      kind = '' if tag == 'I' else tag.removeprefix('I-')
      suffix = f'-{kind}' if kind else ''
      letter = 'I' if before[0] != 'O' and before[1:] == suffix else 'B'
      counts['io_tags_converted'] += 1
    else:
      letter, suffix = _TO_BIO.get(tag[0], tag[0]), tag[1:]
      if closed and letter == 'I':
        counts[f'{name}_tags_after_end'] += 1
        letter = 'B'
      closed = tag[0] in 'ESLU'
      if closed:
        counts[f'{name}_tags_converted'] += 1
    before = letter + suffix
    found.append(before)
  return tuple(found)
