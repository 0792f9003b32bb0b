"""The work of one process: files to a part, parts to a shard."""

import collections
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from biobert_jax.data.pretraining import shards
from biobert_jax.errors import InputError
from biobert_jax.preprocessing.token_shards import external_sort
from biobert_jax.preprocessing.token_shards.tokenize_articles import (
  ArticleTokenizer,
)
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Deletion, Options

# Records that are named of each reason, in a unit or a shard.
_NAMED = 1000

Note = tuple[str, str, str]  # Reason, id, file.


@dataclasses.dataclass(frozen=True)
class InputFile:
  """An input file as it was found."""

  path: str
  name: str  # The end of the path that no other file has.
  bytes: int
  modified: int  # Nanoseconds.


@dataclasses.dataclass(frozen=True)
class Job:
  """The options that hold for all files.

  Attributes:
    reading: choices of the readers.
    excluded: keys of articles to leave out.
    run_bytes: tokenized text to hold and sort at once.
    group_bytes: of parts to hold and merge at once.
  """

  reading: Options
  excluded: frozenset[bytes]
  run_bytes: int
  group_bytes: int


@dataclasses.dataclass(frozen=True)
class Unit:
  """Input files that make one part: what a kill may cost.

  Attributes:
    files: in the order of the input.
    path: of the part; it names the files, and the options they are read with.
  """

  files: tuple[InputFile, ...]
  path: str


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


@dataclasses.dataclass
class Tally:
  """Counts, and the records that were left out.

  Attributes:
    counts: ours: articles, documents, what was left out.
    read: the readers': what they read, fixed and dropped.
    notes: records that were left out, at most 1,000 for each reason.
  """

  counts: collections.Counter[str] = dataclasses.field(
    default_factory=collections.Counter
  )
  read: collections.Counter[str] = dataclasses.field(
    default_factory=collections.Counter
  )
  notes: list[Note] = dataclasses.field(default_factory=list)
  _named: collections.Counter[str] = dataclasses.field(
    default_factory=collections.Counter
  )

  def note(self, reason: str, id: str, file: str) -> None:
    """Names a record that was left out."""
    self._named[reason] += 1
    if self._named[reason] <= _NAMED:
      self.notes.append((reason, id, file))

  def as_dict(self) -> dict[str, Any]:
    """For JSON; see `add`."""
    return {'counts': self.counts, 'read': self.read, 'notes': self.notes}

  def add(self, stored: dict[str, Any], limit: int) -> None:
    """Adds another's `as_dict`, holding up to `limit` notes of each reason."""
    self.counts.update(stored['counts'])
    self.read.update(stored['read'])
    for reason, id, file in stored['notes']:
      self._named[reason] += 1
      if self._named[reason] <= limit:
        self.notes.append((reason, id, file))


def read_unit(
  unit: Unit,
  article_tokenizer: ArticleTokenizer,
  job: Job,
  progress: Callable[[int, int], None],
) -> None:
  """Reads the files of a unit into its part.

  Args:
    unit: what to read and where to write.
    tokenizing: sentences to tokens.
    job: what is wanted of them.
    progress: called with characters of text and bytes of input done.

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
  progress: Callable[[int, int], None],
) -> Iterator[tuple[str, int, tuple[external_sort.Document, ...] | None]]:
  """The articles of a file, tokenized.

  Args:
    file: to read.
    tokenizing: sentences to tokens.
    job: what is wanted of it.
    tally: takes what was left out.
    progress: called with characters of text, and 0.

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

  for item in any_format.read_file(
    file.path, tally.read, note, job.reading, file.name
  ):
    if isinstance(item, Deletion):
      tally.counts['deletions'] += 1
    else:
      tally.counts['articles read'] += 1
      names = (item.id, *item.other_ids)
      if job.excluded and any(
        external_sort.article_key(name) in job.excluded for name in names
      ):
        tally.counts['excluded'] += 1
        note('excluded', item.id)
        continue
    yield item


def write_range(
  directory: str,
  paths: Sequence[str],
  sizes: np.ndarray,
  wanted: Range,
  group_bytes: int,
) -> tuple[dict[str, Any], Tally]:
  """Writes a shard from all parts.

  Args:
    directory: where to.
    paths: of the parts, in the order of the input.
    sizes: [PARTITIONS] bytes of all parts.
    wanted: the shard.
    group_bytes: of parts to hold at once.

  Returns:
    The shard's entry in the manifest, and what was counted on the way; its
    notes have the number of the part and of a file in it, not a name.

  Raises:
    InputError: The shard cannot be written, or a part cannot be read.
  """
  tally = Tally()
  parts = [external_sort.Part(path) for path in paths]

  kept = (
    keep_latest(said, tally)
    for said in _in_range(parts, sizes, wanted, group_bytes)
  )
  return write_articles(directory, kept, wanted, tally), tally


def write_articles(
  directory: str,
  articles: Iterable[external_sort.SortRecord | None],
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


def first_position(
  paths: Sequence[str], sizes: np.ndarray, wanted: Range, group_bytes: int
) -> int | None:
  """The hash position of the first article of a range; None: no article."""
  parts = [external_sort.Part(path) for path in paths]
  for said in _in_range(parts, sizes, wanted, group_bytes):
    if kept := external_sort.latest_record(said):
      return external_sort.hash_position(external_sort.article_key(kept.id))
  return None


def _in_range(
  parts: Sequence[external_sort.Part],
  sizes: np.ndarray,
  wanted: Range,
  group_bytes: int,
) -> Iterator[list[external_sort.SortRecord]]:
  low, high = wanted.low, wanted.high
  for first, last in external_sort.partition_groups(
    sizes, low, high, group_bytes
  ):
    for _, said in external_sort.records_by_article(
      parts, first, last, low, high
    ):
      yield said


def keep_latest(
  said: Sequence[external_sort.SortRecord], tally: Tally
) -> external_sort.SortRecord | None:
  """The latest version of an article; the tally receives why others go.

  Args:
    said: of one article, in the order of the input.
    tally: its notes name the number of the part and of a file in it.
  """
  kept = external_sort.latest_record(said)
  deleted = [i for i, entry in enumerate(said) if entry.is_deletion]
  for i, entry in enumerate(said):
    if entry is kept:
      tally.counts['articles kept'] += 1
    elif not entry.is_deletion:
      reason = 'deleted' if deleted and i < deleted[-1] else 'repeated'
      tally.counts[reason] += 1
      tally.note(reason, entry.id, f'{entry.order[0]} {entry.file}')
  return kept
