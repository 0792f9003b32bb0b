"""PMC's full texts (JATS, `.nxml`): title and abstract, and the sections.

Tables, figures, displayed formulas, references, footnotes, supplements and
what stands before or behind the body are dropped and counted, and so are
brackets that hold nothing but cross-references. https://jats.nlm.nih.gov
"""

import re
from collections.abc import Iterator

from biobert_jax.io.streams import Stream
from biobert_jax.text.readers import article, citations, xml_stream

ROOTS = {'article', 'articles', 'pmc-articleset'}

# Elements that are passed over with all that is in them, by what is counted;
# those of a second table only where they stand in none of them.
_DROPPED_BY_COUNT = {
  'tables_dropped': ('table-wrap',),
  'figures_dropped': ('fig', 'chem-struct-wrap'),
  'groups_of_figures_or_tables_dropped': ('fig-group', 'table-wrap-group'),
  'formulas_dropped': ('disp-formula',),
  'references_dropped': ('ref',),
  'footnotes_dropped': ('fn',),
  'supplements_dropped': ('supplementary-material',),
  'definition_lists_dropped': ('def-list',),
  'program_texts_dropped': ('code', 'preformat'),
  'other_abstracts_dropped': ('trans-abstract',),
  'back_matter_dropped': ('ack', 'app', 'glossary', 'notes', 'bio'),
  'sub_articles_dropped': ('sub-article', 'response'),
  '': (
    *('graphic', 'tex-math', 'ref-list', 'floats-group', 'back', 'label'),
    *('object-id', 'disp-formula-group', 'sec-meta', 'permissions'),
    *('alt-text', 'long-desc'),
  ),
}
_LOOSE_BY_COUNT = {
  'tables_dropped': ('table', 'array'),
  'captions_dropped': ('caption',),
  'media_dropped': ('media',),
  'attributions_dropped': ('attrib', 'speaker'),
}
_DROPPED, _LOOSE = (
  {tag: name for name, tags in table.items() for tag in tags}
  for table in (_DROPPED_BY_COUNT, _LOOSE_BY_COUNT)
)
_DROPPED |= _LOOSE
# Those that stand at a word, not between words.
_WITHOUT_BLANK = {'fn', 'label', 'tex-math', 'graphic'}
# Abstracts for other readers, beside the one that PubMed has.
_OTHER_ABSTRACTS = re.compile(
  '.*(?:summary|graphical|toc|teaser|precis|highlight|key-?points|editor).*'
)
_TEXTS = {'p', 'title'}
_TITLES = {'article-title', 'subtitle'}  # In another group, of another work.
# Elements that are not inside running text.
_PARTS = {
  *('article', 'article-meta', 'article-id', 'abstract', 'body', 'sec'),
  *('record', 'identifier', 'Reply'),
}
_RUNNING = {'abstract', 'body'}  # All text in them is read.
# They end the paragraph they stand in.
_BLOCKS = {
  *('list', 'list-item', 'disp-quote', 'boxed-text', 'verse-group'),
  'verse-line',
}
_MARKS = {'sup': citations.SUP, 'break': ' '}
_ENDS = {'sup': citations.SUP_END, 'xref': citations.XREF_END}


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
    self._before = 0  # Articles before this record of OAI-PMH.
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
    self._nested: list[tuple[int, str]] = []  # Start and heading of each.
    self._place = ''  # article-meta, abstract or body.
    self._roles: list[str] = []  # Of the open elements that hold text.
    self._inline.next_record()

  def close(self) -> None:
    """lxml asks for it."""

  def _is_text(self, tag: str, parent: str) -> bool:
    return tag in _TEXTS or tag in _TITLES and parent == 'title-group'

  def start(self, tag: str, attributes: dict[str, str]) -> None:
    if tag[0] == '{' or ':' in tag:
      tag = xml_stream.local_name(tag)
    parent = self._parents[-1]
    self._parents.append(tag)
    self._inline.count_tag()
    # The caption of a box with text is its heading.
    if tag in _DROPPED and (parent, tag) != ('boxed-text', 'caption'):
      self._drop(tag, parent)
    if self._skip:
      return
    if self._is_text(tag, parent):
      self._flush()
      self._roles.append(self._role(tag) if self._place else '')
    elif tag in _BLOCKS:
      self._flush()
    elif tag in _PARTS and not self._roles:
      self._flush()
      self._start_part(tag, attributes)
    elif self._roles or self._place in _RUNNING:
      self._start_inline(tag, attributes)

  def _drop(self, tag: str, parent: str) -> None:
    """Counts an element that is passed over, and begins to."""
    name = _DROPPED[tag]
    if tag == 'tex-math' and parent != 'alternatives':
      name = 'formulas_in_tex_dropped'
    if name and not (self._skip and tag in _LOOSE):
      self._counts[name] += 1
    if not self._skip:
      self._skip = len(self._parents)
      if self._roles and tag not in _WITHOUT_BLANK:
        self._inline.add(' ')

  def _start_inline(self, tag: str, attributes: dict[str, str]) -> None:
    if tag == 'xref':
      self._inline.add(citations.opening(attributes.get('ref-type', '')))
    elif tag in _MARKS:
      self._inline.add(_MARKS[tag])
    else:
      self._inline.start(tag)

  def _role(self, tag: str) -> str:
    """The role of the text in an element that was just opened."""
    *before, parent, _ = self._parents
    if tag in _TITLES:
      return tag if self._place == 'article-meta' else ''
    if tag == 'title' and self._place == 'abstract':
      return 'heading' if parent == 'abstract' else 'label'
    if tag == 'title' and parent == 'sec':
      return 'heading' if before[-1:] == ['body'] else 'subheading'
    return 'paragraph'

  def _start_part(self, tag: str, attributes: dict[str, str]) -> None:
    parent = self._parents[-2]
    if tag == 'article':
      self._clear()
      self._language = attributes.get(xml_stream.LANGUAGE, '')
    elif tag == 'article-meta':
      self._place = tag
    elif tag == 'article-id' and self._place == 'article-meta':
      self._id_type = attributes.get('pub-id-type', '')
      self._roles.append('id')
    elif tag == 'identifier' and parent == 'header':  # Of OAI-PMH.
      self._id_type = tag
      self._roles.append('id')
    elif tag == 'abstract' and self._place == 'article-meta':
      kind, language = map(
        attributes.get, ('abstract-type', xml_stream.LANGUAGE)
      )
      if _OTHER_ABSTRACTS.fullmatch(kind or '') or not _is_english(language):
        self._counts['other_abstracts_dropped'] += 1
        self._skip = len(self._parents)
      else:
        self._place = tag
    elif tag == 'body' and parent == 'article':
      self._place = tag
      self._body.append(('', []))
    elif tag == 'sec' and self._place == 'body':
      if parent == 'body':
        self._body.append(('', []))
      else:
        self._nested.append((len(self._body[-1][1]), ''))
    elif tag == 'record':
      self._before = self._ordinal
    elif tag == 'Reply':  # Of efetch, to an id that it cannot give.
      self._drop_record(attributes.get('Id', ''))

  def data(self, text: str) -> None:
    if not self._skip and (self._roles or self._place in _RUNNING):
      self._inline.data(text)

  def end(self, tag: str) -> None:
    if tag[0] == '{' or ':' in tag:
      tag = xml_stream.local_name(tag)
    depth = len(self._parents)
    self._parents.pop()
    if self._skip:
      if depth == self._skip:
        self._skip = 0
    elif self._is_text(tag, self._parents[-1]) or (
      tag in ('article-id', 'identifier') and self._roles[-1:] == ['id']
    ):
      self._flush()
      self._roles.pop()
    elif tag in _BLOCKS:
      self._flush()
    elif tag in _PARTS and not self._roles:
      self._flush()
      self._end_part(tag)
    elif tag in _ENDS and (self._roles or self._place in _RUNNING):
      self._inline.add(_ENDS[tag])
    else:
      self._inline.end(tag)

  def _end_part(self, tag: str) -> None:
    if tag == 'abstract' and self._place == 'abstract':
      self._place = 'article-meta'
    elif tag == 'sec' and self._place == 'abstract':
      self._unused_label('empty_sections_dropped')
    elif tag == 'sec' and self._place == self._parents[-1] == 'body':
      self._body.append(('', []))
    elif tag == 'sec' and self._nested:
      self._end_nested(*self._nested.pop())
    elif tag in ('article-meta', 'body') and tag == self._place:
      self._place = ''
    elif tag == 'article':
      self._counts['full_texts'] += 1
      self._article()
      self._clear()
    elif tag == 'record' and self._before == self._ordinal:
      self._drop_record(self._ids.get('identifier', ''))

  def _end_nested(self, start: int, heading: str) -> None:
    """Takes a declaration, or a heading without text, out of its section."""
    texts = self._body[-1][1]
    empty = len(texts) - start <= bool(heading)
    if heading and (empty or article.is_boilerplate(heading)):
      del texts[start:]
      kind = 'empty' if empty else 'boilerplate'
      self._counts[f'{kind}_sections_dropped'] += 1

  def _unused_label(self, reason: str) -> None:
    if self._label:
      self._counts[reason] += 1
      self._label = ''

  def _flush(self) -> None:
    """Puts the text gathered so far where the element it is in belongs."""
    raw = self._inline.take()
    loose = 'paragraph' if self._place in _RUNNING else ''
    role = self._roles[-1] if self._roles else loose
    if not role or not raw.strip():
      return
    text = article.clean(raw, self._counts)
    text = citations.without_citations(text, self._counts).strip()
    if role == 'id':
      self._ids.setdefault(self._id_type, text)
    elif role == 'article-title' and self._title:
      self._counts['further_titles_dropped'] += 1
    elif role == 'article-title':
      self._title = text
    elif role == 'subtitle':
      self._title += ' ' if self._title[-1:] in ('.', ':', '?', '!') else ': '
      self._title += text
    elif role == 'label':
      self._unused_label('parent_headings_dropped')
      self._label = text
    elif self._place not in _RUNNING:
      return
    elif not text:
      self._counts['empty_paragraphs_dropped'] += 1
    elif self._place == 'abstract' and role == 'paragraph':
      options = self._reading.options
      self._abstract.append(article.labelled(self._label, text, options))
      self._label = ''
    elif self._place == 'body' and role == 'heading':
      self._body[-1] = (text, self._body[-1][1])
    elif self._place == 'body':
      if role == 'subheading' and self._nested:
        self._nested[-1] = (self._nested[-1][0], text)
      self._body[-1][1].append(text)

  def _drop_record(self, id: str) -> None:
    self._reading.drop('no_record', id or self._source)

  def _article(self) -> None:
    self._ordinal += 1
    unnamed = self._reading.number(self._ordinal)
    name, *others = _names(self._ids) or [unnamed]
    if not _is_english(self._language):
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


def _is_english(language: str | None) -> bool:
  return not language or language.lower().startswith('en')


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
