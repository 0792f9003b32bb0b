"""Documents with entities: the record, and its words.

Offsets are in code points of `Document.text`, end exclusive.
"""

import bisect
import dataclasses
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence


@dataclasses.dataclass(frozen=True, repr=False)
class Entity:
  """One mention: `text` is the document's `text[start:end]`."""

  start: int
  end: int
  type: str
  text: str
  score: float = 1.0

  def __repr__(self) -> str:
    """As Entity('type 2 diabetes', Disease, 10:25, 0.98)."""
    place = f'{self.start}:{self.end}'
    return f'Entity({self.text!r}, {self.type}, {place}, {self.score:.2f})'


@dataclasses.dataclass(frozen=True, repr=False)
class Document:
  """A text with its entities, and where it was read, for error messages."""

  id: str  # The line number for plain text.
  text: str  # A PubTator title and abstract are joined by a newline.
  entities: tuple[Entity, ...] = ()  # In any order.
  # Code points of the title, which one blank or newline follows; None where
  # title and body are not told apart.
  title_length: int | None = None
  path: str = dataclasses.field(default='', compare=False)
  line: int = dataclasses.field(default=0, compare=False)

  def __repr__(self) -> str:
    """As Document('7', 'A case of …', entities=[…])."""
    text = self.text if len(self.text) <= 60 else self.text[:59] + '…'
    return f'Document({self.id!r}, {text!r}, entities={[*self.entities]})'


class _CharacterClasses(dict[int, str]):
  """Code point -> w (word), s (space), c (control) or x (stands alone)."""

  def __missing__(self, point: int) -> str:
    char = chr(point)
    category = unicodedata.category(char)
    if char.isspace():
      kind = 's'
    elif category[0] in 'LNM':
      kind = 'w'
    else:
      kind = 'c' if category in ('Cc', 'Cf') else 'x'
    self[point] = kind
    return kind


_CLASSES = _CharacterClasses()
_WORD = re.compile('w(?:[wc]*w)?|x')


def split_words(text: str) -> list[tuple[int, int]]:
  """(start, end) of each word of raw text, cut as the benchmark corpora are.

  Letters, digits and marks (categories L, N, M) join; white space separates;
  control and format characters (Cc, Cf) belong to a word only inside it (a
  soft hyphen), else to none; any other character is a word by itself.
  """
  return [m.span() for m in _WORD.finditer(text.translate(_CLASSES))]


def without_overlaps(entities: Iterable[Entity]) -> list[Entity]:
  """Entities in order of start; of overlapping ones the longest is kept."""
  kept: list[Entity] = []
  for entity in sorted(entities, key=lambda e: (e.start - e.end, e.start)):
    place = bisect.bisect(kept, entity.start, key=lambda e: e.start)
    clear_before = not place or kept[place - 1].end <= entity.start
    clear_after = place == len(kept) or entity.end <= kept[place].start
    if clear_before and clear_after:
      kept.insert(place, entity)
  return kept


def tag_words(
  words: Sequence[tuple[int, int]],
  entities: Iterable[Entity],
  counts: Counter[str],
) -> list[str]:
  """BIO tags of words; an entity that ends inside a word takes all of it.

  Of overlapping entities the longest wins. An empty type gives the tags `B` and
  `I`; blanks in a type become `_`. `counts` takes `entities_widened_to_words`,
  `entities_without_words` and `entities_sharing_a_word` (which are dropped).
  """
  tags = ['O'] * len(words)
  word = 0
  for entity in without_overlaps(entities):
    while word < len(words) and words[word][1] <= entity.start:
      word += 1
    last = word
    while last < len(words) and words[last][0] < entity.end:
      last += 1
    if word == last:
      counts['entities_without_words'] += 1
      continue
    if tags[word] != 'O':
      counts['entities_sharing_a_word'] += 1
      continue
    if words[word][0] < entity.start or entity.end < words[last - 1][1]:
      counts['entities_widened_to_words'] += 1
    suffix = '-' + '_'.join(entity.type.split()) if entity.type.split() else ''
    tags[word:last] = ['B' + suffix] + ['I' + suffix] * (last - word - 1)
  return tags


def flat(text: str) -> str:
  """The text with what would break a line or a column made a blank."""
  return text.translate({9: ' ', 10: ' ', 13: ' '})
