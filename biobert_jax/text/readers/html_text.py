"""Text that is HTML inside of another form, as Europe PMC's abstracts are."""

import html
import re

_HEADING = re.compile(r'<h[1-6]\b[^<>]*>(.*?)</h[1-6]\s*>', re.I | re.S)
_BLOCK = re.compile(r'</?(?:p|br|div|li|ul|ol|h[1-6])(?:\s[^<>]*)?/?>', re.I)
_INLINE = re.compile(
  r'</?(?:i|b|u|em|strong|sub|sup|sc|span|a|small|tt|italic|bold|underline)'
  r'(?:\s[^<>]*)?/?>',
  re.I,
)
_NAMED = re.compile(r'&(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);')


def paragraphs(text: str) -> list[tuple[str, str]]:
  """(heading, text) of each part that a heading begins, markup taken off.

  Italics, sub- and superscripts join their neighbours; `<p>` and `<br>` part
  words. Other angle brackets are text (`p<0.05`).
  """
  before, *parts = _HEADING.split(text)
  rows = [('', before), *zip(parts[::2], parts[1::2], strict=True)]
  found = [(plain(heading), plain(part)) for heading, part in rows]
  return [row for row in found if any(row)]


def plain(text: str) -> str:
  """The text on one line, without markup."""
  text = _INLINE.sub('', _BLOCK.sub(' ', text))
  return ' '.join(_NAMED.sub(lambda m: html.unescape(m[0]), text).split())
