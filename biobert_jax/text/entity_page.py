"""Documents with their entities as one HTML page."""

import os
import shutil
import tempfile
from collections.abc import Iterable

from biobert_jax.io import html_page
from biobert_jax.io.atomic import atomic_write
from biobert_jax.io.html_page import escape, escape_lines
from biobert_jax.text.documents import Document, without_overlaps


def marked_text(document: Document, kinds: dict[str, int]) -> str:
  """The text with its entities marked; of overlapping ones the longest.

  Args:
    document: with entities.
    kinds: receives the number of entities by type.
  """
  parts, at = [], 0
  for entity in without_overlaps(document.entities):
    kind = entity.type or 'Entity'
    kinds[kind] = kinds.get(kind, 0) + 1
    parts.append(escape_lines(document.text[at : entity.start]))
    more = html_page.scored(kind, entity.score)
    parts.append(html_page.mark(kind, kinds, entity.text, more))
    at = entity.end
  parts.append(escape_lines(document.text[at:]))
  return f'<p dir="auto">{"".join(parts)}</p>\n'


def counted(number: int, one: str, many: str) -> str:
  """`1 entity`, `2 entities`."""
  return f'{number:,} {one if number == 1 else many}'


def write_html(
  documents: Iterable[Document], path: str | os.PathLike[str]
) -> None:
  """Writes one page: entities marked, by type and least score, and an index.

  The page stands alone and is well-formed XML too. A mark's tooltip gives type
  and score. Of overlapping entities the longest is shown and counted; a control
  character is shown as U+FFFD.

  Args:
    documents: any number; only the page's text limits what a browser bears.
    path: the file to write.
  """
  kinds: dict[str, int] = {}
  names: list[str] = []
  # The legend stands above the articles but is known only after them.
  with (
    atomic_write(path) as file,
    tempfile.TemporaryFile('w+', encoding='utf-8', newline='\n') as body,
  ):
    for document in documents:
      names.append(document.id)
      body.write(
        f'<article id="d{len(names)}">\n<h2>{escape(document.id)}</h2>\n'
        f'{marked_text(document, kinds)}</article>\n'
      )
    total = counted(sum(kinds.values()), 'entity', 'entities')
    total += f' in {counted(len(names), "document", "documents")}'
    typed = ' class="typed"' if len(kinds) > 1 else ''
    file.write(html_page.head(total))
    file.write(html_page.filters(kinds, 'entities'))
    file.write(f'<main{typed}>\n<h1>Entities</h1>\n')
    file.write(f'<p class="soft">{total}</p>\n')
    if len(names) > 1:
      file.write(html_page.index(names))
    body.seek(0)
    shutil.copyfileobj(body, file)
    file.write(f'</main>\n<script>{html_page.SCRIPT}</script>\n{html_page.END}')
