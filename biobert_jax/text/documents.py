"""Documents with entities: record, words and written forms.

Offsets are in code points of `Document.text`, end exclusive, in every form.
Every writer writes aside and renames, so that nobody sees half a file.
"""

import bisect
import dataclasses
import itertools
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io import html_page
from biobert_jax.io.atomic import atomic_write
from biobert_jax.text.sentence_splitter import split_sentences

StrPath = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True, repr=False)
class Entity:
  """One mention: `text` is the document's `text[start:end]`."""

  start: int
  end: int
  type: str
  text: str
  score: float = 1.0
  concept: str = ''  # Its database ids, as the input wrote them.
  # What else the input says of it, for forms that can hold it.
  extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

  def __repr__(self) -> str:
    """As Entity('type 2 diabetes', Disease, 10:25, 0.98)."""
    place = f'{self.start}:{self.end}'
    return f'Entity({self.text!r}, {self.type}, {place}, {self.score:.2f})'


@dataclasses.dataclass(frozen=True)
class DocumentRelation:
  """A relation that a document came with.

  Its ends are entities of the document, by index, or concepts, by name.
  """

  type: str
  first: int | str
  second: int | str
  extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)


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
  relations: tuple[DocumentRelation, ...] = ()
  # What else the input says of it, for forms that can hold it.
  extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

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
  `overlapping_mentions_dropped`, `entities_without_words` and
  `entities_sharing_a_word` (which are dropped too).
  """
  tags = ['O'] * len(words)
  word, entities = 0, list(entities)
  kept = without_overlaps(entities)
  if len(kept) < len(entities):
    counts['overlapping_mentions_dropped'] += len(entities) - len(kept)
  for entity in kept:
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
  """{"id", "text", "entities"}; and what else the document has.

  That is "title_length", "relations", and of entities "concept"; keys that the
  input had besides stand behind.
  """
  row: dict[str, Any] = {'id': document.id, 'text': document.text}
  if document.title_length is not None:
    row['title_length'] = document.title_length
  row['entities'] = [
    {
      **{name: getattr(entity, name) for name in ('start', 'end', 'type')},
      'text': entity.text,
      'score': round(float(entity.score), 6),
      **({'concept': entity.concept} if entity.concept else {}),
      **entity.extra,
    }
    for entity in document.entities
  ]
  if document.relations:
    row['relations'] = [
      {'type': r.type, 'first': r.first, 'second': r.second, **r.extra}
      for r in document.relations
    ]
  return {**row, **document.extra}


def mention_ids(document: Document, form: str) -> list[str]:
  """An id for each entity: its own where it matches, else the next `T1`."""
  given = [str(entity.extra.get('id', '')) for entity in document.entities]
  fits, times = re.compile(form), Counter(given)
  own = [bool(fits.fullmatch(id)) and times[id] == 1 for id in given]
  taken = {id for id, keeps in zip(given, own, strict=True) if keeps}
  fresh = (id for n in itertools.count(1) if (id := f'T{n}') not in taken)
  return [
    id if keeps else next(fresh) for id, keeps in zip(given, own, strict=True)
  ]


def hull(
  text: str, spans: Sequence[tuple[int, int]]
) -> tuple[int, int, list[list[int]]]:
  """Start and end of a mention in parts, and the parts if words part them."""
  ordered = sorted(spans)
  pairs = zip(ordered, ordered[1:], strict=False)
  apart = any(text[a[1] : b[0]].strip() for a, b in pairs)
  end = max(end for _, end in ordered)
  return ordered[0][0], end, [[*span] for span in ordered] if apart else []


def concept_of(document: Document, end: int | str) -> str:
  """The concept at an end of a relation; '' where the entity has none."""
  return end if isinstance(end, str) else document.entities[end].concept


# Form -> what it can hold besides text and entities.
_HOLDS = {
  'jsonl': {'overlaps', 'concepts', 'mention relations', 'concept relations'},
  'bioc': {'overlaps', 'concepts', 'mention relations', 'concept relations'},
  'pubtator': {'overlaps', 'concepts', 'concept relations'},
  'brat': {'overlaps', 'concepts', 'mention relations'},
  'tsv': {'overlaps'},
}
_HOLDS['bioc-json'] = _HOLDS['bioc']
_KEYS = {
  'pubtator': {'individual_mentions', 'novel', 'id', 'score'},
  'brat': {'fragments', 'id', 'note', 'score'},
  'tsv': {'id'},
}


def count_losses(document: Document, form: str, counts: Counter[str]) -> None:
  """Counts what a form cannot hold of a document, and so is not written."""
  held, entities = _HOLDS.get(form, set()), document.entities
  lost: Counter[str] = Counter()
  if 'overlaps' not in held:
    kept = without_overlaps(entities)
    lost['overlapping_mentions'] = len(entities) - len(kept)
  if 'concepts' not in held:
    lost['concepts'] = sum(bool(entity.concept) for entity in entities)
  for relation in document.relations:
    ends = (relation.first, relation.second)
    if 'concept relations' in held and 'mention relations' not in held:
      fits = all(concept_of(document, end) for end in ends)
    else:
      by_concept = any(isinstance(end, str) for end in ends)
      kind = 'concept' if by_concept else 'mention'
      fits = f'{kind} relations' in held
    lost['relations'] += not fits
  if form not in ('jsonl', 'bioc', 'bioc-json'):
    keys = [document.extra, *(e.extra for e in entities)]
    keys += [relation.extra for relation in document.relations]
    known = _KEYS.get(form, set())
    lost['unknown_keys'] = sum(len({*extra} - known) for extra in keys)
  for what, number in (+lost).items():
    counts[f'{what}_that_{form}_cannot_hold'] += number


def write_pubtator(documents: Iterable[Document], path: StrPath) -> None:
  """Writes PubTator; `read_pubtator` gives the same text and offsets.

  Without a title all text is the title and the abstract is empty. A newline
  or carriage return inside a part, or a tab in a mention, becomes one blank,
  so offsets stay. An empty type becomes `Entity`; scores have no place here.
  Concepts are the sixth column, relations lines of two concepts.

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
      rows = [*_pubtator_entities(document), *_pubtator_relations(document)]
      for row in rows:
        fields = '\t'.join(flat(str(field)) for field in row).rstrip('\t')
        file.write(f'{document.id}\t{fields}\n')
      file.write('\n')


def _pubtator_entities(document: Document) -> Iterator[tuple[Any, ...]]:
  for e in document.entities:
    names = e.extra.get('individual_mentions', '')
    kind = e.type or 'Entity'
    yield e.start, e.end, e.text, kind, e.concept, names


def _pubtator_relations(document: Document) -> Iterator[tuple[Any, ...]]:
  for r in document.relations:
    ends = [concept_of(document, end) for end in (r.first, r.second)]
    if all(ends):
      kind = re.sub(r'[^\w:-]|^(?=[^A-Za-z])', '_', r.type)
      yield kind, *ends, r.extra.get('novel', '')


def write_conll(documents: Iterable[Document], path: StrPath) -> None:
  """Writes `word<TAB>tag` lines, a blank line after each sentence.

  A sentence that ends inside an entity goes on.
  """
  with atomic_write(path) as file:
    for document in documents:
      text, words = document.text, split_words(document.text)
      tags = iter(tag_words(words, document.entities, Counter()))
      sentences = split_sentences(text, words, document.title_length)
      for number, sentence in enumerate(sentences):
        tagged = list(zip(sentence, tags, strict=False))
        if number and not tagged[0][1].startswith('I'):
          file.write('\n')
        for (start, end), tag in tagged:
          file.write(f'{text[start:end]}\t{tag}\n')
      if words:
        file.write('\n')


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
