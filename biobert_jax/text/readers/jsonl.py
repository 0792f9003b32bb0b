"""JSON lines: one article per line, in the layouts people keep corpora in.

Keys: `title`, `abstract`, `text`, `body`; each of the last three a string, or
a list of strings, or a list of `{"section": ..., "text": ...}`. The id is that
of `pmcid`, `pmid` or `id`, in this order. Other keys are not looked at.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from biobert_jax.errors import InputError
from biobert_jax.io import lines
from biobert_jax.io.streams import Stream
from biobert_jax.text.readers.article import (
  Article,
  Notes,
  Options,
  Section,
  clean,
  full_text,
  labelled,
)

_PARTS = ('title', 'abstract', 'text', 'body')


def read(
  stream: Stream,
  counts: Counter[str],
  notes: Notes,
  options: Options,
  name: str,
) -> Iterator[Article]:
  """One article of each line that is not blank.

  Args:
    stream: the file, UTF-8.
    counts: takes `json_lines`, and what was fixed or dropped.
    notes: takes the id of every line that is dropped (`no_text`,
      `title_without_abstract`).
    options: what is wanted.
    name: `name:line` is the id of an article that states none.

  Raises:
    InputError: with file and line: not an object of these keys.
  """
  for number, line in lines.read_lines(stream.lines(), counts):
    if not line.strip():
      counts['blank_lines'] += 1
      continue
    try:
      record = json.loads(line)
    except (ValueError, RecursionError) as error:
      what = f'not JSON ({str(error)[:80]}): write one object a line'
      raise InputError.at(stream.name, number, what) from error
    counts['json_lines'] += 1
    where = (stream.name, number)
    if not isinstance(record, dict) or not record.keys() & set(_PARTS):
      what = f'want an object with some of {", ".join(_PARTS)}; got'
      raise InputError.at(*where, f'{what} {line[:60]!r}')
    ids = _ids(record, where) or [f'{name}:{number}']
    sections = _sections(record, where, counts, options)
    if sections:
      others = tuple(ids[1:])
      yield Article(ids[0], 1, sections, stream.name, other_ids=others)
    else:
      titled = isinstance(record.get('title'), str) and record['title'].strip()
      reason = 'title_without_abstract' if titled else 'no_text'
      counts[f'dropped_{reason}'] += 1
      notes(reason, ids[0])


_ID_FORMS = {
  'pmcid': ('(?:PMC)?([0-9]{1,12})', 'pmcid:PMC'),
  'pmid': ('([0-9]{1,9})', 'pmid:'),
  'id': (r'(\S.{0,199})', ''),
  'doi': (r'(\S.{0,199})', 'doi:'),
}


def _ids(record: dict[str, Any], where: tuple[str, int]) -> list[str]:
  """Ids that a record states, the one that names it first."""
  found = []
  for key, (form, prefix) in _ID_FORMS.items():
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
  record: dict[str, Any],
  where: tuple[str, int],
  counts: Counter[str],
  options: Options,
) -> tuple[Section, ...]:
  title = record.get('title') or ''
  if not isinstance(title, str):
    what = f'title {str(title)[:60]!r} is not a string: fix or delete it'
    raise InputError.at(*where, what)
  title = clean(title, counts)
  abstract = [
    labelled(heading, paragraph, options)
    for heading, paragraphs in _parts(record, 'abstract', where, counts)
    for paragraph in paragraphs
  ]
  # A text without headings belongs to the title, as an abstract does.
  text = _parts(record, 'text', where, counts)
  if all(not heading for heading, _ in text):
    abstract += [
      paragraph for _, paragraphs in text for paragraph in paragraphs
    ]
    text = []
  body = []
  parts = text + _parts(record, 'body', where, counts)
  for heading, rows in itertools.groupby(parts, key=lambda part: part[0]):
    paragraphs = tuple(p for _, row in rows for p in row)
    body.append(Section(heading, paragraphs))
  front = ([title] if title else []) + abstract
  return full_text(front, bool(abstract), body, options, counts)


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
  rows = value if isinstance(value, list) else [value]
  parts = []
  for row in rows:
    heading = row.get('section') if isinstance(row, dict) else ''
    text = row.get('text') if isinstance(row, dict) else row
    if not isinstance(text, str) or not isinstance(heading or '', str):
      what = f'{key}: want a text, a list of texts or of objects with section'
      raise InputError.at(*where, f'{what} and text; got {str(row)[:60]!r}')
    # A newline in a value is the end of a paragraph.
    paragraphs = [clean(one, counts) for one in text.split('\n')]
    if kept := [one for one in paragraphs if one]:
      parts.append((' '.join((heading or '').split()), kept))
    else:
      counts['empty_paragraphs_dropped'] += 1
  return parts
