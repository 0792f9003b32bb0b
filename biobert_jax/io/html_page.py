"""The one look of all HTML pages: light and dark, on a phone and on paper.

A page needs no other file, and is well-formed XML too. Colours are variables,
each pair of text and ground with a contrast of at least 4.5:1 in both schemes.
"""

import html
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from biobert_jax.io.atomic import atomic_write

Result = TypeVar('Result')

# With several types each mark names its own, for people who do not tell
# colours apart. The script has no `<` and no `&`, which XML would want escaped.
_STYLE, _SCRIPT = (
  pathlib.Path(__file__).with_name(f'page.{kind}') for kind in ('css', 'js')
)
END = '</body>\n</html>\n'


def printable(text: str) -> str:
  """The text with U+FFFD for what would move a cursor or cannot be shown."""
  return ''.join(c if c.isprintable() else '\ufffd' for c in text)


def escape(text: str) -> str:
  """One line of text for HTML."""
  return html.escape(printable(text))


def escape_lines(text: str) -> str:
  """Text of several lines for HTML; other controls are shown as U+FFFD."""
  forbidden = '[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]'
  return html.escape(re.sub(forbidden, '\ufffd', text))


def head(title: str) -> str:
  """The beginning of a page, up to its body; the title is the window's."""
  style = _STYLE.read_text('utf-8')
  return (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
    '<meta name="viewport" content="width=device-width"/>\n'
    f'<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n'
    '<body>\n'
  )


def mark(kind: str, kinds: dict[str, int], shown: str, more: str = '') -> str:
  """Text on the colour of a type, by its place; `more` are attributes."""
  # The golden angle keeps the hues of any number of types apart.
  hue = round(200 + 137.508 * list(kinds).index(kind)) % 360
  return f'<mark style="--hue:{hue}"{more}>{escape_lines(shown)}</mark>'


def scored(kind: str, score: float) -> str:
  """Attributes by which the filter finds a mark or a row."""
  tip = f'{kind}, score {score:.3f}'
  data = f' data-type="{escape(kind)}" data-score="{score:.4f}"'
  return f'{data} title="{escape(tip)}"'


def _filters(kinds: dict[str, int], what: str) -> str:
  """The panel that chooses types and the least score of `what`."""
  total = sum(kinds.values())
  boxes = ''.join(
    f'<label><input type="checkbox" name="type" value="{escape(kind)}"'
    f' checked="checked"/> {mark(kind, kinds, kind)} {count:,}</label>\n'
    for kind, count in kinds.items()
  )
  return (
    f'<div class="panel"><form>\n{boxes}'
    '<label>score at least <input type="range" name="least" min="0" max="1"'
    ' step="0.01" value="0"/> <output>0.00</output></label>\n'
    f'<span class="soft"><span id="shown">{total:,}</span> of {total:,} '
    f'{what} shown</span>\n</form></div>\n'
  )


def _index(names: Sequence[str], noun: str) -> str:
  """Links to the articles `d1`, `d2`, … of a page, folded in."""
  items = ''.join(
    f'<li><a href="#d{number}">{escape(name)}</a></li>\n'
    for number, name in enumerate(names, 1)
  )
  return (
    f'<details><summary>Index of {len(names):,} {noun}</summary>\n'
    f'<ol>\n{items}</ol></details>\n'
  )


def _counted(number: int, one: str, many: str) -> str:
  """`1 entity`, `2 entities`."""
  return f'{number:,} {one if number == 1 else many}'


def write_articles(
  path: str | os.PathLike[str],
  title: str,
  nouns: tuple[str, str, str, str],
  results: Iterable[Result],
  article: Callable[[Result, dict[str, int]], tuple[str, str]],
) -> None:
  """Writes a page of articles with a filter above and an index.

  Args:
    nouns: of the items that the filter filters, and of the articles: 'entity',
      'entities', 'document', 'documents'.
    results: one per article; only the page's text limits what a browser bears.
    article: (result, number of items by type, which it counts) -> (name, HTML).
  """
  names: list[str] = []
  kinds: dict[str, int] = {}
  # The filter stands above the articles but is known only after them.
  with (
    atomic_write(path) as file,
    tempfile.TemporaryFile('w+', encoding='utf-8', newline='\n') as body,
  ):
    for number, result in enumerate(results, 1):
      name, inner = article(result, kinds)
      names.append(name)
      heading = f'<article id="d{number}">\n<h2>{escape(name)}</h2>\n'
      body.write(f'{heading}{inner}</article>\n')
    total = _counted(sum(kinds.values()), *nouns[:2])
    total += f' in {_counted(len(names), *nouns[2:])}'
    typed = ' class="typed"' if len(kinds) > 1 else ''
    file.write(head(total) + _filters(kinds, nouns[1]))
    file.write(f'<main{typed}>\n<h1>{escape(title)}</h1>\n')
    file.write(f'<p class="soft">{total}</p>\n')
    if len(names) > 1:
      file.write(_index(names, nouns[3]))
    body.seek(0)
    shutil.copyfileobj(body, file)
    script = _SCRIPT.read_text('utf-8')
    file.write(f'</main>\n<script>\n{script}</script>\n{END}')


_LEFT, _WIDTH, _ROW = 150, 560, 34  # Pixels of a plot.


def dot_plot(
  about: str,
  rows: Sequence[tuple[str, Sequence[float], float | None]],
  reference: str,
) -> str:
  """The fields of a `report.DotPlot` as an SVG with a paragraph below."""
  known = [v for _, values, other in rows for v in (*values, other)]
  numbers = [v for v in known if v is not None]
  low, high = min(numbers), max(numbers)
  margin = max(0.5, 0.08 * (high - low))
  low, high = low - margin, high + margin

  def x(value: float) -> str:
    place = _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - 20)
    return f'{place:.1f}'

  parts = []
  for number, (name, values, other) in enumerate(rows):
    y = _ROW * number + 24
    parts.append(f'<text x="0" y="{y + 5}">{escape(name[:18])}</text>')
    ends = f'x1="{_LEFT}" x2="{_WIDTH}" y1="{y}" y2="{y}"'
    parts.append(f'<line class="axis" {ends}/>')
    for value in values:
      dot = f'<circle class="dot" cx="{x(value)}" cy="{y}" r="6">'
      parts.append(f'{dot}<title>{value:.2f}</title></circle>')
    if other is not None:
      ends = f'x1="{x(other)}" x2="{x(other)}" y1="{y - 11}" y2="{y + 11}"'
      tip = f'<title>{escape(reference)}: {other:.2f}</title>'
      parts.append(f'<line class="mark" stroke-width="3" {ends}>{tip}</line>')
  for value in (low + margin, high - margin):
    place = f'x="{x(value)}" y="{_ROW * len(rows) + 30}"'
    middle = f'<text class="soft" text-anchor="middle" {place}>'
    parts.append(f'{middle}{value:.1f}</text>')
  size = f'viewBox="0 0 {_WIDTH} {_ROW * len(rows) + 40}"'
  return (
    f'<svg role="img" aria-label="{escape(about)}" width="{_WIDTH}" {size}>\n'
    + '\n'.join(parts)
    + f'\n</svg>\n<p class="soft">{escape(about)} Dots: ours; stroke: '
    f'{escape(reference)}.</p>'
  )
