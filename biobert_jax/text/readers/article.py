"""The records of all readers of raw corpora: articles, their text and notes."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Sequence

# (reason, id) of a record that was dropped, or that a person may want named.
Notes = Callable[[str, str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
  """A part of an article, in the order of reading.

  Attributes:
    heading: its heading; '' for title and abstract, or where it has none.
    paragraphs: white space is single blanks; none is empty.
  """

  heading: str
  paragraphs: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Article:
  """One record.

  Attributes:
    id: `pmid:123`, `pmcid:PMC123`, what JSON lines say, or `NAME:ordinal`.
    version: PubMed's version of the record; 1 elsewhere. The highest counts.
    sections: title and abstract first, without heading (no paragraphs where
      they are missing), then the sections of the full text.
    source: the name of the file it was read from.
    presplit: whether paragraphs are sentences, not to be split again.
    other_ids: further names of it, `pmid:123` or `doi:...`, as those that a
      list of articles to leave out may hold.
  """

  id: str
  version: int
  sections: tuple[Section, ...]
  source: str
  presplit: bool = False
  other_ids: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Deletion:
  """PubMed withdrew the record of this id, in all its versions."""

  id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
  """Choices in what is read.

  Attributes:
    title_only: whether a title without an abstract or text is a document. One
      sentence cannot give a next-sentence pair: its partner would always be
      random, and a third of PubMed is titles, so they are left out.
    labels: whether `METHODS:` stays in front of the part of an abstract that
      it names. It does where people read PubMed, and so in BC5CDR, the NCBI
      corpus and BioASQ, which a pre-trained model is tuned on.
    translated: whether PubMed's English title and abstract of an article in
      another language are read.
  """

  title_only: bool = False
  labels: bool = True
  translated: bool = True


# NLM's word for a part of an abstract that has no label.
_NO_LABEL = {'', 'UNLABELLED', 'UNLABELED'}


def clean(text: str, counts: Counter[str]) -> str:
  """The text with every run of white space, newlines too, as one blank.

  White space is Unicode's (`str.split`): no-break, thin and ideographic
  spaces too, as BERT's tokenizer has it. Nothing else changes: control and
  format characters are the tokenizer's to drop, and compatibility forms
  (ligatures, superscript digits) are what texts to be tagged hold, too.

  Args:
    text: any text.
    counts: takes `paragraphs_with_white_space_mended`.
  """
  mended = ' '.join(text.split())
  if mended != text:
    counts['paragraphs_with_white_space_mended'] += 1
  return mended


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
  front: Sequence[str],
  has_abstract: bool,
  body: Sequence[Section],
  options: Options,
  counts: Counter[str],
) -> tuple[Section, ...]:
  """Sections of an article, less those that are no text to learn from.

  Args:
    front: the title, where there is one, and the paragraphs of the abstract.
    has_abstract: whether `front` is more than a title.
    body: the sections of the full text.
    options: what is wanted.
    counts: takes `titles_without_abstract_dropped`, `empty_sections_dropped`
      and `boilerplate_sections_dropped`.

  Returns:
    Title and abstract, and the rest; empty where nothing is left.
  """
  kept = [Section('', tuple(front))]
  if front and not has_abstract and not options.title_only:
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
