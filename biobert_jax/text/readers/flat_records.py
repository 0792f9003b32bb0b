"""Records of title and abstract: Europe PMC's searches and Dublin Core.

An answer of Europe PMC (`responseWrapper`) holds `result` elements, and one of
OAI-PMH with `metadataPrefix=oai_dc` records with `dc` in them.
https://europepmc.org/RestfulWebService and https://www.openarchives.org/pmh
"""

import re
from collections import defaultdict
from collections.abc import Iterator

from biobert_jax.io.streams import Stream
from biobert_jax.text.readers import article, jsonl, pubmed, xml_stream

ROOTS = {'responseWrapper', 'dc'}

# Elements that hold fields -> the fields that are read.
_FIELDS = {
  'result': {
    *('id', 'pmid', 'pmcid', 'doi', 'title', 'abstractText', 'language'),
  },
  'dc': {'title', 'description', 'identifier', 'language'},
  'header': {'identifier'},
}
# Identifiers of Dublin Core, mostly addresses.
_IDENTIFIERS = {
  'pmcid': re.compile(r'(?:^|\W)(PMC[0-9]{1,12})\b'),
  'pmid': re.compile(r'(?:pubmed/|pubmed\.ncbi[^/]*/|pmid:? ?)([0-9]{1,9})\b'),
  'doi': re.compile(r'\b(10\.[0-9]{4,9}/\S+)'),
}


def read(stream: Stream, reading: article.Reading) -> Iterator[article.Article]:
  """Records of one file, in its order; see `xml_stream.parse` for errors."""
  target = _Target(stream.name, reading)
  return xml_stream.parse(stream, target, reading.counts)


class _Target:
  """Gathers the fields of one record after another."""

  def __init__(self, source: str, reading: article.Reading) -> None:
    self.found: list[article.Article] = []
    self._source = source
    self._reading = reading
    self._parents = ['']
    self._inline = xml_stream.Inline()
    self._ordinal = 0
    self._before = 0  # Records before this one of OAI-PMH.
    self._depth = 0  # Of the field that is open, 0 outside.
    self._language = ''  # That the field states.
    self._clear()

  def _clear(self) -> None:
    self._fields: defaultdict[str, list[str]] = defaultdict(list)
    self._inline.next_record()

  def close(self) -> None:
    """lxml asks for it."""

  def start(self, tag: str, attributes: dict[str, str]) -> None:
    tag = xml_stream.local_name(tag)
    if self._depth:
      self._inline.start(tag)
    elif tag in _FIELDS.get(self._parents[-1], ()):
      self._depth = len(self._parents)
      self._language = attributes.get(xml_stream.LANGUAGE, '')
    elif tag == 'record':
      self._before = self._ordinal
      self._clear()
    self._parents.append(tag)
    self._inline.count_tag()

  def data(self, text: str) -> None:
    if self._depth:
      self._inline.data(text)

  def end(self, tag: str) -> None:
    tag = xml_stream.local_name(tag)
    self._parents.pop()
    if self._depth == len(self._parents):
      self._depth = 0
      self._field(tag, ' '.join(self._inline.take().split()))
    elif self._depth:
      self._inline.end(tag)
    elif tag == 'dc' or (tag, self._parents[-1]) == ('result', 'resultList'):
      self._ordinal += 1
      self._record(tag == 'dc')
      self._clear()
    elif tag == 'record' and self._before == self._ordinal:
      # It was deleted, or its metadata have another form.
      self._reading.drop('no_record', self._first('header') or self._source)

  def _field(self, tag: str, text: str) -> None:
    if self._parents[-1] == 'header':
      self._fields['header'].append(text)
    elif tag == 'identifier':
      for kind, form in _IDENTIFIERS.items():
        if match := form.search(text):
          self._fields[kind].append(match[1])
    elif not text:
      return
    elif self._language and not _is_english(self._language):
      counted = {'title': 'further_titles', 'description': 'other_abstracts'}
      self._reading.counts[f'{counted.get(tag, "fields")}_dropped'] += 1
    else:
      self._fields[tag].append(text)

  def _first(self, key: str) -> str:
    return next(iter(self._fields[key]), '')

  def _record(self, is_dublin_core: bool) -> None:
    """The record that ends here."""
    counts = self._reading.counts
    counts['flat_records'] += 1
    ids = {kind: self._first(kind) for kind in ('pmcid', 'pmid', 'doi')}
    ids['id'] = self._first('header' if is_dublin_core else 'id')
    ids = {
      k: v for k, v in ids.items() if re.fullmatch(jsonl.ID_FORMS[k][0], v)
    }
    name = next(iter(ids.values()), self._source)
    languages = self._fields['language']
    title, abstracts = self._first('title'), self._fields['abstractText']
    if languages and not any(map(_is_english, languages)):
      # In Europe PMC their abstracts are English still, as in PubMed.
      if is_dublin_core or not self._reading.options.translated:
        return self._reading.drop('not_english', name)
      counts['records_of_articles_in_other_languages'] += 1
      title = pubmed.without_brackets(title, counts)
    if is_dublin_core:
      abstracts = self._fields['description']
    if abstracts[1:]:
      counts['other_abstracts_dropped'] += len(abstracts) - 1
    if further := len(self._fields['title'][1:]):
      counts['further_titles_dropped'] += further
    record = {**ids, 'title': title, 'abstractText': ''.join(abstracts[:1])}
    where = (self._ordinal, self._source, self._reading)
    if found := jsonl.article_of(record, *where):
      self.found.append(found)
    return None


def _is_english(language: str) -> bool:
  return language.lower().startswith('en')
