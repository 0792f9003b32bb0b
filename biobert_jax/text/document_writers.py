"""The forms that documents with entities are written in.

  JSONL     a line a document, for programs
  brat      a pair of files a document, ID.txt and ID.ann, for annotators
  PubTator  `id|t|title`, `id|a|abstract`, a line an entity
  CoNLL     `word<TAB>tag`, for training again
  HTML      one page, for people

Offsets are in code points, end exclusive, in every form. Every writer writes
aside and renames, so that nobody sees half a file. The record and what reads
it are in `documents.py`, and may be imported from here.
"""

import dataclasses
import html
import json
import os
import pathlib
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO, Any

from biobert_jax.errors import InputError
from biobert_jax.io.atomic import atomic_write
from biobert_jax.text.documents import (
  Document,
  Entity,
  flat,
  split_words,
  tag_words,
  without_overlaps,
)
from biobert_jax.text.readers.any_format import read_documents
from biobert_jax.text.readers.pubtator import read_pubtator

__all__ = [
  'Document',
  'Entity',
  'json_row',
  'read_documents',
  'read_pubtator',
  'split_words',
  'write_brat',
  'write_conll',
  'write_html',
  'write_jsonl',
  'write_pubtator',
]


def write_jsonl(
  documents: Iterable[Document], path: str | os.PathLike[str]
) -> None:
  """Writes {"id", "text", "entities"} a line, the entities as `Entity`.

  Where title and body are told apart, "title_length" stands there too.
  """
  with atomic_write(path) as file:
    for document in documents:
      row = json_row(document)
      file.write(json.dumps(row, ensure_ascii=False) + '\n')


def json_row(document: Document) -> dict[str, Any]:
  """A document as a line of JSONL holds it; reading gives the same again."""
  row: dict[str, Any] = {'id': document.id, 'text': document.text}
  if document.title_length is not None:
    row['title_length'] = document.title_length
  row['entities'] = [
    dataclasses.asdict(entity) | {'score': round(float(entity.score), 6)}
    for entity in document.entities
  ]
  return row


def write_pubtator(
  documents: Iterable[Document], path: str | os.PathLike[str]
) -> None:
  """Writes PubTator; `read_pubtator` gives the same text and offsets.

  Without a title all text is the title and the abstract is empty. A newline
  or carriage return inside a part, or a tab in a mention, becomes one blank,
  so offsets stay. An empty type becomes `Entity`; scores have no place here.

  Args:
    documents: Any; their ids must hold no tab, newline or bar.
    path: The file to write.

  Raises:
    InputError: An id that the form cannot hold, or an unwritable path.
  """
  with atomic_write(path) as file:
    for document in documents:
      if not re.fullmatch(r'[^|\t\r\n]+', document.id):
        raise InputError(f'{path}: PubTator cannot hold id {document.id!r}')
      cut, text = document.title_length, document.text
      if cut is None or text[cut : cut + 1] not in (' ', '\n'):
        cut = len(text)
      if cut + 1 == len(text):  # The reader would not know of the blank.
        cut = len(text)
      for part, content in (('t', text[:cut]), ('a', text[cut + 1 :])):
        content = content.translate({10: ' ', 13: ' '})
        file.write(f'{document.id}|{part}|{content}\n')
      for entity in document.entities:
        fields = (document.id, entity.start, entity.end, flat(entity.text))
        kind = flat(entity.type) or 'Entity'
        file.write('\t'.join(map(str, (*fields, kind))) + '\n')
      file.write('\n')


def write_conll(
  documents: Iterable[Document], path: str | os.PathLike[str]
) -> None:
  """Writes `word<TAB>tag` lines, a blank line after each document.

  Words are those of `split_words`; entities are fitted to them as
  `tag_words` does, and a document without words is left out.
  """
  with atomic_write(path) as file:
    for document in documents:
      words = split_words(document.text)
      tags = tag_words(words, document.entities, Counter())
      for (start, end), tag in zip(words, tags, strict=True):
        file.write(f'{document.text[start:end]}\t{tag}\n')
      if words:
        file.write('\n')


def write_brat(
  documents: Iterable[Document], path: str | os.PathLike[str]
) -> None:
  """Writes a folder of ID.txt and ID.ann, one pair a document.

  A mention that runs over a line end becomes brat's fragments
  (`T1<TAB>Disease 0 4;5 9<TAB>lung cancer`). In file names and types what is
  not a letter, digit, dot, hyphen or underscore becomes `_`.

  Args:
    documents: Any; their ids must stay apart as file names.
    path: A folder that does not exist yet or is empty: what lies in it could
      be somebody's annotation.

  Raises:
    InputError: The folder is not empty, or two ids give one file name.
  """
  target, aside = pathlib.Path(path), pathlib.Path(f'{os.fspath(path)}.tmp')
  try:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
      raise InputError(f'{target}: exists; name a new or an empty folder')
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
  except OSError as error:
    raise InputError(f'{target}: cannot write: {error.strerror}') from error
  seen: dict[str, str] = {}
  try:
    for document in documents:
      stem = re.sub(r'[^A-Za-z0-9._-]|^\.', '_', document.id) or '_'
      # Some file systems do not tell capitals from small letters.
      if stem.lower() in seen:
        what = f'ids {seen[stem.lower()]!r} and {document.id!r} give one file'
        raise InputError(f'{target}: {what} name; make ids differ')
      seen[stem.lower()] = document.id
      _write_exactly(aside / f'{stem}.txt', document.text)
      _write_exactly(aside / f'{stem}.ann', ''.join(_brat_lines(document)))
    os.replace(aside, target)
  finally:
    shutil.rmtree(aside, ignore_errors=True)


def _write_exactly(path: pathlib.Path, text: str) -> None:
  path.write_text(text, encoding='utf-8', newline='\n')


def _brat_lines(document: Document) -> Iterator[str]:
  for number, entity in enumerate(document.entities, 1):
    spans = [
      (entity.start + m.start(), entity.start + m.end())
      for m in re.finditer(r'[^\r\n]+', entity.text)
    ]
    kind = re.sub(r'[^A-Za-z0-9._-]', '_', entity.type) or 'Entity'
    places = ';'.join(f'{start} {end}' for start, end in spans)
    mention = ' '.join(document.text[start:end] for start, end in spans)
    yield f'T{number}\t{kind} {places}\t{mention}\n'


# A page must read well in the light and in the dark, on paper, and by people
# who do not tell colours apart: with several types each mark names its own.
_STYLE = """
:root { color-scheme: light dark; --soft: #667; --line: #dde; }
body { font: 17px/1.65 Georgia, serif; max-width: 44em; margin: 2em auto;
  padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: 0; }
h1, h2, header, mark::after { font-family: system-ui, sans-serif; }
h2 { font-size: .8em; font-weight: 600; color: var(--soft); margin: 0; }
article { border-top: 1px solid var(--line); padding: 1em 0; }
article p { margin: .3em 0; white-space: pre-wrap; overflow-wrap: anywhere; }
header { color: var(--soft); margin-bottom: 1.5em; font-size: .9em; }
header span { margin-right: 1.2em; white-space: nowrap; }
mark { background: hsl(var(--hue) 85% 84%); color: inherit;
  border-radius: .25em; padding: .05em .15em; print-color-adjust: exact; }
.typed mark::after { content: attr(data-type); font-size: .6em;
  margin-left: .4em; opacity: .7; }
@media (prefers-color-scheme: dark) {
  :root { --soft: #99a; --line: #334; }
  body { background: #16171c; color: #dcdde3; }
  mark { background: hsl(var(--hue) 45% 30%); }
}
"""


def _escaped(text: str) -> str:
  """The text for HTML; what a page must not hold is shown as U+FFFD."""
  forbidden = '[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]'
  return html.escape(re.sub(forbidden, '\ufffd', text))


def _mark(kind: str, kinds: dict[str, int], shown: str, more: str = '') -> str:
  # The golden angle keeps the hues of any number of types apart.
  hue = round(200 + 137.508 * list(kinds).index(kind)) % 360
  return f'<mark style="--hue:{hue}"{more}>{_escaped(shown)}</mark>'


def _article(document: Document, kinds: dict[str, int]) -> str:
  parts, at = [], 0
  for entity in without_overlaps(document.entities):
    kind = entity.type or 'Entity'
    kinds[kind] = kinds.get(kind, 0) + 1
    parts.append(_escaped(document.text[at : entity.start]))
    tip = _escaped(f'{kind}, score {entity.score:.3f}')
    more = f' data-type="{_escaped(kind)}" title="{tip}"'
    parts.append(_mark(kind, kinds, entity.text, more))
    at = entity.end
  parts.append(_escaped(document.text[at:]))
  name = _escaped(document.id)
  return (
    f'<article>\n<h2>{name}</h2>\n<p dir="auto">{"".join(parts)}</p>\n'
    '</article>\n'
  )


def _spool() -> IO[str]:
  return tempfile.TemporaryFile('w+', encoding='utf-8', newline='\n')


def write_html(
  documents: Iterable[Document], path: str | os.PathLike[str]
) -> None:
  """Writes one page: a legend of types with counts, entities marked.

  The page stands alone (no script, no other file) and is well-formed XML too.
  A mark's tooltip gives type and score. Of overlapping entities the longest
  is shown and counted; a control character is shown as U+FFFD.

  Args:
    documents: Any number; only the page's text limits what a browser bears.
    path: The file to write.
  """
  kinds: dict[str, int] = {}
  # The legend stands above the articles but is known only after them.
  with atomic_write(path) as file, _spool() as body:
    number = 0
    for document in documents:
      body.write(_article(document, kinds))
      number += 1
    marked = sum(kinds.values())
    total = f'{marked} {"entity" if marked == 1 else "entities"} in {number} '
    total += 'document' if number == 1 else 'documents'
    legend = ''.join(
      f'<span>{_mark(kind, kinds, kind)} {count}</span>\n'
      for kind, count in kinds.items()
    )
    typed = ' class="typed"' if len(kinds) > 1 else ''
    file.write(
      '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
      '<meta name="viewport" content="width=device-width"/>\n'
      f'<title>{total}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n'
      f'<h1>Entities</h1>\n<header>\n<p>{total}</p>\n{legend}</header>\n'
      f'<main{typed}>\n'
    )
    body.seek(0)
    shutil.copyfileobj(body, file)
    file.write('</main>\n</body>\n</html>\n')
