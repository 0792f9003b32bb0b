"""Plain text: documents between blank lines, of sentences or of paragraphs."""

import itertools
import re
from collections.abc import Iterator

from biobert_jax.errors import InputError
from biobert_jax.io.lines import read_lines
from biobert_jax.io.streams import Stream
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import article, xml_stream
from biobert_jax.text.sentence_splitter import sentence_spans

_MAX_SENTENCES = 2**17  # Of one document.
_LOOKED_AT = 2**16  # Bytes of a file by which its lines are judged.
# Of a file of sentences our splitter takes few apart; of one of paragraphs, or
# of lines that end within a sentence, nearly all.
_SHARE = 0.2
_END = re.compile(r'[.?!:;…]["\'”’)\]}»]*\Z')


def read(stream: Stream, reading: article.Reading) -> Iterator[article.Article]:
  """Documents of a file; its lines are sentences unless they are to be split.

  `Options.sentences` decides, and with `auto` the beginning of the file; what
  was chosen is counted. Lines that end within a sentence are joined.
  """
  counts, lines = reading.counts, list[str]()
  split = reading.options.sentences == 'split' or (
    reading.options.sentences == 'auto' and has_paragraphs(stream)
  )
  counts[f'text_files_{"split" if split else "of_lines"}'] += 1
  size = ordinal = 0
  # A blank line ends the last document too.
  rows = itertools.chain(read_lines(stream.lines(), counts), [(0, '')])
  for number, line in rows:
    line = article.clean(line, counts)
    if line:
      size += len(line)
      lines.append(line)
      if size > xml_stream.MAX_TEXT or len(lines) > _MAX_SENTENCES:
        what = 'a document of more than any article: put blank lines between'
        raise InputError.at(stream.name, number, f'{what} documents')
    elif lines:
      ordinal += 1
      counts['text_documents'] += 1
      if split and _is_wrapped(lines):
        counts['wrapped_documents_joined'] += 1
        lines = [' '.join(lines)]
      yield article.Article(
        reading.number(ordinal),
        1,
        (article.Section('', tuple(lines)),),
        stream.name,
        presplit=not split,
      )
      lines, size = [], 0


def has_paragraphs(stream: Stream) -> bool:
  """Whether lines hold several sentences, or end within one."""
  head = stream.head(_LOOKED_AT)
  text = head.decode('utf-8-sig', 'replace')
  if len(head) == _LOOKED_AT:  # The last line may be cut.
    text = text[: text.rfind('\n') + 1] or text
  lines = [line.strip() for line in text.split('\n')]
  several = sum(len(sentence_spans(line)) > 1 for line in lines)
  wrapped = sum(itertools.starmap(_goes_on, itertools.pairwise(lines)))
  return several + wrapped > _SHARE * sum(map(bool, lines))


def _goes_on(line: str, following: str) -> bool:
  """Whether a sentence goes on in the next line."""
  return following[:1].islower() and bool(line) and not _END.search(line)


def _is_wrapped(lines: list[str]) -> bool:
  """Whether the lines of a document end where the page did."""
  open_ends = sum(not _END.search(line) for line in lines[:-1])
  return 2 * open_ends > len(lines) - 1


def documents(stream: Stream, reading: article.Reading) -> Iterator[Document]:
  """A document of each line, named by its number; blank lines hold none."""
  for number, line in read_lines(stream.lines(), reading.counts):
    if line.strip():
      name = reading.number(number)
      yield Document(name, line, path=stream.name, line=number)
    else:
      reading.counts['blank_lines'] += 1
