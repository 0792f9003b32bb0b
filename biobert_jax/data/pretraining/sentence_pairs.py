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
from typing import Literal, NamedTuple

import numpy as np

from biobert_jax.data.packing import Batch
from biobert_jax.data.pretraining.shards import TokenizedDocument
from biobert_jax.data.random_streams import RandomStream

# Labels of next sentence prediction, as the reference counts them (line 131).
IS_NEXT, IS_RANDOM, UNLABELLED = 0, 1, -1
# Specials of a pair, [CLS] A [SEP] B [SEP], and of one segment alone.
PAIR_SPECIALS, ALONE_SPECIALS = 3, 2


def feature_shapes(
  batch_size: int, max_seq_length: int, max_pairs: int
) -> dict[str, tuple[int, ...]]:
  """Shapes of the batch's device arrays, int32 each.

  They are input_ids, segment_ids (0: A, 1: B), position_ids (from 0 in each
  pair), sequence_ids (0: padding, 1, 2, ...: the pair), all [B, L];
  cls_positions (0: no pair) and next_sentence_labels (0: next, 1: random, -1:
  none), [B, P]; and row_ids, [B].
  """
  names = ('input_ids', 'segment_ids', 'position_ids', 'sequence_ids')
  pairs = (batch_size, max_pairs)
  shapes: dict[str, tuple[int, ...]] = {}
  shapes |= dict.fromkeys(names, (batch_size, max_seq_length))
  shapes |= {'cls_positions': pairs, 'next_sentence_labels': pairs}
  return shapes | {'row_ids': (batch_size,)}


class Pair(NamedTuple):
  """Two segments by their first token and their number of tokens."""

  a: int
  a_length: int
  b: int
  b_length: int  # 0: A stands alone.
  label: int
  is_short: bool  # Its document drew a target length below the longest.
  is_shortened: bool  # The room of the sequence cut its chunk.

  @property
  def size(self) -> int:
    """Positions that it takes."""
    specials = PAIR_SPECIALS if self.b_length else ALONE_SPECIALS
    return self.a_length + self.b_length + specials


@dataclasses.dataclass
class BlockUsage:
  """How much of a block's documents its sequences use."""

  documents: int
  begun: int = 0  # Documents, each counted again in each further round.
  walked: int = 0  # Tokens taken, again in each further round.
  truncated: int = 0  # Of these, tokens that no sequence holds.


@dataclasses.dataclass(frozen=True)
class PackedPairs:
  """R packed sequences of pairs, in the least that they follow from."""

  input_ids: np.ndarray  # [R, L] int32, 0 where a sequence is empty.
  # [R, P, 2] int32 tokens of A and B; B has 0 where A stands alone, both
  # have 0 where there is no further pair.
  lengths: np.ndarray
  # [R, P] int32, see `IS_NEXT`; `UNLABELLED` where there is no pair.
  labels: np.ndarray
  is_short: np.ndarray  # [R, P] see `Pair`, as `is_shortened`.
  is_shortened: np.ndarray
  usage: BlockUsage


def lay_out(
  rows: list[list[Pair]],
  source: np.ndarray,
  shape: tuple[int, int],
  specials: tuple[int, int],
  usage: BlockUsage,
) -> PackedPairs:
  """Copies pairs into arrays of L and P, the `shape`.

  Given are the pairs of each packed sequence, the tokens they point to, and the
  ids of [CLS] and [SEP].
  """
  count, (length, max_pairs) = len(rows), shape
  cls_id, sep_id = specials
  ids = np.zeros(count * length, np.int32)
  table = np.zeros((count, max_pairs, 5), np.int32)
  table[..., 2] = UNLABELLED
  for number, row in enumerate(rows):
    at = number * length
    for place, pair in enumerate(row):
      a, a_length, b, b_length, *rest = pair
      ids[at] = cls_id
      at += 1
      ids[at : at + a_length] = source[a : a + a_length]
      at += a_length
      ids[at] = sep_id
      at += 1
      if b_length:
        ids[at : at + b_length] = source[b : b + b_length]
        at += b_length
        ids[at] = sep_id
        at += 1
      table[number, place] = (a_length, b_length, *rest)
  return PackedPairs(
    ids.reshape(count, length),
    table[..., :2],
    table[..., 2],
    table[..., 3] > 0,
    table[..., 4] > 0,
    usage,
  )


def expand(
  input_ids: np.ndarray,
  lengths: np.ndarray,
  labels: np.ndarray,
  row_ids: np.ndarray,
) -> Batch:
  """The arrays of `feature_shapes`, from those of `PackedPairs` and row ids."""
  rows, length = input_ids.shape
  a, b = lengths[..., 0], lengths[..., 1]
  sizes = a + np.where(b > 0, b + PAIR_SPECIALS, ALONE_SPECIALS) * (a > 0)
  ends = np.cumsum(sizes, 1)
  firsts = ends - sizes  # [B, P]
  # What is left of a sequence is one more run, of padding: [B, P + 1].
  runs = np.append(sizes, length - ends[:, -1:], 1).ravel()

  def spread(values: np.ndarray, padding: int) -> np.ndarray:
    full = np.full((rows, 1), padding, np.int32)
    values = np.append(np.broadcast_to(values, a.shape), full, 1)
    spread = np.repeat(values.astype(np.int32).ravel(), runs)
    return spread.reshape(rows, length)

  sequence_ids = spread(np.arange(1, a.shape[1] + 1), 0)
  position_ids = np.arange(length, dtype=np.int32) - spread(firsts, 0)
  position_ids *= sequence_ids > 0
  second = spread(np.where(b > 0, a + 2, length), length)
  return {
    'input_ids': input_ids,
    'segment_ids': (position_ids >= second).astype(np.int32),
    'position_ids': position_ids,
    'sequence_ids': sequence_ids,
    'cls_positions': np.where(a > 0, firsts, 0).astype(np.int32),
    'next_sentence_labels': labels,
    'row_ids': row_ids.astype(np.int32),
  }


def describe(blocks: list[PackedPairs]) -> dict[str, float]:
  """Statistics of packed sequences, of one block at least.

  Returns:
    fill: share of positions that are no padding; useful_pieces: that are
    neither padding nor specials. pairs_per_row; rows_at_max_pairs: share. Of
    pairs, shares: unlabelled, drawn_short (by `short_seq_prob`) and
    shortened_by_room; random_next is a share of those with a label. Of the
    corpus: documents_left_out and documents_repeated as shares of documents,
    and pieces_truncated of tokens.
  """
  lengths = np.concatenate([rows.lengths for rows in blocks])
  labels = np.concatenate([rows.labels for rows in blocks])
  real = lengths[..., 0] > 0
  specials = np.where(lengths[..., 1] > 0, PAIR_SPECIALS, ALONE_SPECIALS)
  positions = sum(rows.input_ids.size for rows in blocks)
  pieces = int(lengths.sum())
  pairs = int(real.sum())
  labelled = int((labels != UNLABELLED).sum())
  short = sum(int(rows.is_short.sum()) for rows in blocks)
  shortened = sum(int(rows.is_shortened.sum()) for rows in blocks)
  b_pieces = int(lengths[..., 1].sum())
  usages = [rows.usage for rows in blocks]
  documents = sum(a.documents for a in usages)
  left_out = sum(max(0, a.documents - a.begun) for a in usages)
  repeated = sum(max(0, a.begun - a.documents) for a in usages)
  truncated = sum(a.truncated for a in usages)
  return {
    'fill': (pieces + int(specials[real].sum())) / positions,
    'useful_pieces': pieces / positions,
    'pairs_per_row': pairs / len(lengths),
    'rows_at_max_pairs': float(real.all(1).mean()),
    'mean_a_length': (pieces - b_pieces) / pairs,
    'mean_b_length': b_pieces / max(1, labelled),
    'unlabelled': 1 - labelled / pairs,
    'random_next': int((labels == IS_RANDOM).sum()) / max(1, labelled),
    'drawn_short': short / pairs,
    'shortened_by_room': shortened / pairs,
    'documents_left_out': left_out / documents,
    'documents_repeated': repeated / documents,
    'pieces_truncated': truncated / sum(a.walked for a in usages),
  }


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
