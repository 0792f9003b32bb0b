"""BioC, XML and JSON: collections of documents of passages with annotations.

Both forms are read into the layout of BioC's JSON. Offsets count in code points
from the start of the document, so a passage's own are taken off first.
https://bioc.sourceforge.net and https://www.ncbi.nlm.nih.gov/research/bionlp
"""

import json
from collections.abc import Iterator
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io.streams import Stream
from biobert_jax.text import bioc
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import article, json_stream, xml_stream

ROOTS = {'collection'}

# Kinds of passages that no sentence is learned from, by what is counted.
_DROPPED = {
  'references_dropped': ('REF', 'ref'),
  'tables_dropped': ('TABLE', 'table'),
  'figures_dropped': ('FIG', 'fig'),
  'footnotes_dropped': ('footnote', 'FOOTNOTE'),
  'supplements_dropped': ('SUPPL', 'suppl'),
  'boilerplate_sections_dropped': (
    *('COMP_INT', 'ACK_FUND', 'AUTH_CONT', 'ABBR', 'KEYWORD', 'REVIEW_INFO'),
  ),
}

Record = dict[str, Any]  # A document of BioC's JSON.


def read(
  stream: Stream, reading: article.Reading, is_xml: bool
) -> Iterator[Document]:
  """The documents of a file of one collection or, in JSON, several."""
  for number, record in _records(stream, reading, is_xml):
    id = str(record.get('id') or reading.number(number))
    yield bioc.document_of(record, id, stream.name, number, reading.counts)


def _records(
  stream: Stream, reading: article.Reading, is_xml: bool
) -> Iterator[tuple[int, Record]]:
  """(line, of XML the ordinal, and the record) of each document."""
  if is_xml:
    found = xml_stream.parse(stream, _Target(stream.name), reading.counts)
    yield from enumerate(found, 1)
    return
  for number, record in json_stream.records(stream, reading.counts):
    if not isinstance(record, dict) or 'passages' not in record:
      what = 'want BioC: an object with "passages"; got'
      shown = json.dumps(record)[:60]
      raise InputError.at(stream.name, number, f'{what} {shown}')
    yield number, record


# Where elements may stand, of those that would be lost elsewhere.
_ANNOTATED = ('document', 'passage', 'sentence')
_PARENTS = {
  'document': ('collection',),
  'passage': ('document',),
  'sentence': ('passage',),
  'annotation': _ANNOTATED,
  'relation': _ANNOTATED,
  'text': ('passage', 'sentence', 'annotation'),
}


class _Target:
  """Gathers one document after another in the layout of BioC's JSON."""

  def __init__(self, source: str) -> None:
    self.found: list[Record] = []
    self._source = source
    self._tags = ['']
    self._open: list[Record] = [{}]
    self._inline = xml_stream.Inline()
    self._key = ''  # Of the infon that is open.

  def close(self) -> None:
    """lxml asks for it."""

  def start(self, tag: str, attributes: dict[str, str]) -> None:
    if tag[0] == '{' or ':' in tag:
      tag = xml_stream.local_name(tag)
    self._inline.count_tag()
    self._inline.take()
    if self._tags[-1] not in _PARENTS.get(tag, (self._tags[-1],)):
      what = f'<{tag[:60]}> inside <{self._tags[-1][:60]}> is not BioC: fix it'
      raise InputError(f'{self._source}: {what}, or leave the file out')
    self._tags.append(tag)
    if tag == 'infon':
      self._key = attributes.get('key', '')
    elif tag in ('location', 'node'):
      self._open[-1].setdefault(f'{tag}s', []).append(dict(attributes))
    elif tag in (
      *('document', 'passage', 'sentence', 'annotation', 'relation'),
    ):
      one: Record = {'infons': {}, **attributes}
      self._open[-1].setdefault(f'{tag}s', []).append(one)
      self._open.append(one)

  def data(self, text: str) -> None:
    self._inline.add(text)

  def end(self, tag: str) -> None:
    if tag[0] == '{' or ':' in tag:
      tag = xml_stream.local_name(tag)
    text, one = self._inline.take(), self._open[-1]
    self._tags.pop()
    if tag == 'text' and one.get('text'):
      what = 'two <text> in one element; put each in a passage of its own'
      raise InputError(f'{self._source}: {what}')
    if tag == 'infon':
      one.setdefault('infons', {})[self._key] = text
    elif tag in ('id', 'offset', 'text'):
      one[tag] = text
    elif tag in ('passage', 'sentence', 'annotation', 'relation'):
      self._open.pop()
    elif tag == 'document':
      self.found.append(self._open.pop())
      self._open = [{}]
      self._inline.next_record()


def articles(
  stream: Stream, reading: article.Reading, is_xml: bool
) -> Iterator[article.Article]:
  """The documents to learn from: title, abstract and sections of full texts."""
  for number, record in _records(stream, reading, is_xml):
    reading.counts['annotated_documents'] += 1
    if one := _article(record, number, stream.name, reading):
      yield one


def _article(
  record: Record, number: int, path: str, reading: article.Reading
) -> article.Article | None:
  """The article of a document; None where nothing of it is kept."""
  dropped = {kind: name for name, kinds in _DROPPED.items() for kind in kinds}
  counts, title, abstract = reading.counts, '', list[str]()
  body: list[tuple[str, list[str]]] = []
  for passage in bioc.objects(record, 'passages'):
    kind, section = (
      bioc.infon(passage, 'type'),
      bioc.infon(passage, 'section_type'),
    )
    base = bioc.offset(passage, str(record.get('id')), path)
    text = passage.get('text')
    if not isinstance(text, str):
      sentences = bioc.objects(passage, 'sentences')
      text = bioc.joined(sentences, base, str(record.get('id')), path)
    reason = dropped.get(section) or dropped.get(kind.partition('_')[0])
    paragraphs = [article.clean(one, counts) for one in text.split('\n')]
    if reason:
      counts[reason] += 1
    elif bioc.is_title(passage) and not title:
      title = ' '.join(paragraphs).strip()
    elif kind.startswith(('abstract', 'title')) and 'title' in kind:
      if 'abstract' not in kind:
        body.append((' '.join(paragraphs), []))
    elif kind.startswith('abstract') or section == 'ABSTRACT':
      abstract += filter(None, paragraphs)
    else:
      body = body or [('', [])]
      body[-1][1].extend(filter(None, paragraphs))
  sections = article.full_text(
    title,
    abstract,
    [article.Section(heading, tuple(rows)) for heading, rows in body],
    reading,
  )
  name, *others = _ids(record) or [reading.number(number)]
  if sections:
    return article.Article(name, 1, sections, path, other_ids=tuple(others))
  reading.drop('title_without_abstract' if title else 'no_text', name)
  return None


def _ids(record: Record) -> list[str]:
  """The ids that a document states, as other readers write them."""
  first = bioc.objects(record, 'passages')[:1] or [{}]
  given = str(record.get('id') or '').strip()
  pmc = bioc.infon(first[0], 'article-id_pmc').removeprefix('PMC')
  pmid = bioc.infon(first[0], 'article-id_pmid')
  found = [
    *([f'pmcid:PMC{pmc}'] if pmc.isdecimal() else []),
    *([f'pmid:{pmid}'] if pmid.isdecimal() else []),
  ]
  if given.startswith('PMC') and given[3:].isdecimal():
    found.append(f'pmcid:{given}')
  elif given.isdecimal():
    found.append(f'pmid:{given}' if given != pmc else f'pmcid:PMC{given}')
  elif given:
    found.append(given)
  return list(dict.fromkeys(found))
