"""Documents to packed sentence pairs, for next sentence prediction.

The pairs are those of google-research/bert `create_pretraining_data.py`
(lines 225-338). Three things are ours. Packed, the next pair goes into the room
that is left. A chunk of one sentence, which has no next one, may stay without a
label, where theirs calls its next "random" and so skews the labels. And what
follows at random comes from another article, where theirs takes any other
document: sections of one article are documents of their own.
"""

import bisect
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from biobert_jax.data.pretraining.pair_arrays import (
  ALONE_SPECIALS,
  IS_NEXT,
  IS_RANDOM,
  PAIR_SPECIALS,
  UNLABELLED,
  BlockUsage,
  PackedPairs,
  Pair,
  lay_out,
)
from biobert_jax.data.pretraining.shards import TokenizedDocument
from biobert_jax.data.random_streams import RandomStream

SingleSentence = Literal['unlabelled', 'random']

_HALF = 1 << 63


@dataclasses.dataclass(frozen=True)
class Rules:
  """How pairs are made and packed; see `PretrainingSequences`."""

  max_seq_length: int
  max_pairs: int
  min_room: int
  # A chunk cut by the room ends with a whole sentence where that wastes no
  # more tokens.
  slack: int
  next_sentence: bool
  single_sentence: SingleSentence
  short_seq_prob: float
  cls_id: int
  sep_id: int


@dataclasses.dataclass(frozen=True)
class Texts:
  """Documents as one run of tokens; empty sentences and documents are gone."""

  input_ids: np.ndarray  # [tokens] int32.
  # The first token of each sentence, and the end of the last.
  starts: list[int]
  # The first sentence of each document, and the end.
  first_sentences: list[int]
  # (first, end) of the documents of each document's article.
  articles: list[tuple[int, int]]
  # Documents to make pairs of; those behind them only serve as random next.
  num_own: int

  @classmethod
  def join(
    cls,
    own: Sequence[TokenizedDocument],
    others: Sequence[TokenizedDocument] = (),
  ) -> 'Texts':
    """Joins documents: own, each article's together, and those behind them."""
    articles = list(dict.fromkeys(article_id(d.id) for d in own))
    rank = {name: number for number, name in enumerate(articles)}
    own = [d for d in own if len(d.input_ids)]
    own.sort(key=lambda document: rank[article_id(document.id)])
    documents = [*own, *(d for d in others if len(d.input_ids))]
    lengths = [d.sentence_lengths[d.sentence_lengths > 0] for d in documents]
    counts = [len(part) for part in lengths]
    none = [np.zeros(0, np.int32)]
    return cls(
      np.concatenate([d.input_ids for d in documents] + none),
      [0, *np.cumsum(np.concatenate(lengths + none), dtype=np.int64).tolist()],
      [0, *np.cumsum(counts, dtype=np.int64).tolist()],
      list(_runs([article_id(d.id) for d in documents])),
      len(own),
    )


def article_id(id: str) -> str:
  """The article of a document: 'pmcid:PMC1' of 'pmcid:PMC1#3'."""
  return id.partition('#')[0]


def _runs(names: Sequence[str]) -> Iterator[tuple[int, int]]:
  """(first, end) of the equal neighbours of each name."""
  first = 0
  for _, group in itertools.groupby(names):
    size = len(list(group))
    yield from [(first, first + size)] * size
    first += size


def make_sequences(
  texts: Texts, rules: Rules, stream: RandomStream, num_rows: int
) -> PackedPairs:
  """Fills `num_rows` sequences with pairs, in random order.

  Documents come in random order. Those left over when all sequences are full
  are left out; if too few (one at least), they come again in another order and
  with other random choices.
  """
  maker = _PairMaker(texts, rules, stream)
  rows: list[list[Pair]] = []
  for _ in range(num_rows):
    room, row = rules.max_seq_length, list[Pair]()
    while not row or (room >= rules.min_room and len(row) < rules.max_pairs):
      row.append(maker.next(room))
      room -= row[-1].size
    rows.append(row)
  rows = [rows[number] for number in stream.order(num_rows)]
  shape = rules.max_seq_length, rules.max_pairs
  specials = rules.cls_id, rules.sep_id
  return lay_out(rows, texts.input_ids, shape, specials, maker.usage)


class _PairMaker:
  """Pairs, one after the other, for as much room as there is."""

  def __init__(self, texts: Texts, rules: Rules, stream: RandomStream):
    self.usage = BlockUsage(texts.num_own)
    self._texts, self._rules, self._stream = texts, rules, stream
    self._order: list[int] = []
    # Sentences of the document at hand: the next one, and the end.
    self._at = self._end = 0
    self._piece = 0  # The next token, where sentences may be split.
    self._target = self._longest = rules.max_seq_length - PAIR_SPECIALS
    self._is_short = False

  def next(self, room: int) -> Pair:
    """The next pair, of at most `room` positions."""
    if self._at == self._end:
      self._open()
    if not self._rules.next_sentence:
      return self._part(room)
    limit = room - PAIR_SPECIALS
    stop, shortened = self._chunk(limit)
    count = stop - self._at
    if count == 1 and self._rules.single_sentence == 'unlabelled':
      return self._alone(room - ALONE_SPECIALS, shortened)
    middle = self._at + 1
    if count > 1:
      middle += self._stream.below(count - 1)
    starts = self._texts.starts
    a, b = starts[self._at], starts[middle]
    if count == 1 or self._stream.bits() < _HALF:
      label, own = IS_RANDOM, b - a
      target = min(self._target, limit) - own
      other, other_length = self._random_next(target)
      stop = middle  # The rest is put back.
    else:
      label, own = IS_NEXT, starts[stop] - a
      other, other_length = b, starts[stop] - b
    pair = truncate((a, b - a), (other, other_length), limit, self._stream)
    held = pair[1] + (pair[3] if label == IS_NEXT else 0)
    self._advance(stop, own, own - held)
    return Pair(*pair, label, self._is_short, shortened)

  def _open(self) -> None:
    """Goes to the next document."""
    stream, rules = self._stream, self._rules
    if not self._order:
      self._order = stream.order(self._texts.num_own)
    document = self._order.pop()
    self._at, self._end = self._texts.first_sentences[document : document + 2]
    self._piece = self._texts.starts[self._at]
    self._target = self._longest
    if stream.chance(rules.short_seq_prob):
      self._target = 2 + stream.below(self._longest - 1)
    self._is_short = self._target < self._longest
    self.usage.begun += 1

  def _advance(self, stop: int, walked: int, truncated: int) -> None:
    self._at = stop
    self.usage.walked += walked
    self.usage.truncated += truncated

  def _chunk(self, limit: int) -> tuple[int, bool]:
    """The end of the next chunk, and whether the room cut it short.

    The target is reached by the last sentence, as in the reference. But where
    the room is less, the chunk ends before the sentence that does not fit, if
    it keeps two sentences and wastes little.
    """
    starts = self._texts.starts
    first = starts[self._at]
    target = min(self._target, limit)
    stop = bisect.bisect_left(starts, first + target, self._at + 1, self._end)
    if self._target <= limit:
      return stop, False
    cut = stop < self._end
    if starts[stop] - first > limit:
      cut = True
      waste = limit - (starts[stop - 1] - first)
      if waste <= self._rules.slack and stop - self._at > 2:
        stop -= 1
    return stop, cut

  def _random_next(self, target: int) -> tuple[int, int]:
    """Sentences of another article: (first token, tokens), at least one."""
    texts, stream = self._texts, self._stream
    # The document at hand is the one whose sentences begin before `_end`.
    document = bisect.bisect_left(texts.first_sentences, self._end) - 1
    first, end = texts.articles[document]
    others = len(texts.articles) - (end - first)
    if not others:  # One article in all: another of its documents, or itself.
      first, end = document, document + (len(texts.articles) > 1)
      others = len(texts.articles) - (end - first)
    other = stream.below(others)
    if other >= first:
      other += end - first
    begin, end = texts.first_sentences[other : other + 2]
    begin += stream.below(end - begin)
    piece = texts.starts[begin]
    stop = bisect.bisect_left(texts.starts, piece + target, begin + 1, end)
    return piece, texts.starts[stop] - piece

  def _alone(self, limit: int, shortened: bool) -> Pair:
    """The next sentence by itself, without a label."""
    a, end = self._texts.starts[self._at : self._at + 2]
    length = min(end - a, limit)
    self._advance(self._at + 1, end - a, end - a - length)
    a += self._stream.heads(end - a - length)
    return Pair(a, length, 0, 0, UNLABELLED, self._is_short, shortened)

  def _part(self, room: int) -> Pair:
    """The next tokens by themselves; a sentence may go on in the next ones."""
    starts, limit = self._texts.starts, room - ALONE_SPECIALS
    a = self._piece
    at = bisect.bisect_left(starts, a + self._target, self._at + 1, self._end)
    stop = starts[at]
    shortened = stop - a > limit and limit < self._longest
    if stop - a > limit:
      stop = a + limit
      at = bisect.bisect_right(starts, stop, self._at) - 1
      if starts[at] > a and stop - starts[at] <= self._rules.slack:
        stop = starts[at]
    self._piece = stop
    self._advance(at, stop - a, 0)
    return Pair(a, stop - a, 0, 0, UNLABELLED, self._is_short, shortened)


def truncate(
  a: tuple[int, int], b: tuple[int, int], limit: int, stream: RandomStream
) -> tuple[int, int, int, int]:
  """Shortens the longer of two segments, a token at a time.

  Each token is taken from the front or the back by chance (the loop at 418-433
  of the reference, of which this is the outcome). A segment is its first token
  and its number of tokens; both together keep `limit` tokens, at least 2.
  """
  (a_start, a_length), (b_start, b_length) = a, b
  if a_length + b_length > limit:
    kept = min(a_length, max(limit - b_length, (limit + 1) // 2))
    a_start += stream.heads(a_length - kept)
    b_start += stream.heads(b_length - (limit - kept))
    a_length, b_length = kept, limit - kept
  return a_start, a_length, b_start, b_length
