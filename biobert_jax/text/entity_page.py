"""Documents with their entities as one HTML page."""

import os
from collections.abc import Iterable

from biobert_jax.io import html_page
from biobert_jax.io.html_page import escape_lines
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


def write_html(
  documents: Iterable[Document], path: str | os.PathLike[str]
) -> None:
  """Writes one page: entities marked, by type and least score, and an index.

  The page stands alone and is well-formed XML too. A mark's tooltip gives type
  and score. Of overlapping entities the longest is shown and counted; a control
  character is shown as U+FFFD.

  Args:
    documents: any number of documents.
    path: the file to write.
  """
  nouns = ('entity', 'entities', 'document', 'documents')
  html_page.write_articles(path, 'Entities', nouns, documents, _article)


def _article(document: Document, kinds: dict[str, int]) -> tuple[str, str]:
  return document.id, marked_text(document, kinds)
