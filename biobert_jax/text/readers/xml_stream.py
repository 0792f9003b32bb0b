"""XML as a stream of tags and text, in bounded memory.

libxml2 calls the readers back and builds no tree. Entities are never declared
by PubMed or PMC, so a file that declares one is refused before it is parsed:
that ends bombs and blow-ups. DTDs are named but never loaded; a character by
name (`&alpha;`), which libxml2 would drop without a word, is put in first.
"""

import html.entities
import re
from collections import Counter
from collections.abc import Iterator
from typing import Protocol, TypeVar

from lxml import etree

from biobert_jax.errors import InputError
from biobert_jax.io.streams import Stream

# The attribute xml:lang.
LANGUAGE = '{http://www.w3.org/XML/1998/namespace}lang'
_T = TypeVar('_T')

_PROLOG = 2**16  # Bytes in which the root element has to start.
_MAX_RECORD = 2**26  # Bytes of XML of one record.
_MAX_TOKEN = 2**20  # Bytes of one tag or text; libxml2 takes seconds over more.
_MAX_NAMED = 2**18  # Characters by name in one file.
MAX_TAGS = 2**19  # Of one record; 10,000 rows of 20 columns have 2**18.
MAX_TEXT = 2**23  # Characters of one record, 16 more for each token of text.

_BEFORE_ROOT = re.compile(
  rb"""(?:\xef\xbb\xbf)?
  (?>\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^<>\[]*>)*+
  <(?P<root>[A-Za-z_][-\w.:]*)""",
  re.VERBOSE | re.DOTALL,
)
# Elements that are records, whatever they are wrapped in: an answer of OAI-PMH,
# a set of Europe PMC's, a container of one's own.
_RECORD = re.compile(
  rb'<(?:[\w.-]+:)?(PubmedArticle|MedlineCitation|article|dc)(?=[\s/>])'
)
_NO_WRAPPERS = {'html', 'collection'}  # Of web pages and BioC.
_ENCODING = re.compile(rb'<\?xml[^>]*?\sencoding\s*=\s*["\']([^"\']*)')
# Those in which each byte below 128 is that character, as looked for here.
_ASCII_LIKE = re.compile(rb'utf-?8|us-ascii|ascii|iso-8859-\d+|windows-125\d')
_NAMED = re.compile(
  rb'&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)'
  rb'(?:([A-Za-z][A-Za-z0-9]{0,39});)?'
)
_LONGEST_NAME = 41  # Bytes of an entity that a chunk may be cut in.
_CDATA = b'<![CDATA['


_MATH = '{http://www.w3.org/1998/Math/MathML}'


class Target(Protocol[_T]):
  """The target of `parse`: lxml's target interface, and the records.

  It passes tags with a brace or a colon through `local_name`; most have none,
  and a call for each of them would take as long as the parser.
  """

  found: list[_T]  # Complete records, which `parse` takes away.

  def start(self, tag: str, attributes: dict[str, str]) -> None: ...
  def end(self, tag: str) -> None: ...
  def data(self, text: str) -> None: ...
  def close(self) -> None: ...


class TooLong(ValueError):
  """A record is longer, or has more tags, than any article."""


def local_name(tag: str) -> str:
  """A tag's name without its namespace, except for those of MathML.

  Publishers, OAI-PMH and archives put the same elements into several; a piece
  cut out of a file may lack what declares its prefixes.
  """
  if tag.startswith(_MATH):
    return tag
  if tag.startswith('mml:'):
    return _MATH + tag.removeprefix('mml:')
  return re.split('[}:]', tag)[-1]


def root(stream: Stream) -> str:
  """The name of the root element, or of the first record that it wraps.

  Nothing is read on; namespaces are left out.

  Raises:
    InputError: it is not found, the encoding does not extend ASCII, or the file
      declares entities of its own.
  """
  head = stream.head(_PROLOG)
  encoding = _ENCODING.match(head.removeprefix(b'\xef\xbb\xbf'))
  if encoding and not _ASCII_LIKE.fullmatch(encoding[1].lower()):
    what = f'encoded in {encoding[1][:40]!r}: convert the file to UTF-8'
    raise InputError.at(stream.name, 1, what)
  match = _BEFORE_ROOT.match(head)
  if match:
    name = match['root'].decode().rpartition(':')[2]
    wrapped = _RECORD.search(head, match.start('root') - 1)
    return wrapped[1].decode() if wrapped and name not in _NO_WRAPPERS else name
  what = 'not XML: no root element where one has to be; download it again'
  if b'<!ENTITY' in head or re.search(rb'<!DOCTYPE[^>]*\[', head):
    what = 'the DOCTYPE declares entities of its own, which no file of PubMed'
    what += ' or PMC does; leave the file out'
  raise InputError.at(stream.name, 1, what)


def parse(
  stream: Stream, target: Target[_T], counts: Counter[str]
) -> Iterator[_T]:
  """Feeds a file to a target and yields the records as they are complete.

  Raises:
    InputError: with file and line: not well-formed, cut, or a record of more
      than any article; records before that place have been yielded.
  """

  def taken() -> list[_T]:
    records, target.found = target.found, []
    return records

  parser = etree.XMLParser(
    target=target,
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=False,
  )
  size = token = line = 0
  try:
    for chunk in _without_names(stream, counts):
      size += len(chunk)
      line += chunk.count(b'\n')
      closed = chunk.rfind(b'>')
      token = len(chunk) - closed - 1 + (token if closed < 0 else 0)
      if token > _MAX_TOKEN:
        raise TooLong
      parser.feed(chunk)
      if target.found:
        size = 0
        yield from taken()
      elif size > _MAX_RECORD:
        raise TooLong
    parser.close()
  except etree.XMLSyntaxError as error:
    yield from taken()
    said = ' '.join(str(error.msg).split())[:120]
    what = f'not well-formed, or cut ({said}); download it again'
    raise InputError.at(stream.name, error.lineno or 1, what) from error
  except TooLong:
    yield from taken()
    what = 'a record longer or with more tags than any article; leave it out'
    raise InputError.at(stream.name, line + 1, what) from None
  yield from taken()


def _without_names(stream: Stream, counts: Counter[str]) -> Iterator[bytes]:
  """Chunks in which characters that stand by name are numbers."""
  line = 1
  named = 0

  def number(match: re.Match[bytes]) -> bytes:
    nonlocal named
    name = (match[1] or b'').decode()
    text = html.entities.html5.get(f'{name};', '')
    if text:
      counts['named_characters_mended'] += 1
      named += 1
      if named > _MAX_NAMED:
        raise TooLong
      return b''.join(b'&#%d;' % ord(character) for character in text)
    if cdata:
      return match[0]  # Program text, perhaps.
    what = f'`&{name}` names no character: write `&amp;`, or &#NUMBER;'
    raise InputError.at(stream.name, line, what)

  rest = before = b''
  cdata = False
  for chunk in stream.chunks():
    chunk = rest + chunk
    cut = chunk.rfind(b'&', -_LONGEST_NAME)
    rest = b''
    if cut >= 0 and b';' not in chunk[cut:]:
      chunk, rest = chunk[:cut], chunk[cut:]
    cdata = cdata or _CDATA in before + chunk
    yield _NAMED.sub(number, chunk)
    before = chunk[1 - len(_CDATA) :]
    line += chunk.count(b'\n')
  if rest:
    yield rest


_SCRIPTS = {
  *(_MATH + tag for tag in ('msub', 'msup', 'msubsup', 'munder', 'mover')),
  *(_MATH + tag for tag in ('munderover', 'mmultiscripts')),
}
_LEAVES = {_MATH + tag for tag in ('mi', 'mn', 'mo', 'mtext', 'ms')}
_ANNOTATIONS = {_MATH + 'annotation', _MATH + 'annotation-xml'}


class Inline:
  """The text of an element, markup inside it read as a person reads it.

  Italics, sub- and superscripts join their neighbours, as `itertext` has it
  (CO2, m2). In MathML symbols are set apart by blanks, but a base and its
  scripts stay one (`R2 = 0.15`); its annotations, TeX again, are left out.
  """

  def __init__(self) -> None:
    self.next_record()
    self._math = 0  # Depth of elements inside a formula, 0 outside.
    self._scripts = 0
    self._silent = 0
    self._leaf = False
    self._symbols = 0

  def start(self, tag: str) -> None:
    if not self._math and tag != _MATH + 'math':
      return
    self._leaf = tag in _LEAVES
    if self._symbols and not self._scripts and tag in _LEAVES | _SCRIPTS:
      self.add(' ')
    self._math += 1
    self._symbols += self._leaf
    self._scripts += tag in _SCRIPTS
    self._silent += tag in _ANNOTATIONS

  def end(self, tag: str) -> None:
    if self._math:
      self._math -= 1
      self._scripts -= tag in _SCRIPTS
      self._silent -= tag in _ANNOTATIONS
      self._leaf = False
      if not self._math:
        self._symbols = 0

  def data(self, text: str) -> None:
    # White space between the elements of a formula is layout.
    if not self._math or not self._silent and (self._leaf or text.strip()):
      self.add(text)

  def add(self, text: str) -> None:
    """Text as it is; `TooLong` if the record's passes `MAX_TEXT`."""
    self._size += len(text) + 16
    if self._size > MAX_TEXT:
      raise TooLong
    self._pieces.append(text)

  def take(self) -> str:
    """The text collected since the last call."""
    text = ''.join(self._pieces)
    self._pieces.clear()
    return text

  def count_tag(self) -> None:
    """Counts a tag; `TooLong` if the record's pass `MAX_TAGS`."""
    self._tags += 1
    if self._tags > MAX_TAGS:
      raise TooLong

  def next_record(self) -> None:
    """Starts to measure another record."""
    self._pieces: list[str] = []
    self._size = self._tags = 0
