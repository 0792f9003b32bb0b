"""PubMed's XML, baseline and update files: title and abstract of each record.

The text is that of `<ArticleTitle>` and of each `<AbstractText>`, one
paragraph each, inline markup as it reads. `<OtherAbstract>` (other languages,
lay summaries) and `<CopyrightInformation>` are no part of it.
https://www.nlm.nih.gov/bsd/licensee/elements_descriptions.html
"""

import re
from collections import Counter
from collections.abc import Iterator

from biobert_jax.io.streams import Stream
from biobert_jax.text.readers import xml_stream
from biobert_jax.text.readers.article import (
  Article,
  Deletion,
  Notes,
  Options,
  Section,
  clean,
  labelled,
)

ROOTS = {
  *('PubmedArticleSet', 'PubmedArticle', 'MedlineCitationSet'),
  *('MedlineCitation', 'DeleteCitation'),
}

# Elements that are collected -> their parents. PMIDs and abstracts stand
# elsewhere too: those of comments, and in other languages.
_WANTED = {
  'PMID': {'MedlineCitation', 'DeleteCitation'},
  'ArticleTitle': {'Article'},
  'AbstractText': {'Abstract'},
  'Language': {'Article'},
}
_COUNTED = {
  'OtherAbstract': 'other_abstracts_dropped',
  'CopyrightInformation': 'copyright_elements_dropped',
}
_PLACEHOLDER = re.compile(
  r'\[(?:not available|in process citation)\]\.?', re.IGNORECASE
)
_TRANSLATED = re.compile(r'\[(.+)\](\.?)')
# What stands behind the last sentence of an abstract and is none of its own.
# Looked for in the last characters only.
_TAIL = 500
_BOILERPLATE = re.compile(
  r"""(?:^|(?<=[.!?)\]])\ )(?:
    \(ABSTRACT\ TRUNCATED[^)]{0,40}\)
    |This\ article\ is\ protected\ by\ copyright\.\ All\ rights\ reserved\.
    |(?:Copyright\ ?)?(?:©|\(c\)|\([Cc]\)\ Copyright|Copyright)\ ?
      (?:\(c\)\ |©\ )?(?:19|20)[0-9]{2}\b.*
  )$""",
  re.VERBOSE,
)


def read(
  stream: Stream, counts: Counter[str], notes: Notes, options: Options
) -> Iterator[Article | Deletion]:
  """Records of one file, in its order; all versions of each.

  Args:
    stream: the file.
    counts: takes `pubmed_records`, `deletions`, and what was fixed or
      dropped.
    notes: takes the id of every record that is dropped (`no_text`,
      `title_without_abstract`, `no_pmid`, `book_record`, `not_english`), and
      of those kept that were translated (`translated_kept`).
    options: what is wanted.

  Raises:
    InputError: see `xml_stream.parse`.
  """
  return xml_stream.parse(
    stream, _Target(stream.name, counts, notes, options), counts
  )


class _Target:
  """Gathers one record after another from tags and text."""

  def __init__(
    self, source: str, counts: Counter[str], notes: Notes, options: Options
  ) -> None:
    self._source = source
    self._counts = counts
    self._notes = notes
    self._options = options
    self._found: list[Article | Deletion] = []
    self._parents: list[str] = []
    self._inline = xml_stream.Inline()
    self._inside = ''  # The wanted element that is open.
    self._clear()

  def _clear(self) -> None:
    self._pmid = ''
    self._version = 1
    self._title = ''
    self._abstract: list[tuple[str, str]] = []
    self._languages: list[str] = []
    self._label = ''
    self._tags = 0
    self._inline.next_record()

  def take(self) -> list[Article | Deletion]:
    found, self._found = self._found, []
    return found

  def close(self) -> None:
    """lxml asks for it."""

  def start(self, tag: str, attributes: dict[str, str]) -> None:
    if self._inside:
      self._inline.start(tag)
    elif (
      tag in _WANTED
      and self._parents[-1:]
      and (self._parents[-1] in _WANTED[tag])
    ):
      self._inside = tag
      self._label = attributes.get('Label', '')
      if tag == 'PMID':
        version = attributes.get('Version', '1')
        self._version = (
          int(version) if re.fullmatch('[0-9]{1,9}', version) else 1
        )
    elif tag in _COUNTED:
      self._counts[_COUNTED[tag]] += 1
    self._parents.append(tag)
    self._tags += 1
    if self._tags > xml_stream.MAX_TAGS:
      raise xml_stream.TooLong

  def data(self, text: str) -> None:
    if self._inside:
      self._inline.data(text)

  def end(self, tag: str) -> None:
    self._parents.pop()
    if self._inside:
      # An element inside may bear the same name: the parent decides.
      if tag == self._inside and self._parents[-1] in _WANTED[tag]:
        self._inside = ''
        self._gathered(tag, self._inline.take())
      else:
        self._inline.end(tag)
    elif tag == 'MedlineCitation':
      self._record()
      self._clear()
    elif tag == 'PubmedBookArticle':
      self._counts['book_records_dropped'] += 1
      self._notes('book_record', self._source)
      self._clear()

  def _gathered(self, tag: str, text: str) -> None:
    text = clean(text, self._counts)
    if tag == 'ArticleTitle':
      self._title = text
    elif tag == 'AbstractText':
      self._abstract.append((self._label, text))
    elif tag == 'Language':
      self._languages.append(text)
    elif self._parents[-1] == 'DeleteCitation':
      self._counts['deletions'] += 1
      self._found.append(Deletion(f'pmid:{text}'))
      self._tags = 0
      self._inline.next_record()
    else:
      self._pmid = text

  def _record(self) -> None:
    counts = self._counts
    counts['pubmed_records'] += 1
    name = f'pmid:{self._pmid}'
    if not re.fullmatch('[0-9]{1,9}', self._pmid):
      self._drop('no_pmid', f'{self._source}: {self._title[:60]}')
      return
    translated = bool(self._languages) and 'eng' not in self._languages
    if translated:
      counts['records_of_articles_in_other_languages'] += 1
      if not self._options.translated:
        self._drop('not_english', name)
        return
      self._notes('translated_kept', name)
    title = self._clean_title(translated)
    abstract = self._clean_abstract()
    if not abstract and not title:
      self._drop('no_text', name)
    elif not abstract and not self._options.title_only:
      self._drop('title_without_abstract', name)
    else:
      if abstract:
        counts['records_with_abstract'] += 1
      if not title:
        counts['records_without_title'] += 1
      section = Section('', tuple([title] if title else []) + abstract)
      self._found.append(Article(name, self._version, (section,), self._source))

  def _drop(self, reason: str, name: str) -> None:
    self._counts[f'dropped_{reason}'] += 1
    self._notes(reason, name)

  def _clean_title(self, translated: bool) -> str:
    """The title without NLM's brackets, or '' for a placeholder."""
    title = self._title
    if _PLACEHOLDER.fullmatch(title):
      self._counts['placeholder_titles_dropped'] += 1
      return ''
    match = _TRANSLATED.fullmatch(title) if translated else None
    if match:
      self._counts['title_brackets_removed'] += 1
      title = match[1] + match[2]
    return title

  def _clean_abstract(self) -> tuple[str, ...]:
    """Its paragraphs with their labels, without copyright lines."""
    paragraphs = []
    for label, text in self._abstract:
      tail = text[-_TAIL:]
      match = _BOILERPLATE.search(tail)
      if match:
        self._counts['copyright_sentences_dropped'] += 1
        text = text[: len(text) - len(tail) + match.start()]
      if text:
        paragraphs.append(labelled(label, text, self._options))
      elif not match:
        self._counts['empty_paragraphs_dropped'] += 1
    return tuple(paragraphs)
