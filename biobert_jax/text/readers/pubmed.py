"""PubMed's XML, baseline and update files: title and abstract of each record.

`<OtherAbstract>` (other languages, lay summaries) and `<CopyrightInformation>`
are no part of it.
https://www.nlm.nih.gov/bsd/licensee/elements_descriptions.html
"""

import re
from collections.abc import Iterator

from biobert_jax.io.streams import Stream
from biobert_jax.text.readers import article, xml_stream

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
  stream: Stream, reading: article.Reading
) -> Iterator[article.Article | article.Deletion]:
  """Records of one file, in its order; all versions of each.

  Noted are those dropped, and those kept that were translated
  (`translated_kept`); see `xml_stream.parse` for errors.
  """
  target = _Target(stream.name, reading)
  return xml_stream.parse(stream, target, reading.counts)


class _Target:
  """Gathers one record after another from tags and text."""

  def __init__(self, source: str, reading: article.Reading) -> None:
    self.found: list[article.Article | article.Deletion] = []
    self._source = source
    self._reading = reading
    self._counts = reading.counts
    self._parents = ['']
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
    self._inline.next_record()

  def close(self) -> None:
    """lxml asks for it."""

  def start(self, tag: str, attributes: dict[str, str]) -> None:
    if self._inside:
      self._inline.start(tag)
    elif self._parents[-1] in _WANTED.get(tag, ()):
      self._inside = tag
      self._label = attributes.get('Label', '')
      if tag == 'PMID':
        version = attributes.get('Version', '1')
        known = re.fullmatch('[0-9]{1,9}', version)
        self._version = int(version) if known else 1
    elif tag in _COUNTED:
      self._counts[_COUNTED[tag]] += 1
    self._parents.append(tag)
    self._inline.count_tag()

  def data(self, text: str) -> None:
    if self._inside:
      self._inline.data(text)

  def end(self, tag: str) -> None:
    self._parents.pop()
    if self._inside:
      # An element inside may bear the same name: the parent decides.
      if tag == self._inside and self._parents[-1] in _WANTED[tag]:
        self._inside = ''
        self._gathered(tag, article.clean(self._inline.take(), self._counts))
      else:
        self._inline.end(tag)
    elif tag == 'MedlineCitation':
      self._counts['pubmed_records'] += 1
      self._record()
      self._clear()
    elif tag == 'PubmedBookArticle':
      self._counts['book_records_dropped'] += 1
      self._reading.notes('book_record', self._source)
      self._clear()

  def _gathered(self, tag: str, text: str) -> None:
    if tag == 'ArticleTitle':
      self._title = text
    elif tag == 'AbstractText':
      self._abstract.append((self._label, text))
    elif tag == 'Language':
      self._languages.append(text)
    elif self._parents[-1] == 'DeleteCitation':
      self._counts['deletions'] += 1
      self.found.append(article.Deletion(f'pmid:{text}'))
      self._inline.next_record()
    else:
      self._pmid = text

  def _record(self) -> None:
    drop, options = self._reading.drop, self._reading.options
    name = f'pmid:{self._pmid}'
    if not re.fullmatch('[0-9]{1,9}', self._pmid):
      return drop('no_pmid', f'{self._source}: {self._title[:60]}')
    translated = bool(self._languages) and 'eng' not in self._languages
    if translated:
      self._counts['records_of_articles_in_other_languages'] += 1
      if not options.translated:
        return drop('not_english', name)
      self._reading.notes('translated_kept', name)
    title = self._clean_title(translated)
    abstract = self._clean_abstract()
    if not abstract and not title:
      return drop('no_text', name)
    if not abstract and not options.title_only:
      return drop('title_without_abstract', name)
    if abstract:
      self._counts['records_with_abstract'] += 1
    if not title:
      self._counts['records_without_title'] += 1
    front = (*([title] if title else []), *abstract)
    sections = (article.Section('', front, titled=bool(title)),)
    found = article.Article(name, self._version, sections, self._source)
    self.found.append(found)
    return None

  def _clean_title(self, translated: bool) -> str:
    """The title without NLM's brackets, or '' for a placeholder."""
    if _PLACEHOLDER.fullmatch(self._title):
      self._counts['placeholder_titles_dropped'] += 1
      return ''
    match = _TRANSLATED.fullmatch(self._title) if translated else None
    if not match:
      return self._title
    self._counts['title_brackets_removed'] += 1
    return match[1] + match[2]

  def _clean_abstract(self) -> list[str]:
    """Its paragraphs with their labels, without copyright lines."""
    paragraphs = []
    for label, text in self._abstract:
      tail = text[-_TAIL:]
      match = _BOILERPLATE.search(tail)
      if match:
        self._counts['copyright_sentences_dropped'] += 1
        text = text[: len(text) - len(tail) + match.start()]
      if text:
        paragraphs.append(article.labelled(label, text, self._reading.options))
      elif not match:
        self._counts['empty_paragraphs_dropped'] += 1
    return paragraphs
