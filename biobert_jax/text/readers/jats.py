"""PMC's full texts (JATS, `.nxml`): title and abstract, and the sections.

Tables, figures, displayed formulas, references, footnotes, supplements and
what stands before or behind the body are dropped and counted, and so are
brackets that hold nothing but cross-references. https://jats.nlm.nih.gov
"""

import re
from collections import Counter
from collections.abc import Iterator

from biobert_jax.io.streams import Stream
from biobert_jax.text.readers import article, xml_stream

ROOTS = {'article', 'pmc-articleset'}

# Elements that are passed over with all that is in them, by what is counted.
_DROPPED_BY_COUNT = {
  'tables_dropped': ('table-wrap',),
  'figures_dropped': ('fig', 'chem-struct-wrap'),
  'formulas_dropped': ('disp-formula',),
  'references_dropped': ('ref',),
  'footnotes_dropped': ('fn',),
  'supplements_dropped': ('supplementary-material',),
  'definition_lists_dropped': ('def-list',),
  'program_texts_dropped': ('code', 'preformat'),
  'other_abstracts_dropped': ('trans-abstract',),
  'sub_articles_dropped': ('sub-article', 'response'),
  '': (
    *('table', 'graphic', 'media', 'tex-math', 'ref-list', 'floats-group'),
    *('back', 'label', 'object-id'),
  ),
}
_DROPPED = {
  tag: name for name, tags in _DROPPED_BY_COUNT.items() for tag in tags
}
# Those that stand at a word, not between words.
_WITHOUT_BLANK = {'fn', 'label', 'tex-math', 'graphic'}
# Abstracts for other readers, beside the one that PubMed has.
_OTHER_ABSTRACTS = re.compile(
  '.*(?:summary|graphical|toc|teaser|precis|highlight|key-?points|editor).*'
)
_TEXTS = {'p', 'title', 'article-title'}
# They end the paragraph they stand in; their own text, if any, is in `p`.
_BLOCKS = {'list', 'list-item', 'disp-quote', 'boxed-text', 'verse-group'}
_LANGUAGE = '{http://www.w3.org/XML/1998/namespace}lang'

# Marks in gathered text; XML cannot hold these characters. A citation and
# another cross-reference end alike.
_CITATION, _XREF, _SUP = '\x01\x02\x04'
_ENDS = {'xref': '\x03', 'sup': '\x05'}
_REFERENCE = r'[\x01\x02][^\x03]*\x03'
_BETWEEN = r'[\s,;&\u2010-\u2015-]'
_SEVERAL = (
  rf'{_BETWEEN}*(?:see(?:\s+also)?\s+|e\.g\.,?\s+)?{_REFERENCE}'
  rf'(?:(?:{_BETWEEN}|and\b|{_REFERENCE})*)'
)
_BRACKETS = re.compile(
  rf'\s?(?:\[{_SEVERAL}\]|\({_SEVERAL}\)|\x04{_SEVERAL}\x05)'
)
_NUMBERS = r'\x01[\x04\s]*[\[(]?[0-9][0-9\s,\u2010-\u2015-]*[\])]?[\x05\s]*\x03'
# Citations by number that stand free; those by author are part of a sentence.
_FREE = re.compile(rf'\s?{_NUMBERS}(?:{_BETWEEN}*{_NUMBERS})*')
_RAISED = re.compile(r'\s?\x01\x04[^\x03-\x05]*\x05\x03')
_MARKS = re.compile('[\x01-\x05]')


def without_citations(text: str, counts: Counter[str]) -> str:
  """Takes the citations out that no sentence needs, and all marks."""
  if not _MARKS.search(text):
    return text
  for pattern, name in (
    (_BRACKETS, 'cross_reference_brackets_dropped'),
    (_RAISED, 'citations_dropped'),
    (_FREE, 'citations_dropped'),
  ):
    text, dropped = pattern.subn('', text)
    if dropped:
      counts[name] += dropped
  return _MARKS.sub('', text)


def read(stream: Stream, reading: article.Reading) -> Iterator[article.Article]:
  """The articles of one file, mostly one; see `xml_stream.parse` for errors."""
  target = _Target(stream.name, reading)
  return xml_stream.parse(stream, target, reading.counts)


class _Target:
  """Gathers one article after another from tags and text."""

  def __init__(self, source: str, reading: article.Reading) -> None:
    self.found: list[article.Article] = []
    self._source = source
    self._reading = reading
    self._counts = reading.counts
    self._ordinal = 0
    self._parents = ['']
    self._skip = 0  # Depth at which what is dropped began, 0 outside.
    self._inline = xml_stream.Inline()
    self._clear()

  def _clear(self) -> None:
    self._ids: dict[str, str] = {}
    self._id_type = ''
    self._language = ''
    self._title = ''
    self._label = ''
    self._abstract: list[str] = []
    self._body: list[tuple[str, list[str]]] = []
    self._place = ''  # article-meta, abstract or body.
    self._roles: list[str] = []  # Of the open elements that hold text.
    self._inline.next_record()

  def close(self) -> None:
    """lxml asks for it."""

  def start(self, tag: str, attributes: dict[str, str]) -> None:
    self._parents.append(tag)
    self._inline.count_tag()
    if tag in _DROPPED:
      if _DROPPED[tag]:
        self._counts[_DROPPED[tag]] += 1
      if not self._skip:
        self._skip = len(self._parents)
        if self._roles and tag not in _WITHOUT_BLANK:
          self._inline.add(' ')
    if self._skip:
      return
    if tag in _TEXTS:
      self._flush()
      self._roles.append(self._role(tag) if self._place else '')
    elif self._roles and tag not in _BLOCKS:
      self._start_inline(tag, attributes)
    elif tag in _BLOCKS:
      self._flush()
    else:
      self._start_part(tag, attributes)

  def _start_inline(self, tag: str, attributes: dict[str, str]) -> None:
    citation = attributes.get('ref-type') == 'bibr'
    xref = _CITATION if citation else _XREF
    mark = {'xref': xref, 'sup': _SUP, 'break': ' '}.get(tag)
    if mark:
      self._inline.add(mark)
    else:
      self._inline.start(tag)

  def _role(self, tag: str) -> str:
    """The role of the text in an element that was just opened."""
    *before, parent, _ = self._parents
    if tag == 'article-title':
      named = self._place == 'article-meta' and parent == 'title-group'
      return tag if named else ''
    if tag == 'title' and self._place == 'abstract':
      return 'heading' if parent == 'abstract' else 'label'
    if tag == 'title' and parent == 'sec' and before[-1:] == ['body']:
      return 'heading'
    return 'paragraph'

  def _start_part(self, tag: str, attributes: dict[str, str]) -> None:
    parent = self._parents[-2]
    if tag == 'article':
      self._clear()
      self._language = attributes.get(_LANGUAGE, '')
    elif tag == 'article-meta' and parent == 'front':
      self._place = tag
    elif tag == 'article-id' and self._place == 'article-meta':
      self._id_type = attributes.get('pub-id-type', '')
      self._roles.append('id')
    elif tag == 'abstract' and self._place == 'article-meta':
      if _OTHER_ABSTRACTS.fullmatch(attributes.get('abstract-type', '')):
        self._counts['other_abstracts_dropped'] += 1
        self._skip = len(self._parents)
      else:
        self._place = tag
    elif tag == 'body' and parent == 'article':
      self._place = tag
      self._body.append(('', []))
    elif tag == 'sec' and parent == self._place == 'body':
      self._body.append(('', []))

  def data(self, text: str) -> None:
    if self._roles and not self._skip:
      self._inline.data(text)

  def end(self, tag: str) -> None:
    depth = len(self._parents)
    self._parents.pop()
    if self._skip:
      if depth == self._skip:
        self._skip = 0
    elif tag in _TEXTS or tag == 'article-id' and self._roles[-1:] == ['id']:
      self._flush()
      self._roles.pop()
    elif tag in _BLOCKS:
      self._flush()
    elif self._roles and tag in _ENDS:
      self._inline.add(_ENDS[tag])
    elif self._roles:
      self._inline.end(tag)
    elif tag == 'abstract' and self._place == 'abstract':
      self._place = 'article-meta'
    elif tag == 'sec' and self._place == self._parents[-1] == 'body':
      self._body.append(('', []))
    elif tag in ('article-meta', 'body') and tag == self._place:
      self._place = ''
    elif tag == 'article':
      self._counts['full_texts'] += 1
      self._article()
      self._clear()

  def _flush(self) -> None:
    """Puts the text gathered so far where the element it is in belongs."""
    raw = self._inline.take()
    role = self._roles[-1] if self._roles else ''
    if not role or not raw.strip():
      return
    text = article.clean(raw, self._counts)
    text = without_citations(text, self._counts).strip()
    if role == 'id':
      self._ids.setdefault(self._id_type, text)
    elif role == 'article-title':
      self._title = self._title or text
    elif role == 'label':
      self._label = text
    elif self._place == 'abstract' and role == 'paragraph':
      if text:
        options = self._reading.options
        self._abstract.append(article.labelled(self._label, text, options))
        self._label = ''
    elif self._place == 'body' and role == 'heading':
      self._body[-1] = (text, self._body[-1][1])
    elif self._place == 'body' and text:
      self._body[-1][1].append(text)

  def _article(self) -> None:
    self._ordinal += 1
    unnamed = f'{self._reading.name}:{self._ordinal}'
    name, *others = _names(self._ids) or [unnamed]
    if self._language and not self._language.lower().startswith('en'):
      return self._reading.drop('not_english', name)
    body = [
      article.Section(heading, tuple(texts))
      for heading, texts in self._body
      if heading or texts
    ]
    title, abstract = self._title, self._abstract
    sections = article.full_text(title, abstract, body, self._reading)
    if not sections:
      return self._reading.drop('no_text', name)
    ids = tuple(others)
    found = article.Article(name, 1, sections, self._source, other_ids=ids)
    self.found.append(found)
    return None


def _names(ids: dict[str, str]) -> list[str]:
  """Ids as `kind:value`, the one that names the article first."""
  names = []
  pmc = ids.get('pmc') or ids.get('pmcid') or ids.get('pmcaid') or ''
  if re.fullmatch('(?:PMC)?[0-9]{1,12}', pmc):
    names.append(f'pmcid:PMC{pmc.removeprefix("PMC")}')
  if re.fullmatch('[0-9]{1,9}', ids.get('pmid', '')):
    names.append(f'pmid:{ids["pmid"]}')
  if ids.get('doi'):
    names.append(f'doi:{ids["doi"]}')
  return names
