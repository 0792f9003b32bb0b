"""Words that a vocabulary cannot spell, found by reading raw text again."""

import collections
import dataclasses
import itertools
import random
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

from biobert_jax.preprocessing.token_shards import prepare
from biobert_jax.preprocessing.token_shards.stages import InputFile
from biobert_jax.text import wordpiece
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Options
from biobert_jax.text.wordpiece import CachedWordPiece, WordPieceTokenizer

_Key = TypeVar('_Key', bound=Hashable)

_BATCH = 200  # Paragraphs tokenized at once.
_LEAST_PER_FILE = 200


class BoundedCounter(Generic[_Key]):
  """Counts of what is frequent, in bounded memory.

  Beyond twice the limit the rarer half is forgotten. What is frequent stays;
  the counts of what comes seldom, and at long distances, are too low.
  """

  def __init__(self, limit: int = 200_000):
    """Starts empty; `limit` keys are surely held."""
    self.counts: collections.Counter[_Key] = collections.Counter()
    self.forgotten = 0
    self._limit = limit

  def add(self, keys: Iterable[_Key]) -> None:
    """Counts each key."""
    self.counts.update(keys)
    if len(self.counts) > 2 * self._limit:
      self.forgotten += len(self.counts) - self._limit
      kept = self.counts.most_common(self._limit)
      self.counts = collections.Counter(dict(kept))


@dataclasses.dataclass(frozen=True)
class UnknownWords:
  """Words of raw text that the vocabulary cannot spell."""

  articles: int  # That were read.
  occurrences: int  # Of all such words.
  words: tuple[tuple[str, int], ...]  # (word, count) of the most frequent.


def unknown_words(
  patterns: Sequence[str],
  tokenizer: WordPieceTokenizer,
  reading: Options,
  *,
  sample: int = 20_000,
  seed: int = 0,
  top: int = 20,
) -> UnknownWords:
  """Reads some of the input again for what the shards cannot say.

  Args:
    patterns: of the input files.
    tokenizer: the vocabulary.
    reading: how the corpus was read.
    sample: articles to read, each file's first before more of any, the
      files in an order of chance; 0 for all.
    seed: of that order.
    top: words to return.
  """
  bulk = CachedWordPiece(tokenizer)
  dtype = wordpiece.piece_dtype(tokenizer.vocab_size)
  found: BoundedCounter[str] = BoundedCounter()
  occurrences = articles = 0

  def paragraphs() -> Iterator[str]:
    nonlocal articles
    some = _articles(patterns, reading, sample, seed)
    for article in itertools.islice(some, sample or None):
      articles += 1
      for _, texts in any_format.documents(article):
        yield from texts

  texts = paragraphs()
  while batch := list(itertools.islice(texts, _BATCH)):
    for text, encoded in zip(batch, bulk.encode(batch), strict=True):
      if tokenizer.unk_id not in np.frombuffer(encoded, dtype):
        continue
      ids, spans = tokenizer.encode(text)
      words = [
        text[start:end]
        for id, (start, end) in zip(ids, spans, strict=True)
        if id == tokenizer.unk_id
      ]
      occurrences += len(words)
      found.add(words)
  ranked = sorted(found.counts.items(), key=lambda entry: (-entry[1], entry[0]))
  return UnknownWords(articles, occurrences, tuple(ranked[:top]))


def _articles(
  patterns: Sequence[str], reading: Options, sample: int, seed: int
) -> Iterator[Article]:
  """The first articles of each file, then the others."""
  files = list(prepare.find_inputs(patterns))
  random.Random(seed).shuffle(files)
  each = max(-(-sample // len(files)), _LEAST_PER_FILE) if sample else None
  longer = []
  for file in files:
    read = 0
    for article in itertools.islice(_read(file, reading), each):
      read += 1
      yield article
    if read == each:
      longer.append(file)
  for file in longer:
    yield from itertools.islice(_read(file, reading), each, None)


def _read(file: InputFile, reading: Options) -> Iterator[Article]:
  ignored = (collections.Counter[str](), lambda reason, id: None)
  for item in any_format.read_file(file.path, *ignored, reading, file.name):
    if isinstance(item, Article):
      yield item
