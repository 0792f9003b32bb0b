"""PubMed XML: baseline files, answers of efetch, and publishers' `ArticleSet`.

Title and abstract of each record are read.

`<OtherAbstract>` (other languages, lay summaries) and `<CopyrightInformation>`
are no part of it.
https://www.nlm.nih.gov/bsd/licensee/elements_descriptions.html
"""

import re
from collections import Counter
from collections.abc import Iterator

from biobert_jax.io.streams import Stream
from biobert_jax.text.readers import article, xml_stream

ROOTS = {
  *('PubmedArticleSet', 'PubmedArticle', 'MedlineCitationSet'),
  *('MedlineCitation', 'DeleteCitation', 'ArticleSet'),
}

# Elements that are collected -> their parents. PMIDs and abstracts stand
# elsewhere too: those of comments, and in other languages.
_WANTED = {
  'PMID': {'MedlineCitation', 'DeleteCitation', 'BookDocument'},
  'ArticleTitle': {'Article'},
  'AbstractText': {'Abstract'},
  'Language': {'Article'},
  'ArticleId': {'ArticleIdList'},  # Of `ArticleSet` only.
}
_COUNTED = {
  'OtherAbstract': 'other_abstracts_dropped',
  'CopyrightInformation': 'copyright_elements_dropped',
}
_PLACEHOLDER = re.compile(
  r'\[(?:not available|in process citation)\]\.?', re.IGNORECASE
)
# NLM's brackets around a title that it translated, and its word where the
# authors did.
_TRANSLATED = re.compile(r'\[(.+)\]([.?!]?)')
_BY_AUTHORS = re.compile(
  r"\s?[(\[]authors?['\u2019]?s?['\u2019]? transl(?:ation)?\.?[)\]]",
  re.IGNORECASE,
)
_TRUNCATED = re.compile(
  r'\s?[(\[]\s?abstract truncated\b[^()\[\]]{0,40}(?:[)\]]\.?|$)\s?(?=(\S?))'
  r'|\s?\b(?-i:ABSTRACT TRUNCATED)(?: AT [0-9]+ WORDS)?\.?$',
  re.IGNORECASE,
)
# What stands behind the last sentence of an abstract and is none of its own.
# Looked for in the last characters only.
_TAIL = 500
_BOILERPLATE = re.compile(
  r"""(?:^|(?<=[.!?)\]])\ )(?:
    This\ article\ is\ protected\ by\ copyright\.\ All\ rights\ reserved\.
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
    self._loose = 0  # Depth of the abstract that is open, 0 outside.
    self._records = self._before = 0  # All, and before this PubmedArticle.
    self._clear()

  def _clear(self) -> None:
    self._ids: dict[str, str] = {}
    self._version = 1
    self._title = ''
    self._abstract: list[tuple[str, str]] = []
    self._languages: list[str] = []
    self._label = ''
    self._inline.next_record()

  def close(self) -> None:
    """lxml asks for it."""

  def start(self, tag: str, attributes: dict[str, str]) -> None:
    if tag[0] == '{' or ':' in tag:
      tag = xml_stream.local_name(tag)
    parent = self._parents[-1]
    if self._inside:
      self._inline.start(tag)
    elif parent in _WANTED.get(tag, ()) and (
      tag != 'ArticleId' or self._parents[-2] == 'Article'
    ):
      self._start_wanted(tag, attributes)
    elif tag in _COUNTED:
      self._counts[_COUNTED[tag]] += 1
    elif tag == 'PubmedArticle':
      self._before = self._records
    elif tag == 'Abstract' and parent == 'Article':
      self._loose = len(self._parents)
    self._parents.append(tag)
    self._inline.count_tag()

  def _start_wanted(self, tag: str, attributes: dict[str, str]) -> None:
    self._gather_loose()
    self._inside = tag
    self._label = attributes.get('Label', '')
    if tag == 'PMID':
      version = attributes.get('Version', '1')
      known = re.fullmatch('[0-9]{1,9}', version)
      self._version = int(version) if known else 1
    elif tag == 'ArticleId':
      self._label = attributes.get('IdType', '')

  def _gather_loose(self) -> None:
    """Text of an abstract that is not divided into `AbstractText`."""
    if self._loose and (text := self._inline.take()).strip():
      self._abstract.append(('', article.clean(text, self._counts)))

  def data(self, text: str) -> None:
    if self._inside or self._loose and self._parents[-1] not in _COUNTED:
      self._inline.data(text)

  def end(self, tag: str) -> None:
    if tag[0] == '{' or ':' in tag:
      tag = xml_stream.local_name(tag)
    self._parents.pop()
    parent = self._parents[-1]
    if self._inside:
      # An element inside may bear the same name: the parent decides.
      if tag == self._inside and parent in _WANTED[tag]:
        self._inside = ''
        self._gathered(tag, article.clean(self._inline.take(), self._counts))
      else:
        self._inline.end(tag)
    elif len(self._parents) == self._loose:
      self._gather_loose()
      self._loose = 0
    elif tag == 'MedlineCitation' or (tag, parent) == ('Article', 'ArticleSet'):
      self._counts['pubmed_records'] += 1
      self._record(tag == 'Article')
      self._clear()
    elif tag == 'PubmedBookArticle':
      self._counts['book_records_dropped'] += 1
      self._reading.notes('book_record', self._pmid() or self._source)
      self._clear()
    elif tag == 'PubmedArticle' and self._before == self._records:
      self._reading.drop('no_record', self._source)
      self._clear()

  def _gathered(self, tag: str, text: str) -> None:
    if tag == 'ArticleTitle' and self._title:
      self._counts['further_titles_dropped'] += 1
    elif tag == 'ArticleTitle':
      self._title = text
    elif tag == 'AbstractText':
      self._abstract.append((self._label, text))
    elif tag == 'Language':
      self._languages.append(text.lower())
    elif self._parents[-1] == 'DeleteCitation':
      self._counts['deletions'] += 1
      self.found.append(article.Deletion(f'pmid:{text}'))
      self._inline.next_record()
    elif tag == 'PMID':
      self._ids['pmid'] = text
    else:
      self._ids['pmid' if self._label == 'pubmed' else self._label] = text

  def _pmid(self) -> str:
    pmid = self._ids.get('pmid', '')
    return f'pmid:{pmid}' if re.fullmatch('[0-9]{1,9}', pmid) else ''

  def _record(self, submitted: bool) -> None:
    """The record that ends here; one that is submitted may have no PMID yet."""
    self._records += 1
    drop, options = self._reading.drop, self._reading.options
    doi = self._ids.get('doi')
    names = [self._pmid()] if self._pmid() else []
    names += [f'doi:{doi}'] if doi else []
    if not names and submitted:
      names = [self._reading.number(self._records)]
    if not names:
      return drop('no_pmid', f'{self._source}: {self._title[:60]}')
    name, *others = names
    translated = bool(self._languages) and not any(
      language.startswith('en') for language in self._languages
    )
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
    found = article.Article(
      name, self._version, sections, self._source, other_ids=tuple(others)
    )
    self.found.append(found)
    return None

  def _clean_title(self, translated: bool) -> str:
    """The title without NLM's brackets, or '' for a placeholder."""
    if _PLACEHOLDER.fullmatch(self._title):
      self._counts['placeholder_titles_dropped'] += 1
      return ''
    return without_brackets(self._title, self._counts, translated)

  def _clean_abstract(self) -> list[str]:
    """Its paragraphs with their labels, without copyright lines."""
    paragraphs = []
    for label, whole in self._abstract:
      text, marks = _TRUNCATED.subn(lambda mark: mark[1] and ' ' or '', whole)
      if marks:
        self._counts['truncation_marks_dropped'] += marks
      tail = text[-_TAIL:]
      match = _BOILERPLATE.search(tail)
      if match:
        self._counts['copyright_sentences_dropped'] += 1
        text = text[: len(text) - len(tail) + match.start()]
      if text:
        paragraphs.append(article.labelled(label, text, self._reading.options))
      elif not match and not marks:
        self._counts['empty_paragraphs_dropped'] += 1
    return paragraphs


def without_brackets(
  title: str, counts: Counter[str], translated: bool = True
) -> str:
  """A title that NLM translated without the brackets that say so."""
  if not translated:
    return title
  found = _BY_AUTHORS.sub('', title)
  match = _TRANSLATED.fullmatch(found)
  if match and _closes_last(match[1]):
    found = match[1] if match[1][-1] in '.?!' else match[1] + match[2]
  if found != title:
    counts['title_brackets_removed'] += 1
  return found


def _closes_last(inside: str) -> bool:
  """Whether a bracket around the text is closed behind it, not within."""
  depth = 0
  for sign in re.findall(r'[\[\]]', inside):
    depth += 1 if sign == '[' else -1
    if depth < 0:
      return False
  return not depth
