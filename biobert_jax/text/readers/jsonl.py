"""JSON of articles, in the layouts people keep corpora in, and of documents.

Keys: `title`, `abstract`, `text`, `body`; each of the last three a string, or
a list of strings, or a list of `{"section": ..., "text": ...}`. The id is that
of `pmcid`, `pmid`, `id`, `doc_id` or `doi`, in this order. Other keys are
counted and not read. Europe PMC's `abstractText` is an abstract in HTML. A
document with entities, as `predict` writes them, has one text.
"""

import html
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io.streams import Stream
from biobert_jax.text import json_rows
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import article, json_stream

_PARTS = ('title', 'abstract', 'text', 'body')
ID_FORMS = {
  'pmcid': ('(?:PMC)?([0-9]{1,12})', 'pmcid:PMC'),
  'pmid': ('([0-9]{1,9})', 'pmid:'),
  'id': (r'(\S.{0,199})', ''),
  'doc_id': (r'(\S.{0,199})', ''),
  'doi': (r'(\S.{0,199})', 'doi:'),
}
_KNOWN = {*_PARTS, *ID_FORMS}
_TEXTS = json_stream.TEXTS - {'passages'}

# HTML in texts of Europe PMC.
_HEADING = re.compile(r'<h[1-6]\b[^<>]*>(.*?)</h[1-6]\s*>', re.I | re.S)
_BLOCK = re.compile(r'</?(?:p|br|div|li|ul|ol|h[1-6])(?:\s[^<>]*)?/?>', re.I)
_INLINE = re.compile(
  r'</?(?:i|b|u|em|strong|sub|sup|sc|span|a|small|tt|italic|bold|underline)'
  r'(?:\s[^<>]*)?/?>',
  re.I,
)
_NAMED = re.compile(r'&(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);')


def read(stream: Stream, reading: article.Reading) -> Iterator[article.Article]:
  """One article of each record that `json_stream.records` finds."""
  for number, record in json_stream.records(stream, reading.counts):
    reading.counts['json_lines'] += 1
    if found := article_of(record, number, stream.name, reading):
      yield found


def documents(stream: Stream, reading: article.Reading) -> Iterator[Document]:
  """A document of each record that `json_stream.records` finds."""
  for number, record in json_stream.records(stream, reading.counts):
    where = (stream.name, number)
    row = record if isinstance(record, dict) else {}
    name = _id(row, reading.number(number), *where)
    if 'entities' in row or row.keys() & _TEXTS == {'text'}:
      if isinstance(row.get('text'), list):
        what = 'entities need one string "text", which their offsets count in'
        raise InputError.at(*where, what)
      yield json_rows.document_of(row, name, *where)
      continue
    reading.counts['json_lines'] += 1
    if found := article_of(record, number, stream.name, reading):
      yield article.document_of(found, name, number)


def _id(row: dict[str, Any], number: str, path: str, line: int) -> str:
  """The id that a record states, as it stands there; else its number."""
  for key in json_rows.IDS:
    given = row.get(key)
    if isinstance(given, bool | list | dict | float):
      what = f'{key} {given!r:.60} is no id: write a string or delete it'
      raise InputError.at(path, line, what)
    if given not in (None, ''):
      return str(given)
  return number


def article_of(
  record: Any, number: int, path: str, reading: article.Reading
) -> article.Article | None:
  """The article of a record at a line; None where it is dropped."""
  where = (path, number)
  if isinstance(record, dict) and 'abstractText' in record:
    record = _of_europe_pmc(record)
  if not isinstance(record, dict) or not record.keys() & set(_PARTS):
    what = f'want an object with some of {", ".join(_PARTS)}; got'
    raise InputError.at(*where, f'{what} {json.dumps(record)[:60]}')
  _count_unread(record.keys() - _KNOWN, reading.counts)
  name, *others = _ids(record, where) or [reading.number(number)]
  if sections := _sections(record, where, reading):
    ids = tuple(others)
    return article.Article(name, 1, sections, path, other_ids=ids)
  titled = (record.get('title') or '').strip()
  reading.drop('title_without_abstract' if titled else 'no_text', name)
  return None


def _of_europe_pmc(record: dict[str, Any]) -> dict[str, Any]:
  """A record whose title and abstract are HTML, in the other keys."""
  record = {**record}
  title, abstract = record.get('title'), record.pop('abstractText')
  if isinstance(title, str):
    record['title'] = _plain(title)
  if isinstance(abstract, str):
    parts = _paragraphs(abstract)
    abstract = [{'section': head, 'text': text} for head, text in parts]
  return {**record, 'abstract': abstract}


def _paragraphs(text: str) -> list[tuple[str, str]]:
  """(heading, text) of each part that a heading begins, markup taken off.

  Italics, sub- and superscripts join their neighbours; `<p>` and `<br>` part
  words. Other angle brackets are text (`p<0.05`).
  """
  before, *parts = _HEADING.split(text)
  rows = [('', before), *zip(parts[::2], parts[1::2], strict=True)]
  found = [(_plain(heading), _plain(part)) for heading, part in rows]
  return [row for row in found if any(row)]


def _plain(text: str) -> str:
  """The text on one line, without markup."""
  text = _INLINE.sub('', _BLOCK.sub(' ', text))
  return ' '.join(_NAMED.sub(lambda m: html.unescape(m[0]), text).split())


def _count_unread(keys: set[str], counts: Counter[str]) -> None:
  if keys:
    counts['json_keys_not_read'] += len(keys)


def _ids(record: dict[str, Any], where: tuple[str, int]) -> list[str]:
  """Ids that a record states, the one that names it first."""
  found = []
  for key, (form, prefix) in ID_FORMS.items():
    value = record.get(key)
    if value is None or value == '':
      continue
    match = None
    if isinstance(value, str | int) and not isinstance(value, bool):
      match = re.fullmatch(form, str(value).strip())
    if not match:
      what = f'{key} {str(value)[:60]!r} is not a valid {key}: fix or delete it'
      raise InputError.at(*where, what)
    found.append(prefix + match[1])
  return found


def _sections(
  record: dict[str, Any], where: tuple[str, int], reading: article.Reading
) -> tuple[article.Section, ...]:
  title = record.get('title') or ''
  if not isinstance(title, str):
    what = f'title {str(title)[:60]!r} is not a string: fix or delete it'
    raise InputError.at(*where, what)
  counts = reading.counts
  title = article.clean(title, counts)
  abstract = [
    article.labelled(heading, paragraph, reading.options)
    for heading, paragraphs in _parts(record, 'abstract', where, counts)
    for paragraph in paragraphs
  ]
  # A text without headings belongs to the title, as an abstract does.
  parts = _parts(record, 'text', where, counts)
  if not any(heading for heading, _ in parts):
    abstract += [text for _, paragraphs in parts for text in paragraphs]
    parts = []
  parts += _parts(record, 'body', where, counts)
  body = []
  for heading, rows in itertools.groupby(parts, key=lambda part: part[0]):
    body.append(
      article.Section(heading, tuple(text for _, row in rows for text in row))
    )
  return article.full_text(title, abstract, body, reading)


def _parts(
  record: dict[str, Any],
  key: str,
  where: tuple[str, int],
  counts: Counter[str],
) -> list[tuple[str, list[str]]]:
  """(heading, paragraphs) of each part of a text in one of the layouts."""
  value = record.get(key)
  if value is None:
    return []
  parts = []
  rows = value if isinstance(value, list) else [value]
  for row in rows:
    part = row if isinstance(row, dict) else {'text': row}
    _count_unread(part.keys() - {'section', 'text'}, counts)
    heading, text = part.get('section'), part.get('text')
    if not isinstance(text, str) or not isinstance(heading or '', str):
      what = f'{key}: want a text, a list of texts or of objects with section'
      raise InputError.at(*where, f'{what} and text; got {str(row)[:60]!r}')
    # A newline in a value is the end of a paragraph.
    paragraphs = [article.clean(one, counts) for one in text.split('\n')]
    if kept := [one for one in paragraphs if one]:
      parts.append((' '.join((heading or '').split()), kept))
    else:
      # A section with nothing but its heading holds those that follow it.
      is_parent = heading and row is not rows[-1]
      name = 'parent_headings' if is_parent else 'empty_paragraphs'
      counts[f'{name}_dropped'] += 1
  return parts
