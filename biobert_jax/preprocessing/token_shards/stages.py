"""The work of one process: articles to tokens, files to a part, to shards."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from biobert_jax.data.pretraining import manifest, shards
from biobert_jax.errors import InputError, UserError
from biobert_jax.io import storage
from biobert_jax.io.atomic import atomic_write
from biobert_jax.preprocessing.token_shards import external_sort
from biobert_jax.preprocessing.token_shards.external_sort import (
  Document,
  SortRecord,
)
from biobert_jax.text import brat, wordpiece
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Deletion, Options
from biobert_jax.text.sentence_splitter import sentence_spans
from biobert_jax.text.wordpiece import CachedWordPiece, WordPieceTokenizer

# The count, and the reason in dropped.tsv, of files that cannot be read.
SKIPPED = 'files skipped'
# Records that are named of each reason, in a unit or a shard.
_NAMED = 1000
_BATCH = 1 << 18  # Characters tokenized at once.
_LONGEST = np.iinfo(manifest.LENGTH_DTYPE).max  # Tokens of a sentence.
_BATCH_ITEMS = 1 << 12

# An article, the sentences of each of its documents, and their characters.
_Split = tuple[Article | Deletion, list[tuple[str, list[str]]], int]

Note = tuple[str, str, str]  # Reason, id, file.
Progress = Callable[[int, int], None]  # Characters of text, bytes of input.


class InputFile(NamedTuple):
  """An input file as it was found."""

  path: str
  name: str  # The end of the path that no other file has.
  bytes: int
  modified: int  # Nanoseconds; the generation of an object in a bucket.


@contextlib.contextmanager
def on_this_disk(
  file: InputFile, folder: str | None = None
) -> Iterator[InputFile]:
  """A file as it is, or a copy of an object, which is dropped at the end.

  The copy lies in a new folder, made in `folder` or among temporary files.

  Raises:
    BucketChangedError: the object is not the one that was found.
  """
  place = storage.path(file.path)
  if not isinstance(place, storage.BucketPath):
    yield file
    return

  def fetch(path: str, copy: pathlib.Path) -> None:
    beside = place.with_name(copy.name)
    storage.fetch(beside, copy, file.modified if path == file.path else None)

  with copied(file.path, fetch, storage.is_file, folder) as copy:
    yield file._replace(path=copy)


@contextlib.contextmanager
def copied(
  path: str,
  fetch: Callable[[str, pathlib.Path], None],
  exists: Callable[[str], bool],
  folder: str | None = None,
) -> Iterator[str]:
  """A copy of a remote file on this disk, beside those that are read with it.

  Args:
    path: its remote name.
    fetch: makes a copy, of a remote name, at a local path.
    exists: whether there is a remote file of a name.
    folder: where a temporary folder is made.
  """
  with tempfile.TemporaryDirectory('.tmp', 'input-', folder) as here:
    copy = pathlib.Path(here, path.rpartition('/')[2])
    fetch(path, copy)
    stem = path.removesuffix('.txt')
    is_brat = stem != path and exists(f'{stem}.ann')
    for ending in brat.ENDINGS if is_brat else ():
      if exists(stem + ending):
        fetch(stem + ending, copy.with_suffix(ending))
    yield str(copy)


class CorpusJob(NamedTuple):
  """The options that hold for all files."""

  reading: Options  # Choices of the readers.
  excluded: frozenset[bytes]  # Keys of articles to leave out.
  run_bytes: int  # Of tokenized text to hold and sort at once.
  group_bytes: int  # Of parts to hold and merge at once.
  # Whether a file that cannot be read ends the run (stop), or is left out.
  on_error: str = 'stop'


class Unit(NamedTuple):
  """Input files that make one part: what a kill may cost."""

  files: tuple[InputFile, ...]  # In the order of the input.
  path: str  # Of the part; it names the files, and how they are read.


class Parts(NamedTuple):
  """All parts, and where shards go."""

  folder: str
  paths: tuple[str, ...]  # In the order of the input.
  sizes: np.ndarray  # [PARTITIONS] bytes of all parts.


@dataclasses.dataclass(frozen=True)
class Range:
  """A shard: the articles whose hash position is in [low, high)."""

  split: str
  index: int
  count: int
  low: int
  high: int


def fingerprint(*values: Any) -> str:
  """Digest of anything that JSON can say."""
  return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]


class Tally:
  """Counts, and the records that were left out."""

  def __init__(self) -> None:
    """Starts empty."""
    # Ours: articles, documents, what was left out.
    self.counts: Counter[str] = Counter()
    # The readers': what they read, fixed and dropped.
    self.read: Counter[str] = Counter()
    # Records that were left out, at most 1,000 for each reason.
    self.notes: list[Note] = []
    self._named: Counter[str] = Counter()

  def note(self, reason: str, id: str, file: str, limit: int = _NAMED) -> None:
    """Names a record that was left out, up to `limit` of each reason."""
    self._named[reason] += 1
    if self._named[reason] <= limit:
      self.notes.append((reason, id, file))

  def skip(self, file: str, fault: str) -> None:
    """Counts and names a file that is left out as a whole."""
    self.counts[SKIPPED] += 1
    self.note(SKIPPED, ' '.join(fault.split()), file)

  def as_dict(self) -> dict[str, Any]:
    """For JSON; see `add`."""
    return {'counts': self.counts, 'read': self.read, 'notes': self.notes}

  def add(self, stored: dict[str, Any], limit: int) -> None:
    """Adds another's `as_dict`, holding up to `limit` notes of each reason."""
    self.counts.update(stored['counts'])
    self.read.update(stored['read'])
    for reason, id, file in stored['notes']:
      self.note(reason, id, file, limit)


class TokenizedArticle(NamedTuple):
  """An article and its documents; none where it has no tokens."""

  article: Article
  documents: tuple[Document, ...]
  characters: int


class ArticleTokenizer:
  """Article to documents, by one vocabulary; holds a cache of words."""

  def __init__(self, tokenizer: WordPieceTokenizer):
    """Starts with an empty cache."""
    self._bulk = CachedWordPiece(tokenizer)
    self._dtype = wordpiece.piece_dtype(tokenizer.vocab_size)
    self._unknown = tokenizer.unk_id

  def items(
    self, items: Iterable[Article | Deletion]
  ) -> Iterator[TokenizedArticle | Deletion]:
    """Tokenizes articles, a quarter of a million characters at a time."""
    batch: list[_Split] = []
    held = 0
    for item in items:
      documents = []
      if isinstance(item, Article):
        documents = [
          (id, sentences(item, paragraphs))
          for id, paragraphs in any_format.documents(item)
        ]
      characters = sum(len(s) for _, texts in documents for s in texts)
      batch.append((item, documents, characters))
      held += characters
      if held >= _BATCH or len(batch) >= _BATCH_ITEMS:
        yield from self._tokenize(batch)
        batch, held = [], 0
    yield from self._tokenize(batch)

  def _tokenize(
    self, batch: Sequence[_Split]
  ) -> Iterator[TokenizedArticle | Deletion]:
    texts = [s for _, documents, _ in batch for _, ss in documents for s in ss]
    encoded = iter(self._bulk.encode(texts))
    for item, documents, characters in batch:
      if isinstance(item, Deletion):
        yield item
        continue
      made = [
        self._document(id, ss, list(itertools.islice(encoded, len(ss))))
        for id, ss in documents
      ]
      kept = tuple(document for document in made if document.tokens)
      yield TokenizedArticle(item, kept, characters)

  def _document(
    self, id: str, texts: Sequence[str], encoded: Sequence[bytes]
  ) -> Document:
    lengths: list[int] = []
    for row in encoded:
      whole, rest = divmod(len(row) // self._dtype.itemsize, _LONGEST)
      lengths += [_LONGEST] * whole + [rest] * bool(rest)
    input_ids = b''.join(encoded)
    ids = np.frombuffer(input_ids, self._dtype)
    record = shards.encode_document(
      id, input_ids, np.array(lengths, manifest.LENGTH_DTYPE).tobytes()
    )
    return Document(
      record,
      words=sum(len(text.split()) for text in texts),
      sentences=len(lengths),
      tokens=len(ids),
      unknown=int(np.count_nonzero(ids == self._unknown)),
    )


def sentences(article: Article, paragraphs: Sequence[str]) -> list[str]:
  """The sentences of a document; its lines may be sentences already."""
  if article.presplit:
    return [text for text in paragraphs if text.strip()]
  return [
    text[start:end]
    for text in paragraphs
    for start, end in sentence_spans(text)
  ]


def read_unit(
  unit: Unit,
  article_tokenizer: ArticleTokenizer,
  job: CorpusJob,
  progress: Progress,
) -> None:
  """Reads the files of a unit into its part, telling the progress.

  Where bad files are to be skipped, nothing of them stays: the unit is read
  again without each.
  """
  skipped: dict[int, str] = {}
  while True:
    try:
      _read_unit(unit, article_tokenizer, job, progress, skipped)
      return
    except _BadFileError as error:
      skipped[error.number] = str(error)


class _BadFileError(Exception):
  """A file of a unit that is to be left out."""

  def __init__(self, number: int, fault: InputError) -> None:
    super().__init__(str(fault))
    self.number = number


def _read_unit(
  unit: Unit,
  article_tokenizer: ArticleTokenizer,
  job: CorpusJob,
  progress: Progress,
  skipped: dict[int, str],
) -> None:
  """Writes the part of a unit, without the files that are skipped."""
  tally = Tally()
  try:
    with atomic_write(unit.path, binary=True, marker=str(os.getpid())) as part:
      writer = external_sort.PartWriter(part, job.run_bytes)
      for number, file in enumerate(unit.files):
        if number in skipped:
          tally.skip(file.name, skipped[number])
          continue
        with on_this_disk(file, os.path.dirname(unit.path)) as copy:
          said = read_input(
            copy, article_tokenizer, job, tally, progress, file.path
          )
          try:
            for one in said:
              writer.add(*one, number)
          except InputError as error:
            if job.on_error != 'skip':
              raise
            raise _BadFileError(number, error) from None
        progress(0, file.bytes)
      writer.finish(tally.as_dict())
  except OSError as error:
    if isinstance(error, UserError):
      raise
    raise InputError(
      f'{error.filename or unit.path}: {error.strerror}; free the disk or fix'
      ' the file, and run again: finished files are kept'
    ) from None


def fault_of(file: InputFile, job: CorpusJob) -> str:
  """Why a file cannot be read to its end; '' where it can."""
  try:
    for _ in read_articles(file, job.reading):
      pass
  except InputError as error:
    return str(error)
  return ''


def read_articles(
  file: InputFile, reading: Options
) -> Iterator[Article | Deletion]:
  """All that a file holds; nothing is counted."""
  ignored = (Counter[str](), lambda reason, id: None)
  with on_this_disk(file) as copy:
    try:
      yield from any_format.read_file(copy.path, *ignored, reading, file.name)
    except InputError as error:
      raise InputError(str(error).replace(copy.path, file.path)) from None


def read_input(
  file: InputFile,
  article_tokenizer: ArticleTokenizer,
  job: CorpusJob,
  tally: Tally,
  progress: Progress,
  origin: str,
) -> Iterator[tuple[str, int, tuple[Document, ...] | None]]:
  """The articles of a file, tokenized; the tally takes what was left out.

  Yields (id, version, documents) in the file's order; None for the documents of
  an article that is withdrawn. What is said of a copy names its `origin`.
  """
  try:
    for item in article_tokenizer.items(_wanted(file, job, tally, origin)):
      if isinstance(item, Deletion):
        yield item.id, 0, None
        continue
      progress(item.characters, 0)
      if item.documents:
        yield item.article.id, item.article.version, item.documents
      else:
        tally.counts['without text'] += 1
        tally.note('without text', item.article.id, file.name)
  except InputError as error:
    raise InputError(str(error).replace(file.path, origin)) from None


def _wanted(
  file: InputFile, job: CorpusJob, tally: Tally, origin: str
) -> Iterator[Article | Deletion]:
  """The articles of a file without those that are excluded."""

  def note(reason: str, id: str) -> None:
    tally.note(reason, id.replace(file.path, origin), file.name)

  key = external_sort.article_key
  for item in any_format.read_file(
    file.path, tally.read, note, job.reading, file.name
  ):
    if isinstance(item, Deletion):
      tally.counts['deletions'] += 1
      yield item
      continue
    tally.counts['articles read'] += 1
    names = (item.id, *item.other_ids) if job.excluded else ()
    if any(key(name) in job.excluded for name in names):
      tally.counts['excluded'] += 1
      note('excluded', item.id)
    else:
      yield item


def write_range(
  parts: Parts, wanted: Range, group_bytes: int
) -> tuple[dict[str, Any], Tally]:
  """Writes a shard from all parts, holding `group_bytes` of them at once.

  Returns its entry in the manifest, and what was counted on the way; the notes
  have the number of the part and of a file in it, not a name.
  """
  tally = Tally()
  records = _in_range(parts, wanted.low, wanted.high, group_bytes)
  kept = (keep_latest(said, tally) for said in records)
  return write_articles(parts.folder, kept, wanted, tally), tally


def write_articles(
  directory: str,
  articles: Iterable[SortRecord | None],
  wanted: Range,
  tally: Tally,
) -> dict[str, Any]:
  """Writes a shard, its articles in the order of keys (None: skipped).

  Returns its entry in the manifest.
  """

  def examples() -> Iterator[tuple[bytes, int, int]]:
    for article in articles:
      for document in article.read() if article else ():
        tally.counts['documents'] += 1
        tally.counts['sentences'] += document.sentences
        tally.counts['words'] += document.words
        tally.counts['pieces'] += document.tokens
        tally.counts['unknown pieces'] += document.unknown
        yield document.record, document.tokens, document.sentences

  return shards.write_shard(
    directory, wanted.split, wanted.index, wanted.count, examples()
  )


def first_position(parts: Parts, low: int, group_bytes: int) -> int | None:
  """The first article's hash position from `low`; None: no article."""
  for said in _in_range(parts, low, 1 << external_sort.KEY_BITS, group_bytes):
    if kept := external_sort.latest_record(said):
      return external_sort.hash_position(external_sort.article_key(kept.id))
  return None


def _in_range(
  parts: Parts, low: int, high: int, group_bytes: int
) -> Iterator[list[SortRecord]]:
  opened = [external_sort.Part(path) for path in parts.paths]
  return external_sort.records_by_article(
    opened, parts.sizes, low, high, group_bytes
  )


def keep_latest(said: Sequence[SortRecord], tally: Tally) -> SortRecord | None:
  """The latest of what was said of an article, in the order of the input.

  The tally receives why others go, by the numbers of part and file.
  """
  kept = external_sort.latest_record(said)
  last_deletion = max(
    (i for i, r in enumerate(said) if r.is_deletion), default=-1
  )
  for i, record in enumerate(said):
    if record is kept:
      tally.counts['articles kept'] += 1
    elif not record.is_deletion:
      reason = 'deleted' if i < last_deletion else 'repeated'
      tally.counts[reason] += 1
      tally.note(reason, record.id, f'{record.order[0]} {record.file}')
  return kept
