"""Documents with entities: record, words and written forms.

Offsets are in code points of `Document.text`, end exclusive, in every form.
Every writer writes aside and renames, so that nobody sees half a file.
"""

import bisect
import dataclasses
import json
import os
import pathlib
import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io import html_page
from biobert_jax.io.atomic import atomic_write, staged

StrPath = str | os.PathLike[str]


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


def write_jsonl(documents: Iterable[Document], path: StrPath) -> None:
  """Writes `json_row` of each document, one per line."""
  with atomic_write(path) as file:
    for document in documents:
      row = json_row(document)
      file.write(json.dumps(row, ensure_ascii=False) + '\n')


def json_row(document: Document) -> dict[str, Any]:
  """{"id", "text", "entities"}, and "title_length" where there is a title."""
  row: dict[str, Any] = {'id': document.id, 'text': document.text}
  if document.title_length is not None:
    row['title_length'] = document.title_length
  row['entities'] = [
    dataclasses.asdict(entity) | {'score': round(float(entity.score), 6)}
    for entity in document.entities
  ]
  return row


def write_pubtator(documents: Iterable[Document], path: StrPath) -> None:
  """Writes PubTator; `read_pubtator` gives the same text and offsets.

  Without a title all text is the title and the abstract is empty. A newline
  or carriage return inside a part, or a tab in a mention, becomes one blank,
  so offsets stay. An empty type becomes `Entity`; scores have no place here.

  Raises:
    InputError: an id with a tab, newline or bar, or an unwritable path.
  """
  with atomic_write(path) as file:
    for document in documents:
      if not re.fullmatch(r'[^|\t\r\n]+', document.id):
        raise InputError(f'{path}: PubTator cannot hold id {document.id!r}')
      cut, text = document.title_length, document.text
      if cut is None or text[cut : cut + 1] not in (' ', '\n'):
        cut = len(text)
      if cut + 1 == len(text):  # The reader would not know of the blank.
        cut = len(text)
      for part, content in (('t', text[:cut]), ('a', text[cut + 1 :])):
        content = content.translate({10: ' ', 13: ' '})
        file.write(f'{document.id}|{part}|{content}\n')
      for entity in document.entities:
        fields = (document.id, entity.start, entity.end, flat(entity.text))
        kind = flat(entity.type) or 'Entity'
        file.write('\t'.join(map(str, (*fields, kind))) + '\n')
      file.write('\n')


def write_conll(documents: Iterable[Document], path: StrPath) -> None:
  """Writes `word<TAB>tag` lines, a blank line after a document with words."""
  with atomic_write(path) as file:
    for document in documents:
      words = split_words(document.text)
      tags = tag_words(words, document.entities, Counter())
      for (start, end), tag in zip(words, tags, strict=True):
        file.write(f'{document.text[start:end]}\t{tag}\n')
      if words:
        file.write('\n')


def write_brat(documents: Iterable[Document], path: StrPath) -> None:
  """Writes a folder of ID.txt and ID.ann, one pair a document.

  A mention that runs over a line end becomes brat's fragments
  (`T1<TAB>Disease 0 4;5 9<TAB>lung cancer`). In file names and types what is
  not a letter, digit, dot, hyphen or underscore becomes `_`.

  Raises:
    InputError: the folder is not empty (what lies in it could be somebody's
      annotation), or two ids give one file name.
  """
  target, seen = pathlib.Path(path), dict[str, str]()
  with staged(path) as aside:
    try:
      if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f'{target}: exists; name a new or an empty folder')
      shutil.rmtree(aside, ignore_errors=True)
      aside.mkdir(parents=True)
    except OSError as error:
      raise InputError(f'{target}: cannot write: {error.strerror}') from error
    for document in documents:
      stem = re.sub(r'[^A-Za-z0-9._-]|^\.', '_', document.id) or '_'
      # Some file systems do not tell capitals from small letters.
      if stem.lower() in seen:
        what = f'ids {seen[stem.lower()]!r} and {document.id!r} give one file'
        raise InputError(f'{target}: {what} name; make ids differ')
      seen[stem.lower()] = document.id
      lines = ''.join(_brat_lines(document))
      for ending, text in (('txt', document.text), ('ann', lines)):
        file = aside / f'{stem}.{ending}'
        file.write_text(text, encoding='utf-8', newline='\n')


def _brat_lines(document: Document) -> Iterator[str]:
  for number, entity in enumerate(document.entities, 1):
    spans = [
      (entity.start + m.start(), entity.start + m.end())
      for m in re.finditer(r'[^\r\n]+', entity.text)
    ]
    kind = re.sub(r'[^A-Za-z0-9._-]', '_', entity.type) or 'Entity'
    places = ';'.join(f'{start} {end}' for start, end in spans)
    mention = ' '.join(document.text[start:end] for start, end in spans)
    yield f'T{number}\t{kind} {places}\t{mention}\n'


def write_html(documents: Iterable[Document], path: StrPath) -> None:
  """Writes one page: entities marked, by type and least score, and an index.

  It is well-formed XML too. Of overlapping entities the longest is shown and
  counted; a control character is shown as U+FFFD.
  """

  def article(document: Document, kinds: dict[str, int]) -> tuple[str, str]:
    return document.id, marked_text(document, kinds)

  nouns = ('entity', 'entities', 'document', 'documents')
  html_page.write_articles(path, 'Entities', nouns, documents, article)


def marked_text(document: Document, kinds: dict[str, int]) -> str:
  """The text as HTML, its entities marked and counted by type in `kinds`."""
  parts, at = [], 0
  for entity in without_overlaps(document.entities):
    kind = entity.type or 'Entity'
    kinds[kind] = kinds.get(kind, 0) + 1
    parts.append(html_page.escape_lines(document.text[at : entity.start]))
    more = html_page.scored(kind, entity.score)
    parts.append(html_page.mark(kind, kinds, entity.text, more))
    at = entity.end
  parts.append(html_page.escape_lines(document.text[at:]))
  return f'<p dir="auto">{"".join(parts)}</p>\n'
