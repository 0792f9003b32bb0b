"""The work of one process: files to a part, parts to a shard."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from biobert_jax.data.pretraining import shards
from biobert_jax.errors import InputError
from biobert_jax.preprocessing.token_shards import external_sort
from biobert_jax.preprocessing.token_shards.external_sort import (
  Document,
  SortRecord,
)
from biobert_jax.preprocessing.token_shards.tokenize_articles import (
  ArticleTokenizer,
)
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Deletion, Options

# Records that are named of each reason, in a unit or a shard.
_NAMED = 1000

Note = tuple[str, str, str]  # Reason, id, file.
Progress = Callable[[int, int], None]  # Characters of text, bytes of input.


class InputFile(NamedTuple):
  """An input file as it was found."""

  path: str
  name: str  # The end of the path that no other file has.
  bytes: int
  modified: int  # Nanoseconds.


class Job(NamedTuple):
  """The options that hold for all files."""

  reading: Options  # Choices of the readers.
  excluded: frozenset[bytes]  # Keys of articles to leave out.
  run_bytes: int  # Of tokenized text to hold and sort at once.
  group_bytes: int  # Of parts to hold and merge at once.


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
  """Counts, and the records that were left out.

  Attributes:
    counts: ours: articles, documents, what was left out.
    read: the readers': what they read, fixed and dropped.
    notes: records that were left out, at most 1,000 for each reason.
  """

  def __init__(self) -> None:
    """Starts empty."""
    self.counts: Counter[str] = Counter()
    self.read: Counter[str] = Counter()
    self.notes: list[Note] = []
    self._named: Counter[str] = Counter()

  def note(self, reason: str, id: str, file: str, limit: int = _NAMED) -> None:
    """Names a record that was left out, up to `limit` of each reason."""
    self._named[reason] += 1
    if self._named[reason] <= limit:
      self.notes.append((reason, id, file))

  def as_dict(self) -> dict[str, Any]:
    """For JSON; see `add`."""
    return {'counts': self.counts, 'read': self.read, 'notes': self.notes}

  def add(self, stored: dict[str, Any], limit: int) -> None:
    """Adds another's `as_dict`, holding up to `limit` notes of each reason."""
    self.counts.update(stored['counts'])
    self.read.update(stored['read'])
    for reason, id, file in stored['notes']:
      self.note(reason, id, file, limit)


def read_unit(
  unit: Unit, article_tokenizer: ArticleTokenizer, job: Job, progress: Progress
) -> None:
  """Reads the files of a unit into its part, telling the progress.

  Raises:
    InputError: A file is at fault, or the part cannot be written.
  """
  tally = Tally()
  try:
    writer = external_sort.PartWriter(unit.path, job.run_bytes)
    try:
      for number, file in enumerate(unit.files):
        for said in read_input(file, article_tokenizer, job, tally, progress):
          writer.add(*said, number)
        progress(0, file.bytes)
      writer.close(tally.as_dict())
    finally:
      writer.discard()
  except OSError as error:
    raise InputError(
      f'{error.filename or unit.path}: {error.strerror}; free the disk or fix'
      ' the file, and run again: finished files are kept'
    ) from None


def read_input(
  file: InputFile,
  article_tokenizer: ArticleTokenizer,
  job: Job,
  tally: Tally,
  progress: Progress,
) -> Iterator[tuple[str, int, tuple[Document, ...] | None]]:
  """The articles of a file, tokenized; the tally takes what was left out.

  Yields:
    (id, version, documents), in the file's order; None for the documents of an
    article that is withdrawn.

  Raises:
    InputError: The file is at fault.
  """
  for item in article_tokenizer.items(_wanted(file, job, tally)):
    if isinstance(item, Deletion):
      yield item.id, 0, None
      continue
    progress(item.characters, 0)
    if item.documents:
      yield item.article.id, item.article.version, item.documents
    else:
      tally.counts['without text'] += 1
      tally.note('without text', item.article.id, file.name)


def _wanted(
  file: InputFile, job: Job, tally: Tally
) -> Iterator[Article | Deletion]:
  """The articles of a file without those that are excluded."""

  def note(reason: str, id: str) -> None:
    tally.note(reason, id, file.name)

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

  Returns:
    The shard's entry in the manifest, and what was counted on the way; its
    notes have the number of the part and of a file in it, not a name.

  Raises:
    InputError: The shard cannot be written, or a part cannot be read.
  """
  tally = Tally()
  records = _in_range(parts, wanted, group_bytes)
  kept = (keep_latest(said, tally) for said in records)
  return write_articles(parts.folder, kept, wanted, tally), tally


def write_articles(
  directory: str,
  articles: Iterable[SortRecord | None],
  wanted: Range,
  tally: Tally,
) -> dict[str, Any]:
  """Writes a shard, and counts what goes into it.

  Args:
    directory: where to.
    articles: in the order of their keys; None is skipped.
    wanted: the shard.
    tally: takes the counts.

  Returns:
    The shard's entry in the manifest.

  Raises:
    InputError: The shard cannot be written.
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


def first_position(parts: Parts, wanted: Range, group_bytes: int) -> int | None:
  """The hash position of the first article of a range; None: no article."""
  for said in _in_range(parts, wanted, group_bytes):
    if kept := external_sort.latest_record(said):
      return external_sort.hash_position(external_sort.article_key(kept.id))
  return None


def _in_range(
  parts: Parts, wanted: Range, group_bytes: int
) -> Iterator[list[SortRecord]]:
  opened = [external_sort.Part(path) for path in parts.paths]
  return external_sort.records_by_article(
    opened, parts.sizes, wanted.low, wanted.high, group_bytes
  )


def keep_latest(said: Sequence[SortRecord], tally: Tally) -> SortRecord | None:
  """The latest version of an article; the tally receives why others go.

  Args:
    said: of one article, in the order of the input.
    tally: its notes name the number of the part and of a file in it.
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
