"""A report as Markdown and as one HTML file, from the same blocks."""

import base64
import re
from collections.abc import Sequence
from typing import NamedTuple

from biobert_jax.io import html_page
from biobert_jax.io.html_page import escape, printable

_NUMBER = re.compile(r'[-+]?[0-9][0-9,]*(?:\.[0-9]+)?(?: ?%| ± [0-9.–]+)?|–')


class Heading(NamedTuple):
  """A heading; level 1 is the title."""

  text: str
  level: int = 2


class Paragraph(NamedTuple):
  """Running text."""

  text: str


class Bullets(NamedTuple):
  """A list."""

  items: Sequence[str]


class Table(NamedTuple):
  """A table; columns of numbers are set flush right, `strong` rows bold."""

  header: Sequence[str]
  rows: Sequence[Sequence[str]]
  strong: frozenset[int] = frozenset()

  def is_number(self, column: int) -> bool:
    """Whether a column holds nothing but numbers."""
    return bool(self.rows) and all(
      _NUMBER.fullmatch(row[column]) for row in self.rows
    )


class Verbatim(NamedTuple):
  """Lines as they are."""

  text: str


class Image(NamedTuple):
  """A PNG that stands beside the Markdown, and inside the HTML."""

  file: str
  about: str
  png: bytes


class DotPlot(NamedTuple):
  """Values on a line per row, each beside a reference; HTML only.

  `about` is a sentence that says what is drawn, for those who cannot see it;
  `rows` are (name, values, reference value or None), all on one scale.
  """

  about: str
  rows: Sequence[tuple[str, Sequence[float], float | None]]
  reference: str


Block = Heading | Paragraph | Bullets | Table | Verbatim | Image | DotPlot


def markdown(blocks: Sequence[Block]) -> str:
  """Blocks as Markdown, GitHub's kind, tables in columns; without plots."""
  shown = (block for block in blocks if not isinstance(block, DotPlot))
  return '\n\n'.join(_markdown_block(block) for block in shown) + '\n'


def _markdown_block(block: Block) -> str:
  match block:
    case Heading(text, level):
      return f'{"#" * level} {_marked(text)}'
    case Paragraph(text):
      return _marked(text)
    case Bullets(items):
      return '\n'.join(f'- {_marked(item)}' for item in items)
    case Verbatim(text):
      lines = text.split('\n')
      return '\n'.join(f'    {printable(line)}'.rstrip() for line in lines)
    case Image(file, about, _):
      return f'![{_marked(about)}]({file})'
    case Table():
      return _markdown_table(block)
    case DotPlot():
      raise TypeError('a plot has no Markdown')


def _markdown_table(table: Table) -> str:
  cells = [[_marked(cell) for cell in table.header]]
  for number, row in enumerate(table.rows):
    star = '**' * (number in table.strong)
    cells.append([f'{star}{_marked(cell)}{star}' for cell in row])
  widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
  right = [table.is_number(i) for i in range(len(widths))]
  lines = [
    ' | '.join(
      cell.rjust(width) if flush else cell.ljust(width)
      for cell, width, flush in zip(row, widths, right, strict=True)
    )
    for row in cells
  ]
  rule = ' | '.join(
    '-' * (width - 1) + (':' if flush else '-')
    for width, flush in zip(widths, right, strict=True)
  )
  return '\n'.join(f'| {line} |' for line in (lines[0], rule, *lines[1:]))


def _marked(text: str) -> str:
  """Text for Markdown, none of whose characters is markup."""
  return re.sub(r'([\\`*<|~])', r'\\\1', printable(text))


def page(blocks: Sequence[Block]) -> str:
  """Blocks as an HTML file that needs no other; a heading gives its title."""
  title = next(b.text for b in blocks if isinstance(b, Heading))
  body = '\n'.join(_html_block(block) for block in blocks)
  return f'{html_page.head(title)}<main>\n{body}\n</main>\n{html_page.END}'


def _html_block(block: Block) -> str:
  match block:
    case Heading(text, level):
      return f'<h{level}>{escape(text)}</h{level}>'
    case Paragraph(text):
      return f'<p>{escape(text)}</p>'
    case Bullets(items):
      lines = ''.join(f'<li>{escape(item)}</li>' for item in items)
      return f'<ul>{lines}</ul>'
    case Verbatim(text):
      lines = '\n'.join(escape(line) for line in text.split('\n'))
      return f'<pre>{lines}</pre>'
    case Image(_, about, png):
      data = base64.b64encode(png).decode()
      return f'<img alt="{escape(about)}" src="data:image/png;base64,{data}"/>'
    case DotPlot(about, rows, reference):
      return html_page.dot_plot(about, rows, reference)
    case Table():
      return _html_table(block)


def _html_table(table: Table) -> str:
  """A table that scrolls by itself where it is wider than the window."""
  marks = [
    ' class="n"' if table.is_number(i) else '' for i in range(len(table.header))
  ]

  def cells(tag: str, row: Sequence[str]) -> str:
    return ''.join(
      f'<{tag}{mark}>{escape(cell)}</{tag}>'
      for cell, mark in zip(row, marks, strict=True)
    )

  lines = [f'<tr>{cells("th", table.header)}</tr>']
  for number, row in enumerate(table.rows):
    strength = ' class="strong"' if number in table.strong else ''
    lines.append(f'<tr{strength}>{cells("td", row)}</tr>')
  inner = '\n'.join(lines)
  return f'<div class="scroll report"><table>\n{inner}\n</table></div>'
