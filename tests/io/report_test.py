"""Reports: what a text holds is never markup."""

import base64
import html.parser

from biobert_jax.io import report
from biobert_jax.io.report import (
  Bullets,
  Heading,
  Image,
  Paragraph,
  Table,
  Verbatim,
)

NASTY = 'a<script>x</script>|`*b*`&amp;\\\x1b[2J"\u202e'
BLOCKS = [
  Heading(NASTY, 1),
  Paragraph(NASTY),
  Bullets([NASTY, 'two']),
  Table(['word', 'times'], [[NASTY, '1,234'], ['b', '7.5 %']]),
  Verbatim(f'{NASTY}\n  second'),
  Image('a.png', NASTY, b'\x89PNG'),
]


class Parsed(html.parser.HTMLParser):
  def __init__(self, text: str):
    super().__init__()
    self.tags: list[str] = []
    self.text = ''
    self.links: list[str | None] = []
    self.feed(text)

  def handle_starttag(
    self, tag: str, attrs: list[tuple[str, str | None]]
  ) -> None:
    self.tags.append(tag)
    self.links += [v for k, v in attrs if k in ('src', 'href')]

  def handle_data(self, data: str) -> None:
    self.text += data


def test_html_shows_every_text_as_it_is() -> None:
  text = report.page(BLOCKS)
  parsed = Parsed(text)
  shown = report.printable(NASTY)
  assert 'script' not in parsed.tags
  assert parsed.text.count(shown) == 6  # <title> and all but the image.
  image = base64.b64encode(b'\x89PNG').decode()
  assert parsed.links == [f'data:image/png;base64,{image}']
  assert text.count('class="n"') == 3
  assert '\x1b' not in text
  assert '\u202e' not in text


def test_markdown_escapes_and_aligns() -> None:
  text = report.markdown(BLOCKS)
  assert '\x1b' not in text
  escaped = 'a\\<script>x\\</script>\\|\\`\\*b\\*\\`&amp;\\\\\ufffd[2J"\ufffd'
  assert f'# {escaped}\n\n{escaped}\n\n- {escaped}\n- two\n' in text
  assert f'![{escaped}](a.png)' in text
  assert f'\n    {report.printable(NASTY)}\n      second\n' in text
  table = [line for line in text.splitlines() if line.startswith('| ')]
  assert len({len(line) for line in table}) == 1
  assert table[1].endswith('-: |')
  assert table[3].endswith('| 7.5 % |')


def test_only_numbers_make_a_column_of_numbers() -> None:
  table = Table(['a', 'b', 'c'], [['1', '–', '1'], ['-2.5 %', '12,000', 'x']])
  assert [table.is_number(i) for i in range(3)] == [True, True, False]
  assert not Table(['a'], []).is_number(0)
