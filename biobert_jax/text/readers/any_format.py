"""The one detector of every form of text, and one entry for each form.

Corpora are read as articles (`read_file`), texts to tag or embed as documents
(`read_documents`). The content says what a file is, never its name; what no
reader takes is refused by its name. Files are read as streams. What is dropped
or fixed is counted by name.
"""

import functools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple, TypeVar

from biobert_jax.errors import InputError
from biobert_jax.io import streams, tar_archives
from biobert_jax.io.lines import Source, read_lines
from biobert_jax.io.streams import Stream
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import (
  bioc,
  brat,
  flat_records,
  jats,
  json_stream,
  jsonl,
  plain_text,
  pubmed,
  pubtator,
  xml_stream,
)
from biobert_jax.text.readers.article import (
  Article,
  Deletion,
  Notes,
  Options,
  Reading,
  article_of,
  document_of,
  is_latin,
)

_T = TypeVar('_T')

_HEAD = 2**12  # Bytes by which most forms are told.
# Content that no reader takes -> its name.
_REFUSED = {
  b'PK\x03\x04': 'a zip archive: unpack it',
  b'%PDF': 'a PDF: convert it with pdftotext',
  b'\xd0\xcf\x11\xe0': 'a document of Microsoft Office: save it as text',
  b'{\\rtf': 'rich text (RTF): save it as plain text',
  b'PAR1': 'a Parquet table: write its rows as JSON lines',
  b'BZh': 'packed by bzip2: unpack it, or pack it by gzip',
  b'\xfd7zXZ': 'packed by xz: unpack it, or pack it by gzip',
  b'\x28\xb5\x2f\xfd': 'packed by zstd: unpack it, or pack it by gzip',
}
_MARKUP = re.compile(rb'<(?:!--|[A-Za-z][\w:.-]*[\s/>])')
_XML_NAMED = re.compile(
  rb'<(?:\?xml|!DOCTYPE|Pubmed|Medline|article\b|collection\b)'
)
# PubMed's own export in lines, and the other of programs of references.
_CITATIONS = re.compile(r'(?:PMID|PMCID|OWN |TY {2}) ?- ?\S')
# Of a file of checksums, or of the files of an archive.
_SIDE_FILE = re.compile(
  r'(?:MD5 ?\(|SHA\d+ ?\()?.{0,200}?\b[0-9a-f]{32,128}\b(?: [ *]?\S.*)?'
  r'|(?:Article )?File(?:name)?[\t,].*'
)
_TAG = re.compile(r'(?:[BIESLUMW]|[BIESLUMW][-_]\S+|O)')
_SIGNS = re.compile(r'[^\w\s]+')
_MARK = re.compile('-DOCSTART-|###MEDLINE:')
# Files that lie beside a corpus and are no part of it, whatever their ending.
_SIDE_NAME = re.compile(
  r'(?:read[_-]?me|licen[cs]e|copying|copyright|notice|changelog)(?:[._-].*)?'
  r'|(?:.*[._-])?(?:file[_-]?list|(?:md5|sha\d*|check)sums?|md5)(?:\.\w+)?'
  r'|manifest\.\w+|(?:annotation|visual|tools|kb_shortcuts)\.conf',
  re.IGNORECASE,
)


def form_of(path: str | os.PathLike[str]) -> str:
  """The form of a file, a key of `FORMS`; see `detect` for errors."""
  with streams.open_stream(path) as stream:
    return detect(stream)


def is_named_as_text(path: str) -> bool | None:
  """Whether a file's name tells a text; None where only its content can."""
  name = os.path.basename(path)
  if _SIDE_NAME.fullmatch(name):
    return False
  ending = os.path.splitext(name.lower().removesuffix('.gz'))[1]
  known = (form.endings for form in FORMS.values())
  return any(ending in endings for endings in known) or None


def is_text(stream: Stream, name: str) -> bool:
  """Whether a file that nobody named by itself is a text to read."""
  named = is_named_as_text(name)
  if named is not None:
    return named
  try:
    return detect(stream) != 'text'
  except InputError:
    return False


def detect(stream: Stream) -> str:
  """The form of the content, a key of `FORMS`, without reading on.

  Raises:
    InputError: a form that no reader takes, by its name.
  """
  head = stream.head(_HEAD)
  start = head.removeprefix(b'\xef\xbb\xbf').lstrip()
  if head.startswith(streams.GZIP):
    raise InputError(f'{stream.name}: packed by gzip twice: unpack it once')
  if tar_archives.is_tar(stream):
    return 'tar'
  for magic, what in _REFUSED.items():
    if head.startswith(magic):
      raise InputError(f'{stream.name}: {what}')
  if re.match(rb'(?i)<(?:!doctype\s+)?html\b', start):
    what = 'a web page, not a corpus: the download failed'
    raise InputError(f'{stream.name}: {what}; it begins with {_shown(stream)}')
  if start[:1] == b'<' and (form := _xml_form(stream, start)):
    return form
  if start[:1] in (b'{', b'[') and (form := _json_form(stream)):
    return form
  # A character may be cut at the end.
  if b'\0' in head or '\ufffd' in head[:-4].decode(errors='replace')[:-1]:
    what = 'neither XML, JSON, a tar archive nor text in UTF-8'
    raise InputError(f'{stream.name}: {what}; it begins with {_shown(stream)}')
  return _text_form(stream, head)


def _xml_form(stream: Stream, start: bytes) -> str:
  """The form of XML; '' for text that begins with a bracket."""
  named = stream.name.lower().removesuffix('.gz').endswith(('.xml', '.nxml'))
  named = named or bool(_XML_NAMED.match(start))
  if not (named or _MARKUP.match(start)):
    return ''
  try:
    root = xml_stream.root(stream)
  except InputError:
    if named:
      raise
    return ''
  for form, roots in _ROOTS.items():
    if root in roots:
      return form
  whole = re.escape(root.encode())
  ends = re.search(rb'</([\w.-]+:)?%s>\s*\Z' % whole, start)
  if not (named or ends or start.count(b'</') > 2):
    return ''  # A tag inside a line of text.
  what = f'XML of <{root[:60]}>, and want PubmedArticleSet, article, BioC, an'
  what += ' answer of Europe PMC or Dublin Core: leave the file out'
  raise InputError(f'{stream.name}: {what}')


_ROOTS = {
  'pubmed': pubmed.ROOTS,
  'jats': jats.ROOTS,
  'bioc': bioc.ROOTS,
  'flat_records': flat_records.ROOTS,
}


def _json_form(stream: Stream) -> str:
  """The form of JSON; '' for text that begins with a brace or a bracket."""
  try:
    found = json_stream.first_document(stream)
  except json_stream.NotJsonError:
    stem = stream.name.lower().removesuffix('.gz')
    # Its reader names the line and what is wrong with it.
    return 'json' if stem.endswith(FORMS['json'].endings) else ''
  record = found if isinstance(found, dict) else {}
  is_of_questions = json_stream.is_about_questions(record)
  if 'passages' in record:
    return 'bioc_json'
  if found is None or record.keys() & json_stream.TEXTS and not is_of_questions:
    return 'json'
  if is_of_questions:
    what = 'JSON of questions, not of documents: give it to predict of a model'
    raise InputError(f'{stream.name}: {what} of answers')
  what = 'JSON that holds no documents: an object needs "text", or some of'
  what = f'{what} "title", "abstract" and "body"'
  raise InputError(f'{stream.name}: {what}; it begins with {_shown(stream)}')


def _text_form(stream: Stream, head: bytes) -> str:
  """Plain text, or what is annotated in lines."""
  whole = len(head) < _HEAD
  text = head.decode('utf-8-sig', 'ignore')
  lines = [one.rstrip('\r') for one in text.split('\n')]
  lines = lines if whole or len(lines) == 1 else lines[:-1]
  filled = [one for one in lines if one.strip()]
  if pubtator.is_start(lines):
    return 'pubtator'
  if stream.name.endswith('.ann') or brat.annotations_of(stream.name):
    return 'brat'
  if _are_tokens(filled):
    return 'tokens'
  if filled and _SIDE_FILE.fullmatch(filled[0]):
    what = 'a list of files or checksums, not text: leave it out'
    raise InputError(f'{stream.name}: {what}')
  if filled and _CITATIONS.match(filled[0]):
    what = 'citations of MEDLINE or RIS, which no reader takes: fetch the XML'
    raise InputError(f'{stream.name}: {what} of PubMed (efetch, retmode=xml)')
  return 'text'


def _are_tokens(lines: Sequence[str]) -> bool:
  """Whether lines hold a token each, with a tag behind it or nothing."""
  lines = [one for one in lines if not _MARK.match(one)] or lines
  tab = '\t' in lines[0] if lines else False
  rows = [re.split('\t' if tab else ' +', one) for one in lines]
  if not rows or len({len(row) for row in rows}) > 1:
    return False
  tags = [row[-1] for row in rows]
  if len(rows[0]) > 1 and all(map(_TAG.fullmatch, tags)):
    # "hepatitis B" is a text.
    return tab or len(rows) > 2 and 'O' in tags
  # Words alone would do as texts, but signs stand alone among tokens only.
  signs = any(_SIGNS.fullmatch(tag) for tag in tags)
  return len(rows[0]) == 1 and len(rows) > 2 and signs


def _refuse_tokens(stream: Stream, reading: Reading) -> Iterator[Document]:
  """No text: an InputError says what can be done with it."""
  del reading
  name = 'FILE' if stream.name.startswith('<') else stream.name
  what = 'a token/tag file, not text: to tag it use lines of text, made by'
  what += ' awk \'NF {printf "%s ", $1; next} {print ""}\' '
  what += f'{name} > lines.txt; to score a tagger on it, evaluate'
  raise InputError(f'{stream.name}: {what}')


def _shown(stream: Stream) -> str:
  return repr(stream.head(40)[:40])[1:]


def _archive(stream: Stream, reading: Reading) -> Iterator[Article | Deletion]:
  """Articles of the texts in a tar archive."""
  for form, content, own in _members(stream, reading, strict=True):
    yield from _all(form.articles, content, own)


def _archive_documents(stream: Stream, reading: Reading) -> Iterator[Document]:
  """Documents of the texts in a tar archive, with their entities."""
  for form, content, own in _members(stream, reading, strict=False):
    yield from _all(form.documents, content, own)


def _members(
  stream: Stream, reading: Reading, strict: bool
) -> Iterator[tuple['Form', Stream, Reading]]:
  """The texts in a tar archive; tables, figures and the like are skipped."""
  for member, _, content in tar_archives.members(stream):
    content = streams.unpacked(content)
    form = None
    try:
      if is_text(content, member):
        form = _form(content, strict)
    except InputError:
      if re.search(r'(?i)\.n?xml(\.gz)?$', member):
        raise
    if form in (None, FORMS['tokens']):
      reading.counts['archive_members_skipped'] += 1
      reading.notes('archive_member_skipped', member)
      continue
    if form in (FORMS['tar'], FORMS['brat']):
      what = f'holds {form.name} inside of an archive: unpack the archive'
      raise InputError(f'{content.name}: {what}, and name its folder')
    reading.counts['files_in_archives'] += 1
    name = f'{reading.name}/{member}' if reading.name else member
    yield form, content, reading._replace(name=name)


def _all(
  read: Callable[[Stream, Reading], Iterator[_T]],
  stream: Stream,
  reading: Reading,
) -> Iterator[_T]:
  """What is read of a file; one without a single record is named."""
  found, before = False, _records_dropped(reading.counts)
  for one in read(stream, reading):
    found = True
    yield one
  if not found and _records_dropped(reading.counts) == before:
    reading.drop('no_record', stream.name)


def _records_dropped(counts: Counter[str]) -> int:
  dropped = sum(n for key, n in counts.items() if key.startswith('dropped_'))
  return dropped + counts.get('book_records_dropped', 0)


def _pubtator(stream: Stream, reading: Reading) -> Iterator[Document]:
  lines = read_lines(stream.lines(), reading.counts)
  return pubtator.iter_pubtator(lines, stream.name, reading.counts)


Documents = Callable[[Stream, Reading], Iterator[Document]]


def _from_documents(read: Documents) -> '_Articles':
  """A reader of articles by one of documents."""

  def articles(stream: Stream, reading: Reading) -> Iterator[Article]:
    for document in read(stream, reading):
      if found := article_of(document, reading):
        yield found

  return articles


def _from_articles(read: '_Articles') -> Documents:
  """A reader of documents by one of articles."""

  def documents(stream: Stream, reading: Reading) -> Iterator[Document]:
    for item in read(stream, reading):
      if isinstance(item, Article):
        yield document_of(item)

  return documents


_Articles = Callable[[Stream, Reading], Iterator[Article | Deletion]]


class Form(NamedTuple):
  """A form of text, and its readers."""

  name: str  # In words.
  endings: tuple[str, ...]  # Of names of such files, without .gz.
  articles: _Articles
  documents: Documents


FORMS = {
  'pubmed': Form(
    'PubMed XML', ('.xml',), pubmed.read, _from_articles(pubmed.read)
  ),
  'jats': Form(
    'JATS XML', ('.xml', '.nxml'), jats.read, _from_articles(jats.read)
  ),
  'flat_records': Form(
    'XML of titles and abstracts',
    ('.xml',),
    flat_records.read,
    _from_articles(flat_records.read),
  ),
  'bioc': Form(
    'BioC XML',
    ('.xml', '.bioc'),
    functools.partial(bioc.articles, is_xml=True),
    functools.partial(bioc.read, is_xml=True),
  ),
  'bioc_json': Form(
    'BioC JSON',
    ('.json', '.jsonl', '.ndjson', '.bioc'),
    functools.partial(bioc.articles, is_xml=False),
    functools.partial(bioc.read, is_xml=False),
  ),
  'json': Form(
    'JSON', ('.jsonl', '.json', '.ndjson'), jsonl.read, jsonl.documents
  ),
  'pubtator': Form(
    'PubTator', ('.pubtator', '.txt'), _from_documents(_pubtator), _pubtator
  ),
  'brat': Form('brat', ('.txt', '.ann'), _from_documents(brat.read), brat.read),
  'tokens': Form(
    'tokens with tags',
    ('.tsv', '.txt', '.conll', '.iob', '.iob2'),
    _from_documents(_refuse_tokens),
    _refuse_tokens,
  ),
  'text': Form(
    'plain text', ('.txt', '.text'), plain_text.read, plain_text.documents
  ),
  'tar': Form('a tar archive', ('.tar', '.tgz'), _archive, _archive_documents),
}


def documents(article: Article) -> Iterator[tuple[str, tuple[str, ...]]]:
  """(id, paragraphs) of an article's documents.

  Under the article's id stand its title and abstract, the title being a
  paragraph; under `id#1`, `id#2`, ... a section, its heading first.
  """
  for index, section in enumerate(article.sections):
    heading = (section.heading,) if section.heading else ()
    if section.paragraphs:
      name = f'{article.id}#{index}' if index else article.id
      yield name, heading + section.paragraphs


def read_file(
  path: str | os.PathLike[str],
  counts: Counter[str],
  notes: Notes,
  options: Options = Options(),  # noqa: B008  # It is frozen.
  name: str | None = None,
) -> Iterator[Article | Deletion]:
  """Articles of one file of any form, in its order.

  Args:
    path: of any of `FORMS`; it may be packed by gzip.
    counts: takes what was read, fixed and dropped; articles that BERT's English
      vocabulary would take apart letter by letter are `not_latin_script`.
    notes: takes reason and id of every record dropped, and some others.
    options: what is wanted.
    name: what ids are made of where the file states none; the file's name.

  Raises:
    InputError: damaged, not what its name says, or endless; yielded first is
      what is there before it.
  """
  path = os.fspath(path)
  reading = Reading(name or PurePosixPath(path).name, counts, notes, options)
  with streams.open_stream(path) as stream:
    for one in _all(_form(stream).articles, stream, reading):
      if isinstance(one, Deletion):
        yield one
      elif is_latin(one):
        counts['articles'] += 1
        yield one
      else:
        reading.drop('not_latin_script', one.id)


def read_documents(
  source: Source,
  counts: Counter[str] | None = None,
  name: str = '',
  notes: Notes | None = None,
) -> Iterator[Document]:
  """Documents of one file of any form, read as they come.

  A document of plain text is a line, named by its number; blank lines hold
  none and are counted. Repeated ids are kept: remembering millions of them is
  the writer's choice.

  Args:
    source: a path, `-` for standard input, or lines.
    counts: takes what was read, fixed and dropped.
    name: what stands before the numbers of texts that state no id.
    notes: takes reason and place of every record dropped.

  Raises:
    InputError: a form that no reader takes, or a malformed place.
  """
  counts = Counter() if counts is None else counts
  options = Options(title_only=True)
  with streams.open_stream(source) as stream:

    def note(reason: str, id: str) -> None:
      place = id.removeprefix(f'{name}:') if name else id
      named = place.startswith(stream.name)
      if notes and reason != 'translated_kept':
        notes(reason, place if named else f'{stream.name}:{place}')

    reading = Reading(name, counts, note, options)
    if stream.head(1):
      form = _form(stream, strict=False)
      yield from _all(form.documents, stream, reading)
    else:
      reading.drop('no_record', stream.name)


def _form(stream: Stream, strict: bool = True) -> Form:
  """The form of a file, which its name must not contradict.

  Plain text has a name of text or one without an ending. Where `strict` is
  false, any other form is read under any name.
  """
  path, shown = stream.name, f'it begins with {_shown(stream)}'
  stem = path.lower()
  if stem.endswith(('.gz', '.tgz')) and not stream.packed:
    what = 'is not packed by gzip as its name says: rename it, or download it'
    raise InputError(f'{path}: {what} again; {shown}')
  if not stream.head(1):
    raise InputError(f'{path}: the file is empty; download it again')
  ending = os.path.splitext(stem.removesuffix('.gz'))[1]
  form = FORMS[detect(stream)]
  if ending in form.endings or not ending:
    return form
  known = any(ending in one.endings for one in FORMS.values())
  if known and (strict or form is FORMS['text']):
    what = f'its name ends in {ending}, but it holds {form.name}: rename it'
    raise InputError(f'{path}: {what}; {shown}')
  if form is FORMS['text'] and os.path.isfile(path):
    what = f'{ending} is no ending of a text: name it .txt if it is one'
    raise InputError(f'{path}: {what}; {shown}')
  return form
