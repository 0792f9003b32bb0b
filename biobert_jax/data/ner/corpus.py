"""Corpora of named entities: a folder with a file for each split.

A split is a file of documents (PubTator, BioC, JSON lines), a folder of brat
(`train/`), or a file that has a line `token<TAB>tag` for each
token and a blank line after each sentence; or four columns (CoNLL-2003 and
SciBERT: token, part of speech, chunk, tag), by tabs or by spaces. What is only
odd in columns is kept and counted:

  byte_order_marks, crlf_lines, blank_lines_with_spaces, document_marks,
  space_separated_files; invisible_tokens (no WordPiece token is left of them),
  tokens_with_spaces, tokens_with_line_separators (U+0085, U+2028, form feed),
  tokens_over_200_chars ([UNK] to BERT); i_without_b (starts an entity as in
  conlleval); those of `tag_schemes.to_bio`.
"""

import dataclasses
import os
import pathlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from biobert_jax.data.splits import (
  EXTENSIONS,
  find_split,
  holds_documents,
  missing_split,
)
from biobert_jax.errors import InputError
from biobert_jax.io import lines
from biobert_jax.text import brat, documents, tag_schemes
from biobert_jax.text.readers import any_format, input_files, pubtator

# google-research/bert tokenization.py, WordpieceTokenizer: a longer word is
# [UNK] as a whole.
_MAX_WORD = 200
_DOCUMENT_MARK = re.compile(r'-DOCSTART-(?=[\t ]|$)|###MEDLINE:')
_LINE_SEPARATORS = re.compile('[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]')
_SHOWN = 5  # Places that one error lists.


@dataclasses.dataclass(frozen=True, slots=True)
class Sentence:
  """Tokens with one BIO tag each."""

  tokens: tuple[str, ...]  # Words as the corpus has them.
  tags: tuple[str, ...]  # `O`, `B`, `I`, or `B-Type`, `I-Type`.
  path: str  # The file it was read from.
  line: int  # The line of its first token; of its document, for PubTator.
  lines_per_token: int = 1  # 1, or 0 where all tokens stand on the one line.

  def line_of(self, index: int) -> int:
    """The line where the token of that index stands."""
    return self.line + index * self.lines_per_token


def read_columns(
  path: str | os.PathLike[str],
  counts: Counter[str],
  *,
  scheme: str = 'bio',
  strict: bool = False,
) -> list[Sentence]:
  """Reads one UTF-8 corpus file in columns; an InputError with file and line.

  Args:
    counts: takes what was odd, under the names in this file's first lines.
    scheme: of the tags, a key of `tag_schemes.SCHEMES`; they become BIO.
    strict: whether an invisible token is an error instead of counted.
  """
  name = os.fspath(path)
  sentences: list[Sentence] = []
  rows: list[tuple[int, str, str]] = []
  for row in _rows(name, counts):
    if row is not None:
      _look_at(row[1], name, row[0], counts, strict)
      rows.append(row)
    elif rows:
      (first, *_), tokens, tags = zip(*rows, strict=True)
      sentences.append(Sentence(tokens, tags, name, first))
      rows = []
  if not sentences:
    raise InputError.at(name, 1, 'the file holds no sentence')
  _check_tags(sentences, scheme)
  converted = []
  for sentence in sentences:
    tags = tag_schemes.to_bio(sentence.tags, scheme, counts)
    converted.append(dataclasses.replace(sentence, tags=tags))
    _count_stray(tags, counts)
  return converted


def _rows(
  name: str, counts: Counter[str]
) -> Iterator[tuple[int, str, str] | None]:
  """(line, token, tag) of each token, and None at each break and the end."""
  layout: tuple[str, int, int] | None = None
  for number, line in lines.read_lines(name, counts):
    blank = not line.strip(' \t')
    if blank or _DOCUMENT_MARK.match(line):
      if line:
        counts['blank_lines_with_spaces' if blank else 'document_marks'] += 1
      yield None
      continue
    if '\r' in line:
      what = 'a carriage return inside the line: end lines with a newline'
      raise InputError.at(name, number, what)
    layout = layout or _layout(name, number, line, counts)
    fields = _fields(line, layout[0])
    if len(fields) != layout[1]:
      raise InputError.at(name, number, _miscount(fields, line, layout))
    if not fields[0].strip(' '):
      what = f'the token of {line!r} is empty: write it or delete the line'
      raise InputError.at(name, number, what)
    if not fields[-1]:
      what = f'token {fields[0]!r} has no tag after its tab'
      raise InputError.at(name, number, what)
    yield number, fields[0], fields[-1]
  yield None


def _fields(line: str, separator: str) -> list[str]:
  return line.split('\t') if separator == '\t' else re.split(' +', line)


def _layout(
  name: str, number: int, line: str, counts: Counter[str]
) -> tuple[str, int, int]:
  """(separator, columns, line) of a file, fixed by its first content line."""
  separator = '\t' if '\t' in line else ' '
  columns = len(_fields(line, separator))
  if separator == '\t' and columns in (2, 4):
    return separator, columns, number
  if separator == ' ' and columns == 4:
    counts['space_separated_files'] += 1
    return separator, columns, number
  if separator == ' ' and columns == 1:
    what = f'token {line[:60]!r} has no tag: write token, tab, tag'
  elif separator == ' ':
    what = f'{line[:60]!r} holds spaces where a tab belongs: convert with '
    what += r"sed 's/ \([^ ]*\)$/\t\1/'"
  else:
    what = f'{columns} columns; want 2 (token, tag) or 4 (tag last)'
  raise InputError.at(name, number, what)


def _miscount(
  fields: Sequence[str], line: str, layout: tuple[str, int, int]
) -> str:
  separator, columns, first = layout
  kind = 'tab' if separator == '\t' else 'space'
  what = f'{len(fields)} columns, but line {first} has {columns}'
  if len(fields) == 1 and ' ' in line:
    return f'{what}: {line[:60]!r} holds a space where a {kind} belongs'
  if len(fields) == 1:
    return f'{what}: token {line[:60]!r} has no tag'
  return f'{what}, separated by {kind}s: {line[:60]!r}'


def _look_at(
  token: str, name: str, number: int, counts: Counter[str], strict: bool
) -> None:
  """Counts what is odd about a token."""
  if len(token) > _MAX_WORD:
    counts['tokens_over_200_chars'] += 1
  if token.isascii() and token.isprintable() and ' ' not in token:
    return
  if all(
    c == '\ufffd' or unicodedata.category(c) in ('Cc', 'Cf', 'Zs', 'Zl', 'Zp')
    for c in token
  ):
    if strict:
      what = f'token {token!r} is invisible: delete the line or write a word'
      raise InputError.at(name, number, what)
    counts['invisible_tokens'] += 1
  if _LINE_SEPARATORS.search(token):
    counts['tokens_with_line_separators'] += 1
  if ' ' in token:
    counts['tokens_with_spaces'] += 1


def _check_tags(sentences: Sequence[Sentence], scheme: str) -> None:
  """Raises unless all tags are of the scheme, and all typed or none."""
  known = tag_schemes.pattern(scheme)
  every = {tag for sentence in sentences for tag in sentence.tags}
  unknown = {tag for tag in every if not known.fullmatch(tag)}
  if unknown:
    letters = ', '.join(tag_schemes.SCHEMES[scheme])
    what = f'a tag is not O or one of {letters}, with -Type or not'
    if all(known.fullmatch(tag.upper()) for tag in unknown):
      what += '; write its letter as a capital'
    elif all(known.fullmatch(tag.replace('_', '-', 1)) for tag in unknown):
      what += '; write - between its letter and its type'
    elif other := tag_schemes.scheme_of(every):
      what += f'; if the tags are {other.upper()}, pass '
      what += f'--config.data.scheme={other}'
    raise error_listing(sentences, unknown, what)
  if scheme == 'io':
    return  # A bare tag is a type.
  typed = {tag for tag in every if '-' in tag}
  untyped = every - typed - {'O'}
  if typed and untyped:
    fewer = min(
      (typed, untyped),
      key=lambda tags: sum(t in tags for s in sentences for t in s.tags),
    )
    what = 'some tags have a type and some have none; give all of them one'
    raise error_listing(sentences, fewer, what)


def error_listing(
  sentences: Iterable[Sentence], tags: set[str], what: str
) -> InputError:
  """An error that names the first places where these tags stand."""
  places = [
    (sentence, index)
    for sentence in sentences
    for index, tag in enumerate(sentence.tags)
    if tag in tags
  ]
  shown = ', '.join(
    f'{s.path}:{s.line_of(i)} {s.tokens[i][:40]!r} {s.tags[i][:40]!r}'
    for s, i in places[:_SHOWN]
  )
  first, index = places[0]
  more = f' and {len(places) - _SHOWN} more' if len(places) > _SHOWN else ''
  what = f'{what}: {shown}{more}'
  return InputError.at(first.path, first.line_of(index), what)


def _count_stray(tags: Iterable[str], counts: Counter[str]) -> None:
  before = 'O'
  for tag in tags:
    if tag[0] == 'I' and (before == 'O' or before[1:] != tag[1:]):
      counts['i_without_b'] += 1
    before = tag


def sentences_from_documents(
  source: Iterable[documents.Document], counts: Counter[str]
) -> list[Sentence]:
  """Sentences of `split_words` tokens with BIO tags: titles and bodies.

  `counts` takes `entities_cut_at_title` (in two), `relations_passed_over` and
  those of `documents.tag_words`. A part without words is left out.
  """
  sentences = []
  for document in source:
    if document.relations:
      counts['relations_passed_over'] += len(document.relations)
    text, cut = document.text, document.title_length or 0
    words = documents.split_words(text)
    tags = documents.tag_words(words, document.entities, counts)
    middle = sum(start < cut for start, _ in words)
    if 0 < middle < len(words) and tags[middle][0] == 'I':
      counts['entities_cut_at_title'] += 1
      tags[middle] = 'B' + tags[middle][1:]
    path = document.path or f'document {document.id}'
    for part in (slice(middle), slice(middle, None)):
      tokens = tuple(text[start:end] for start, end in words[part])
      if tokens:
        tagged = (tokens, tuple(tags[part]))
        sentences.append(Sentence(*tagged, path, document.line, 0))
  return sentences


def read_split(
  directory: str | os.PathLike[str],
  split: str,
  counts: Counter[str],
  *,
  scheme: str = 'bio',
  strict: bool = False,
) -> list[Sentence]:
  """Reads one split of a corpus, by arguments as `read_columns`'.

  `train_dev` without a file of its own is train and then devel. An InputError:
  no file, several files, or one that cannot be read.
  """
  path = find_split(directory, split)
  if path is None and split == 'train_dev':
    both: list[Sentence] = []
    for part in ('train', 'devel'):
      both += read_split(directory, part, counts, scheme=scheme, strict=strict)
    return both
  if path is None:
    raise missing_split(directory, split, EXTENSIONS[1:])
  if holds_documents(path):
    sentences = sentences_from_documents(_documents(path, counts), counts)
    if not sentences:
      raise InputError.at(path, 1, 'the file holds no sentence')
    return sentences
  return read_columns(path, counts, scheme=scheme, strict=strict)


def _documents(
  path: pathlib.Path, counts: Counter[str]
) -> Iterable[documents.Document]:
  if path.is_dir():
    return brat.read_folder(path, counts)
  if any_format.form_of(path) == 'pubtator':
    return pubtator.read_pubtator(path, counts)
  return input_files.read_documents([os.fspath(path)], counts)


def label_set(sentences: Sequence[Sentence]) -> tuple[str, ...]:
  """The tags of a training split, complete: both B and I of each type.

  That is ('O', 'B', 'I'), or 'O' and then B-Type, I-Type, sorted by type. An
  InputError: no sentence has an entity, or only some tags have a type.
  """
  suffixes = {tag[1:] for s in sentences for tag in s.tags if tag != 'O'}
  if not suffixes:
    where = (sentences[0].path, sentences[0].line) if sentences else ('data', 0)
    what = 'no entity from here on: there is nothing to learn from all tags O'
    raise InputError.at(*where, what)
  if '' in suffixes and len(suffixes) > 1:
    what = 'some tags have a type and some have none; give all of them one'
    raise error_listing(sentences, {'B', 'I'}, what)
  tags = [letter + suffix for suffix in sorted(suffixes) for letter in 'BI']
  return ('O', *tags)


def check_labels(
  sentences: Iterable[Sentence], labels: Sequence[str], split: str
) -> None:
  """Raises an InputError where a split has a tag that training did not have."""
  sentences = list(sentences)
  new = {tag for s in sentences for tag in s.tags} - set(labels)
  if new:
    what = f'{split} has tags that the training labels ({", ".join(labels)})'
    what += ' have not; correct them or train on a split that has them'
    raise error_listing(sentences, new, what)
