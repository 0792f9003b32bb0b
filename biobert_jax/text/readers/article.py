"""The records of all readers of raw corpora: articles, their text and notes."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from biobert_jax.text.documents import Document

# (reason, id) of a record that was dropped, or that a person may want named.
Notes = Callable[[str, str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
  """A part of an article, in the order of reading."""

  heading: str  # '' for title and abstract, or where it has none.
  paragraphs: tuple[str, ...]  # White space is single blanks; none is empty.
  titled: bool = False  # Whether the first paragraph is the article's title.


@dataclasses.dataclass(frozen=True, slots=True)
class Article:
  """One record.

  The first section is title and abstract, without heading (no paragraphs where
  they are missing); those of the full text follow.
  """

  id: str  # `pmid:123`, `pmcid:PMC123`, what JSON lines say, `NAME:ordinal`.
  version: int  # PubMed's; 1 elsewhere. The highest counts.
  sections: tuple[Section, ...]
  source: str  # The name of the file it was read from.
  presplit: bool = False  # Paragraphs are sentences, not to be split again.
  other_ids: tuple[str, ...] = ()  # `pmid:123`, `doi:...`, to leave it out by.


@dataclasses.dataclass(frozen=True, slots=True)
class Deletion:
  """PubMed withdrew the record of this id, in all its versions."""

  id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
  """Choices in what is read."""

  # Whether a title alone is a document. It cannot give a next-sentence pair,
  # and a third of PubMed is titles.
  title_only: bool = False
  # Whether `METHODS:` stays in front of the part of an abstract that it names,
  # as in PubMed, BC5CDR, the NCBI corpus and BioASQ.
  labels: bool = True
  # Whether PubMed's English abstracts of articles in others are read.
  translated: bool = True
  # Whether a line of plain text is a sentence (lines), or is split (split);
  # auto looks at each file.
  sentences: str = 'auto'


class Reading(NamedTuple):
  """The arguments of every reader of a file."""

  # What ids are made of where the file states none; '' for the number alone.
  name: str
  counts: Counter[str]  # Takes what was read, fixed and dropped.
  notes: Notes
  options: Options

  def drop(self, reason: str, id: str) -> None:
    """Counts and names a record that is dropped."""
    self.counts[f'dropped_{reason}'] += 1
    self.notes(reason, id)

  def number(self, number: int) -> str:
    """The id of a text that states none, by its number in the file."""
    return f'{self.name}:{number}' if self.name else str(number)


def document_of(article: Article, id: str = '', line: int = 0) -> Document:
  """An article as a document to tag: its paragraphs, a line each.

  It bears the id as the source has it, without `pmid:` or `pmcid:`.
  """
  front = article.sections[0]
  paragraphs = [
    text
    for section in article.sections
    for text in (section.heading, *section.paragraphs)
    if text
  ]
  title = len(paragraphs[0]) if front.titled and front.paragraphs else None
  text = '\n'.join(paragraphs)
  return Document(
    id or re.sub('^pmc?id:', '', article.id),
    text,
    title_length=title if title != len(text) else None,
    path=article.source,
    line=line,
  )


def article_of(document: Document, reading: Reading) -> Article | None:
  """A document to learn from; None where it has no text.

  A number is PubMed's id, as in PubTator and BioC, so that --exclude finds it.
  """
  cut, counts = document.title_length or 0, reading.counts
  counts['annotated_documents'] += 1
  parts = (document.text[:cut], *document.text[cut:].split('\n'))
  title, *rest = [clean(part, counts) for part in parts]
  sections = full_text(title, [one for one in rest if one], [], reading)
  name = document.id
  if re.fullmatch('[0-9]{1,9}', name):
    name = f'pmid:{name}'
  elif re.fullmatch('PMC[0-9]{1,12}', name):
    name = f'pmcid:{name}'
  if sections:
    return Article(name, 1, sections, document.path)
  reading.drop('title_without_abstract' if title else 'no_text', name)
  return None


# NLM's word for a part of an abstract that has no label.
_NO_LABEL = {'', 'UNLABELLED', 'UNLABELED'}


def clean(text: str, counts: Counter[str]) -> str:
  """The text with every run of Unicode's white space as one blank.

  Nothing else changes: control and format characters are the tokenizer's to
  drop, and compatibility forms are what texts to be tagged hold, too.
  """
  repaired = ' '.join(text.split())
  if repaired != text:
    counts['paragraphs_with_white_space_mended'] += 1
  return repaired


def labelled(label: str | None, text: str, options: Options) -> str:
  """The text with its label in front, `METHODS: ...`, where one is wanted."""
  label = ' '.join((label or '').split())
  if not text or not options.labels or label.upper() in _NO_LABEL:
    return text
  return f'{label} {text}' if label[-1] in ':.?!' else f'{label}: {text}'


# Sections that publishers write, not authors: a declaration, or a list. Those
# of 14 full texts of six publishers, and their common variants.
_BOILERPLATE = re.compile(
  r"""(?:[0-9.]+\ )?(?:
    (?:declarations?\ of\ |statements?\ of\ |potential\ |disclosures?\ of\ )?
      (?:competing|conflicts?\ of|conflicting)\ (?:financial\ )?interests?
      (?:\ (?:statement|disclosure|declaration)s?)?
    |authors?['’]?s?['’]?\ contributions?|author\ contributions?
    |pre-?publication\ history|publisher['’]s\ note
    |supplement(?:ary|al)\ (?:materials?|data|information)
    |supporting\ information|additional\ (?:files?|information)
    |(?:list\ of\ )?abbreviations?(?:\ used)?
    |acknowledge?ments?|funding|financial\ (?:support|disclosures?)|disclosures?
    |data\ (?:availability|accessibility)(?:\ statement)?
    |availability\ of\ data\ and\ materials?
    |consent\ for\ publication|references
  )\ *[.:]?""",
  re.VERBOSE | re.IGNORECASE,
)


def is_boilerplate(heading: str) -> bool:
  """Whether a section of that heading is a declaration or a list."""
  return _BOILERPLATE.fullmatch(heading) is not None


def full_text(
  title: str,
  abstract: Sequence[str],
  body: Sequence[Section],
  reading: Reading,
) -> tuple[Section, ...]:
  """Title and abstract, and sections to learn from; () where none is left."""
  counts = reading.counts
  front = (*([title] if title else []), *abstract)
  kept = [Section('', front, titled=bool(title))]
  if title and not abstract and not reading.options.title_only:
    counts['titles_without_abstract_dropped'] += 1
    kept = [Section('', ())]
  for section in body:
    if not section.paragraphs:
      counts['empty_sections_dropped'] += 1
    elif is_boilerplate(section.heading):
      counts['boilerplate_sections_dropped'] += 1
    else:
      kept.append(section)
  return tuple(kept) if len(kept) > 1 or kept[0].paragraphs else ()


# Letters that are not of the Latin script, phonetic or Greek: the last two
# stand in English texts.
_FOREIGN = re.compile('[\u0400-\u1cff\u2c00-\u2dff\u3040-\ud7ff\uf900-\ufaff]')


def is_latin(article: Article) -> bool:
  """Whether most of the text is in letters that English has."""
  foreign = letters = 0
  for text in (one for part in article.sections for one in part.paragraphs):
    letters += len(text)
    # Such letters take two bytes or three.
    if not text.isascii() and len(text.encode()) > 1.2 * len(text):
      foreign += len(_FOREIGN.findall(text))
  return 3 * foreign <= letters
