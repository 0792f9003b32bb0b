"""Statistics of token shards: lengths, words, and where text is lost.

Counts and lengths are of the whole corpus, 8 bytes a document, which are held.
What only the records say, words and lengths of sentences, is of a sample. A
word is a token with the `##` tokens behind it, or [UNK]: what that was is only
found by reading the raw text again.
"""

import collections
import dataclasses
import itertools
import os
import random
import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from biobert_jax.data import packing
from biobert_jax.data.pretraining import corpus_warnings
from biobert_jax.data.pretraining import manifest as pretraining_manifest
from biobert_jax.data.pretraining.manifest import Manifest
from biobert_jax.data.pretraining.shards import Shards, TokenizedDocument
from biobert_jax.preprocessing.token_shards import prepare, stages
from biobert_jax.preprocessing.token_shards.stages import InputFile
from biobert_jax.text import wordpiece
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Options
from biobert_jax.text.wordpiece import CachedWordPiece, WordPieceTokenizer

_Key = TypeVar('_Key', bound=Hashable)

ROWS = (128, 512)  # The sequence lengths that BERT is pre-trained at.
PERCENTILES = (5, 25, 50, 75, 95, 99, 100)
_SPECIALS = 2  # [CLS] and [SEP].
_BINS = 40
_SECTION = re.compile('#[0-9]+$')
_BATCH = 200  # Paragraphs tokenized at once.
_LEAST_PER_FILE = 200
_PACKED = 20_000  # Documents that are packed to estimate the fill.


class Distribution(NamedTuple):
  """How a length is spread."""

  mean: float
  percentiles: tuple[int, ...]  # At `PERCENTILES`; the last is the longest.
  edges: np.ndarray  # [bins + 1] of the histogram, a fixed factor apart.
  counts: np.ndarray  # [bins] values in each.


class BoundedCounter(Generic[_Key]):
  """Counts of what is frequent, in bounded memory; of what is rare, too low.

  Beyond twice the limit the rarer half is forgotten.
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
class Word:
  """A word as often as it was met."""

  text: str
  pieces: tuple[str, ...]
  count: int


class Words(NamedTuple):
  """Words of a sample, as BERT's tokenizer splits them."""

  words: int  # All of them, signs of punctuation too.
  pieces: int  # Tokens of these words.
  unknown: int  # Words that are [UNK].
  split: int  # Words of more than one token.
  different: int  # That were told apart; rare ones may have been forgotten.
  forgotten: int  # How many of these.
  costly: tuple[Word, ...]  # Most tokens beyond the first, all in all.
  finest: tuple[Word, ...]  # Most tokens each.
  beside: tuple[tuple[str, str, int], ...]  # Before, after, times of [UNK].


class Fill(NamedTuple):
  """Share 0-1 of the positions of rows that hold tokens of documents."""

  packed: float
  alone: float


class Statistics(NamedTuple):
  """Everything the report says of shards."""

  manifest: Manifest
  documents: int  # In all splits.
  sampled: int  # Documents whose records were read.
  kinds: dict[str, collections.Counter[str]]  # By split and kind, sampled.
  pieces_per_document: Distribution
  sentences_per_document: Distribution
  pieces_per_sentence: Distribution  # Of the sample.
  one_sentence: int  # Documents of just one.
  beyond: float  # Share 0-1 of tokens that a shorter row drops, sampled.
  too_long: dict[int, int]  # Row length -> documents that exceed such a row.
  fill: dict[int, Fill]  # Row length -> what it would hold.
  words: Words | None  # None without the vocabulary.
  texts: tuple[tuple[str, tuple[str, ...]], ...]  # (id, sentences) of some.


def measure(
  directory: str | os.PathLike[str],
  tokenizer: WordPieceTokenizer | None,
  *,
  sample: int = 20_000,
  seed: int = 0,
  texts: int = 3,
  top: int = 20,
) -> Statistics:
  """Measures shards.

  Args:
    tokenizer: the vocabulary they were made with; None leaves words out.
    sample: documents to read; 0 for all of them.
    texts: documents to show.
    top: words of each list.
  """
  manifest = pretraining_manifest.read_manifest(directory)
  names = sorted(manifest['splits'])
  splits = [Shards(directory, name, tokenizer=tokenizer) for name in names]
  lengths = np.concatenate([one.lengths for one in splits])
  sentences = np.concatenate([one.sentence_counts for one in splits])
  chance = random.Random(seed)
  chosen: Sequence[int] = range(len(lengths))
  if 0 < sample < len(lengths):
    # In order of place, so that each shard is gone through once.
    chosen = sorted(chance.sample(chosen, sample))
  shown = set(chance.sample(chosen, min(texts, len(chosen))))
  counting = _Counting(tokenizer, names, shown)
  start = 0
  for name, data in zip(names, splits, strict=True):
    for number in chosen:
      if start <= number < start + len(data):
        counting.add(name, number, data[number - start])
    start += len(data)
  packed = chance.sample(range(len(chosen)), min(_PACKED, len(chosen)))
  packed_lengths = lengths[np.asarray(chosen)[sorted(packed)]]
  return Statistics(
    manifest=manifest,
    documents=len(lengths),
    sampled=len(chosen),
    kinds=counting.kinds,
    pieces_per_document=distribution(np.bincount(lengths)),
    sentences_per_document=distribution(np.bincount(sentences)),
    pieces_per_sentence=distribution(counting.sentence_lengths),
    one_sentence=int(np.count_nonzero(sentences == 1)),
    beyond=corpus_warnings.share_beyond(counting.sentence_lengths, ROWS[0]),
    too_long={
      row: int(np.count_nonzero(lengths + _SPECIALS > row)) for row in ROWS
    },
    fill={row: fill(packed_lengths, row) for row in ROWS},
    words=counting.words(top) if tokenizer else None,
    texts=tuple(counting.texts),
  )


def distribution(counts: np.ndarray) -> Distribution:
  """How values are spread, of [longest + 1] counts of each length."""
  below = np.cumsum(counts)
  total = int(below[-1])
  ranks = [max(1, -(-total * percent // 100)) for percent in PERCENTILES]
  values = np.arange(len(counts))
  longest = max(2, len(counts) - 1)
  edges = np.unique(np.ceil(np.geomspace(1, longest + 1, _BINS + 1)))
  binned, _ = np.histogram(values[1:], edges, weights=counts[1:])
  return Distribution(
    float(values @ counts) / max(1, total),
    tuple(int(np.searchsorted(below, rank)) for rank in ranks),
    edges,
    binned.astype(np.int64),
  )


def fill(lengths: np.ndarray, row: int) -> Fill:
  """The fill of rows of `row` positions, with and without packing.

  A document of more tokens than fit is cut into parts; each part has its [CLS]
  and [SEP]. Packing takes the longest part that fits.
  """
  room = row - _SPECIALS
  whole, rest = np.divmod(lengths.astype(np.int64), room)
  parts = np.concatenate((np.full(whole.sum(), room), rest[rest > 0]))
  if not len(parts):
    return Fill(0.0, 0.0)
  rows = packing.plan_rows(parts + _SPECIALS, row, True).num_rows
  pieces = int(parts.sum())
  return Fill(pieces / (rows * row), pieces / (len(parts) * row))


def source_kind(id: str) -> str:
  """Where a document is from, by its id."""
  source = {'pmid': 'PubMed', 'pmcid': 'PMC'}.get(id.partition(':')[0])
  part = 'sections' if _SECTION.search(id) else 'titles with abstracts'
  return f'{source}, {part}' if source else 'other'


class _Counting:
  """The counts that are kept document by document."""

  def __init__(
    self,
    tokenizer: WordPieceTokenizer | None,
    splits: Iterable[str],
    shown: set[int],
  ):
    self.kinds: dict[str, collections.Counter[str]] = {
      split: collections.Counter() for split in splits
    }
    self.sentence_lengths = np.zeros(2, np.int64)
    self.texts: list[tuple[str, tuple[str, ...]]] = []
    self._pieces = tokenizer.pieces if tokenizer else ()
    self._continues = np.array([p.startswith('##') for p in self._pieces])
    self._unknown = tokenizer.unk_id if tokenizer else -1
    self._shown = shown
    self._words: BoundedCounter[bytes] = BoundedCounter()
    # Of unknown words, the words before and after.
    self._beside: BoundedCounter[tuple[bytes, bytes]] = BoundedCounter()
    self._totals: collections.Counter[str] = collections.Counter()

  def add(self, split: str, number: int, document: TokenizedDocument) -> None:
    """Counts a document of a number."""
    self.kinds[split][source_kind(document.id)] += 1
    counts = np.bincount(document.sentence_lengths)
    if len(counts) > len(self.sentence_lengths):
      self.sentence_lengths.resize(len(counts), refcheck=False)
    self.sentence_lengths[: len(counts)] += counts
    if not self._pieces:
      return
    words = self._split(document.input_ids)
    self._words.add(words)
    self._totals['words'] += len(words)
    self._totals['pieces'] += len(document.input_ids)
    self._totals['split'] += sum(len(word) > 4 for word in words)
    unknown = np.int32(self._unknown).tobytes()
    padded = [b'', *words, b'']
    found = [i for i, word in enumerate(words) if word == unknown]
    self._totals['unknown'] += len(found)
    self._beside.add([(padded[i], padded[i + 2]) for i in found])
    if number in self._shown:
      ends = np.cumsum(document.sentence_lengths)[:-1]
      rows = np.split(document.input_ids, ends)
      texts = (' '.join(map(self._text, self._split(row))) for row in rows)
      self.texts.append((document.id, tuple(texts)))

  def _split(self, ids: np.ndarray) -> list[bytes]:
    """The words of a document, each the bytes of its int32 tokens."""
    starts = ~self._continues[ids]
    starts[:1] = True
    bounds = [*(4 * np.flatnonzero(starts)).tolist(), 4 * len(ids)]
    raw = ids.tobytes()
    return [raw[a:b] for a, b in itertools.pairwise(bounds)]

  def _word_pieces(self, word: bytes) -> tuple[str, ...]:
    return tuple(self._pieces[i] for i in np.frombuffer(word, np.int32))

  def _text(self, word: bytes) -> str:
    first, *rest = self._word_pieces(word) or ('',)
    return first + ''.join(piece.removeprefix('##') for piece in rest)

  def words(self, top: int) -> Words:
    """The statistics of words so far."""
    counts = self._words.counts

    def word(key: bytes) -> Word:
      return Word(self._text(key), self._word_pieces(key), counts[key])

    split = [key for key in counts if len(key) > 4]
    costly = sorted(split, key=lambda key: (counts[key] * (4 - len(key)), key))
    # A word that stands once is most often a sequence or a slip.
    often = [key for key in split if counts[key] > 2] or split
    finest = sorted(often, key=lambda key: (-len(key), -counts[key], key))
    pairs = self._beside.counts.items()
    beside = sorted(pairs, key=lambda entry: (-entry[1], entry[0]))
    totals = self._totals
    return Words(
      words=totals['words'],
      pieces=totals['pieces'],
      unknown=totals['unknown'],
      split=totals['split'],
      different=len(counts),
      forgotten=self._words.forgotten,
      costly=tuple(map(word, costly[:top])),
      finest=tuple(map(word, finest[:top])),
      beside=tuple(
        (self._text(a), self._text(b), n) for (a, b), n in beside[:top]
      ),
    )


class UnknownWords(NamedTuple):
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

  Of `sample` articles (0: all) each file's first come before more of any, the
  files in an order of chance; `top` words are returned.
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
  for item in stages.read_articles(file, reading):
    if isinstance(item, Article):
      yield item
