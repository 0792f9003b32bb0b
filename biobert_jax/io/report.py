"""A report as Markdown and as one HTML file, from the same blocks."""

import base64
import dataclasses
import html
import re
from collections.abc import Sequence

_NUMBER = re.compile(r'[-+]?[0-9][0-9,]*(?:\.[0-9]+)?(?: ?%)?|–')
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2em auto;
       max-width: 60em; padding: 0 1em; overflow-wrap: anywhere }
h1, h2, h3 { line-height: 1.2; margin: 1.6em 0 .5em }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: left;
         vertical-align: top; overflow-wrap: normal }
th { border-bottom: 2px solid #888 }
.n { text-align: right; font-variant-numeric: tabular-nums;
     white-space: nowrap }
pre { background: #f6f6f4; padding: 1em; white-space: pre-wrap }
img { max-width: 100% }
"""


@dataclasses.dataclass(frozen=True)
class Heading:
  """A heading; level 1 is the title."""

  text: str
  level: int = 2


@dataclasses.dataclass(frozen=True)
class Paragraph:
  """Running text."""

  text: str


@dataclasses.dataclass(frozen=True)
class Bullets:
  """A list."""

  items: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Table:
  """A table; columns of numbers are set flush right."""

  header: Sequence[str]
  rows: Sequence[Sequence[str]]

  def is_number(self, column: int) -> bool:
    """Whether a column holds nothing but numbers."""
    return bool(self.rows) and all(
      _NUMBER.fullmatch(row[column]) for row in self.rows
    )


@dataclasses.dataclass(frozen=True)
class Verbatim:
  """Lines as they are."""

  text: str


@dataclasses.dataclass(frozen=True)
class Image:
  """A PNG that stands beside the Markdown, and inside the HTML."""

  file: str
  about: str
  png: bytes = dataclasses.field(repr=False)


Block = Heading | Paragraph | Bullets | Table | Verbatim | Image


def printable(text: str) -> str:
  """The text with U+FFFD for what would move a cursor or cannot be shown."""
  return ''.join(c if c.isprintable() else '\ufffd' for c in text)


def markdown(blocks: Sequence[Block]) -> str:
  """Blocks as Markdown, GitHub's kind, tables in columns."""
  return '\n\n'.join(_markdown_block(block) for block in blocks) + '\n'


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


def _markdown_table(table: Table) -> str:
  cells = [
    [_marked(cell) for cell in row] for row in (table.header, *table.rows)
  ]
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
  """Blocks as an HTML file that needs no other, and runs nothing.

  Args:
    blocks: of which the first is the title.
  """
  title = next(b.text for b in blocks if isinstance(b, Heading))
  return '\n'.join(
    (
      '<!DOCTYPE html>',
      '<html lang="en">',
      '<meta charset="utf-8">',
      '<meta name="viewport" content="width=device-width">',
      f'<title>{_text(title)}</title>',
      f'<style>{_STYLE}</style>',
      *(_html_block(block) for block in blocks),
      '</html>\n',
    )
  )


def _html_block(block: Block) -> str:
  match block:
    case Heading(text, level):
      return f'<h{level}>{_text(text)}</h{level}>'
    case Paragraph(text):
      return f'<p>{_text(text)}</p>'
    case Bullets(items):
      lines = ''.join(f'<li>{_text(item)}</li>' for item in items)
      return f'<ul>{lines}</ul>'
    case Verbatim(text):
      lines = '\n'.join(_text(line) for line in text.split('\n'))
      return f'<pre>{lines}</pre>'
    case Image(_, about, png):
      data = base64.b64encode(png).decode()
      return f'<img alt="{_text(about)}" src="data:image/png;base64,{data}">'
    case Table():
      return _html_table(block)


def _html_table(table: Table) -> str:
  marks = [
    ' class="n"' if table.is_number(i) else '' for i in range(len(table.header))
  ]
  rows = []
  for tag, row in (('th', table.header), *(('td', r) for r in table.rows)):
    cells = zip(row, marks, strict=True)
    inner = ''.join(f'<{tag}{mark}>{_text(c)}</{tag}>' for c, mark in cells)
    rows.append(f'<tr>{inner}</tr>')
  return '<table>\n' + '\n'.join(rows) + '\n</table>'


def _text(text: str) -> str:
  return html.escape(printable(text))
