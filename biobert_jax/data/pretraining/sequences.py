"""Token shards to packed sequences: a function of (shards, seed, step).

Nothing is shuffled in memory. Shards hold documents in the order of their
article's hash, so a range of them is a random sample of the corpus and lies
together on disk: a *block*. Each block gives the same number of packed
sequences, so it is known where each one is without reading any:

    step + phase of slot k = (its block number q, a sequence of this block)
    block q of slot k      = block q * batch_size + k of all epochs, one by one
    a block                = its place in the epoch's order, by hash

So a host reads only what its slots need, any step can be the first, and as the
phases differ, each step begins as many blocks as any other. What lies before
the phase in the first blocks is not seen in the first epoch. Where blocks begin
is shifted by another offset each epoch; long documents are cut there.
"""

import collections
import functools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from biobert_jax.data.batch_sizes import Stages
from biobert_jax.data.packing import Batch
from biobert_jax.data.pretraining.block_order import BlockOrder
from biobert_jax.data.pretraining.sentence_pairs import (
  PAIR_SPECIALS,
  UNLABELLED,
  PackedPairs,
  Rules,
  SingleSentence,
  Texts,
  article_id,
  describe,
  expand,
  feature_shapes,
  make_sequences,
)
from biobert_jax.data.pretraining.shards import Shards, TokenizedDocument
from biobert_jax.data.random_streams import RandomStream, mix
from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer

# The uses of hashes: no two of them share random numbers.
_OFFSET, _ORDER, _PHASE, _PAIRS, _PLACES = range(5)
# The epoch of evaluation, which training never reaches.
_EVALUATION = 1 << 40
# Of the sequences of a block together: 32 of 512. Unpacked, what one takes
# varies more: in blocks of 32, documents of many pairs would come off badly.
_BLOCK_POSITIONS, _UNPACKED_POSITIONS = 1 << 14, 1 << 16
_SAMPLES = 64  # Blocks made to see how much of the corpus a sequence takes.
# Blocks of fewer articles draw random next from elsewhere too.
_FEW_ARTICLES, _OTHERS = 8, 8
_TRIES = 64  # Documents looked at to find those others.
_KEPT_ARTICLES = 1 << 16  # Documents whose article is remembered.
_LONG = 8  # A document is long if longer than this part of a block.
_PAIR_POSITIONS = 64  # Of a sequence for each pair that it may have.
_LEAST_LENGTH = PAIR_SPECIALS + 2


class PretrainingSequences:
  """Packed sentence pairs, not masked; safe in several threads."""

  def __init__(
    self,
    shards: Shards,
    tokenizer: WordPieceTokenizer,
    *,
    max_seq_length: int,
    pack: bool = True,
    next_sentence: bool = True,
    single_sentence: SingleSentence = 'unlabelled',
    short_seq_prob: float = 0.1,
    max_pairs: int | None = None,
    min_room: int | None = None,
    block_rows: int | None = None,
    max_eval_rows: int | None = None,
    seed: int = 0,
  ):
    """Sees how much of the corpus a packed sequence takes (about a second).

    Args:
      pack: several pairs a sequence, or one as in the reference.
      next_sentence: pairs for next sentence prediction, or tokens of documents
        as [CLS] ... [SEP] without labels (RoBERTa, Liu et al. 2019).
      single_sentence: a chunk of one sentence is 'unlabelled', or gets a
        'random' next as in the reference, which skews the labels.
      short_seq_prob: share 0-1 of documents whose pairs are shorter, uniformly
        from 2 tokens (reference line 62).
      max_pairs: P, of a sequence; by default one for 64 positions, 4 at least.
      min_room: positions left at which a sequence is finished; by default an
        eighth of L, or without pairs a sixteenth.
      block_rows: sequences of a block, about; the more, the fewer documents are
        left out or repeated, and the longer takes the first step.
      max_eval_rows: of a pass of `eval_batches`; None or 0 for all.

    Raises:
      InputError: An option that cannot be, another vocabulary, no text.
    """
    shards.check_vocabulary(tokenizer)
    if max_pairs is None:
      max_pairs = max(4, max_seq_length // _PAIR_POSITIONS)
    _check_options(max_seq_length, single_sentence, short_seq_prob, max_pairs)
    if min_room is None:
      min_room = max_seq_length // (8 if next_sentence else 16)
    self.max_seq_length = max_seq_length
    self.max_pairs = max_pairs if pack else 1
    self._rules = Rules(
      max_seq_length,
      self.max_pairs,
      max(_LEAST_LENGTH, min_room),
      max_seq_length // 32,
      next_sentence,
      single_sentence,
      short_seq_prob,
      tokenizer.cls_id,
      tokenizer.sep_id,
    )
    self.seed = seed
    self._shards = shards
    # [documents] where each begins in the corpus, in tokens.
    ends = np.cumsum(shards.lengths, dtype=np.int64)
    self._begins = ends - shards.lengths
    self._tokens = int(ends[-1]) if len(ends) else 0
    if not self._tokens:
      what = f'{shards.directory}: this split has no text'
      raise InputError(f'{what}; prepare the corpus with more articles')
    positions = _BLOCK_POSITIONS if pack else _UNPACKED_POSITIONS
    self._article = functools.lru_cache(_KEPT_ARTICLES)(
      lambda number: article_id(shards[number].id)
    )
    self._choose_blocks(block_rows or positions // max_seq_length)
    self._eval_total = min(max_eval_rows or self.num_rows, self.num_rows)
    self._order = functools.lru_cache(maxsize=4)(self._order_of_epoch)
    self._blocks = functools.lru_cache(maxsize=2)(self._block_order)
    self._lock = threading.Lock()
    self._open: collections.OrderedDict[int, _Block] = collections.OrderedDict()

  @property
  def num_rows(self) -> int:
    """Rows of an epoch."""
    return self.num_blocks * self.block_rows

  def feature_shapes(self, batch_size: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the batch's device arrays, int32 each."""
    return feature_shapes(batch_size, self.max_seq_length, self.max_pairs)

  def train_batch(
    self,
    step: int,
    batch_size: int,
    host: int = 0,
    hosts: int = 1,
    earlier: Stages = (),
  ) -> Batch:
    """The batch of a training step; see `packing.PackedRows.train_batch`.

    Returns:
      Arrays as in `feature_shapes`, where row_ids is the index in the global
      batch; concatenated over hosts, always the same.
    """
    each = batch_size // hosts
    slots = np.arange(host * each, (host + 1) * each)
    order, parts = self._blocks(batch_size, earlier), []
    for slot in slots.tolist():
      block, row = order.place(slot, step)
      rows = self._kept_block(block, each)
      parts.append((rows.input_ids[row], rows.lengths[row], rows.labels[row]))
    ids, lengths, labels = map(np.stack, zip(*parts, strict=True))
    return expand(ids, lengths, labels, slots)

  def eval_batches(self, batch_size: int) -> Iterator[Batch]:
    """One pass, always the same; the last batch is filled up with padding.

    Yields:
      Arrays as in `feature_shapes`, where row_ids is the index in the pass;
      padding goes on counting.
    """
    total, length, pairs = self._eval_total, self.max_seq_length, self.max_pairs
    rows = self._eval_rows()
    for first in range(0, total, batch_size):
      ids = np.zeros((batch_size, length), np.int32)
      lengths = np.zeros((batch_size, pairs, 2), np.int32)
      labels = np.full((batch_size, pairs), UNLABELLED, np.int32)
      for place in range(min(batch_size, total - first)):
        ids[place], lengths[place], labels[place] = next(rows)
      yield expand(ids, lengths, labels, first + np.arange(batch_size))

  def _eval_rows(self) -> Iterator[tuple[np.ndarray, ...]]:
    for index in range(self.num_blocks):
      rows = self._make_block(_EVALUATION, index)
      yield from zip(rows.input_ids, rows.lengths, rows.labels, strict=True)

  def statistics(self, num_blocks: int = 64, epoch: int = 0) -> dict[str, Any]:
    """Shares 0-1 and means, see `describe`, and the figures they come from.

    Args:
      num_blocks: to make, spread over the epoch; all if there are no more.
      epoch: from 0.
    """
    count = min(num_blocks, self.num_blocks)
    chosen = [i * self.num_blocks // count for i in range(count)]
    return {
      'rows_per_epoch': self.num_rows,
      'rows_per_block': self.block_rows,
      'blocks_measured': count,
      **describe([self._make_block(epoch, index) for index in chosen]),
    }

  def _choose_blocks(self, wanted: int) -> None:
    """Cuts an epoch into blocks of about so many sequences."""
    # No more than there can be: sequences that are full to a quarter.
    most = 4 * self._tokens // self.max_seq_length
    wanted = max(1, min(wanted, most))
    rows = self._tokens / self._calibrate(wanted)
    self.num_blocks = max(1, round(rows / wanted))
    self.block_rows = max(1, round(rows / self.num_blocks))

  def _block_order(self, batch_size: int, earlier: Stages) -> BlockOrder:
    sizes = [stage.batch_size for stage in earlier] + [batch_size]
    slots = np.arange(sizes[0])
    phases = mix(self.seed, _PHASE, slots) % np.uint64(self.block_rows)
    order = BlockOrder(sizes[0], self.block_rows, phases.tolist())
    for stage, size in zip(earlier, sizes[1:], strict=True):
      order = order.after(stage.end, size)
    return order

  def _kept_block(self, number: int, slots: int) -> PackedPairs:
    """A block, by its number in all epochs; kept while a slot is in it."""
    with self._lock:
      block = self._open.pop(number, None) or _Block()
      self._open[number] = block
      # A slot goes on to its next block while a thread may still want the last.
      while len(self._open) > slots + slots // 4 + 8:
        self._open.popitem(last=False)
    # Others that want it wait for the first, those that do not go on.
    with block.lock:
      if block.rows is None:
        epoch, place = divmod(number, self.num_blocks)
        block.rows = self._make_block(epoch, int(self._order(epoch)[place]))
      return block.rows

  def _order_of_epoch(self, epoch: int) -> np.ndarray:
    hashes = mix(self.seed, _ORDER, epoch, np.arange(self.num_blocks))
    return np.argsort(hashes, kind='stable')

  def _make_block(self, epoch: int, index: int) -> PackedPairs:
    shift = int(mix(self.seed, _OFFSET, epoch)) % self._tokens
    begin = shift + index * self._tokens // self.num_blocks
    end = shift + (index + 1) * self._tokens // self.num_blocks
    stream = RandomStream(self.seed, _PAIRS, epoch, index)
    return make_sequences(
      self._texts(begin, end, stream), self._rules, stream, self.block_rows
    )

  def _texts(self, begin: int, end: int, stream: RandomStream) -> Texts:
    """The documents of a range of tokens, and others to draw from."""
    own = self._documents(begin, end)
    articles = {article_id(document.id) for document in own}
    others: list[TokenizedDocument] = []
    few = len(articles) < _FEW_ARTICLES and self._rules.next_sentence
    for _ in range(_TRIES if few else 0):
      number = stream.below(len(self._shards))
      if self._shards.lengths[number] and self._article(number) not in articles:
        others.append(self._shards[number])
      if len(others) == _OTHERS:
        break
    return Texts.join(own, others)

  def _documents(self, begin: int, end: int) -> list[TokenizedDocument]:
    """The documents that begin in a range; of long ones only the sentences.

    Otherwise one range had far more than its share and the next one less.
    """
    first, last = self._document_at(begin), self._document_at(end)
    own = self._read(first, last)
    long = (end - begin) // _LONG
    if own and len(own[-1].input_ids) > long:
      own[-1] = _between(own[-1], 0, end - self._begin_of(last - 1))
    if self._shards.lengths[(first - 1) % len(self._shards)] > long:
      at = self._begin_of(first - 1)
      before = self._read(first - 1, first)
      own = [_between(before[0], begin - at, end - at), *own]
    own = [document for document in own if len(document.input_ids)]
    if own:
      return own
    # Not one sentence begins here: the one that goes on.
    place = begin % self._tokens
    number = int(np.searchsorted(self._begins, place, 'right')) - 1
    document = self._shards[number]
    ends = np.cumsum(document.sentence_lengths, dtype=np.int64)
    at = place - int(self._begins[number])
    over = int(np.searchsorted(ends, at, 'right'))
    begin = int(ends[over] - document.sentence_lengths[over])
    return [_between(document, begin, begin + 1)]

  def _begin_of(self, document: int) -> int:
    """The first token of a document in the endless corpus."""
    turn, number = divmod(document, len(self._shards))
    return turn * self._tokens + int(self._begins[number])

  def _document_at(self, token: int) -> int:
    """The first document at or after a token of the endless corpus."""
    turn, place = divmod(token, self._tokens)
    found = int(np.searchsorted(self._begins, place))
    return turn * len(self._shards) + found

  def _read(self, first: int, last: int) -> list[TokenizedDocument]:
    """Documents of such a range; behind the last comes the first again."""
    count = len(self._shards)
    turn, start = divmod(first, count)
    stop = last - turn * count
    found = self._shards.read(start, min(stop, count))
    return found + (self._shards.read(0, stop - count) if stop > count else [])

  def _calibrate(self, block_rows: int) -> float:
    """Tokens of the corpus that a sequence takes, on average; of no seed."""
    length = block_rows * self.max_seq_length
    count = min(_SAMPLES, 1 + 2 * self._tokens // length)
    taken = 0
    for sample in range(count):
      stream = RandomStream(_PLACES, sample)
      begin = stream.below(self._tokens)
      end = begin + min(self._tokens, 3 * length // 2)
      texts = self._texts(begin, end, stream)
      made = make_sequences(texts, self._rules, stream, block_rows)
      taken += made.usage.walked
    return taken / (count * block_rows)


class _Block:
  """A block's sequences, once they are made."""

  def __init__(self) -> None:
    self.lock = threading.Lock()
    self.rows: PackedPairs | None = None


def _check_options(
  max_seq_length: int,
  single_sentence: SingleSentence,
  short_seq_prob: float,
  max_pairs: int,
) -> None:
  if max_seq_length < _LEAST_LENGTH:
    raise InputError(
      f'max_seq_length={max_seq_length} is too short for a pair of sentences;'
      f' it must be at least {_LEAST_LENGTH}'
    )
  if single_sentence not in ('unlabelled', 'random'):
    what = f'single_sentence={single_sentence!r} is not unlabelled or random'
    raise InputError(what)
  if not 0 <= short_seq_prob <= 1:
    raise InputError(f'short_seq_prob={short_seq_prob} is not from 0 to 1')
  if max_pairs < 1:
    raise InputError(f'max_pairs={max_pairs} must be at least 1')


def _between(
  document: TokenizedDocument, start: int, stop: int
) -> TokenizedDocument:
  """The sentences of a document that begin in a range of its tokens."""
  lengths = document.sentence_lengths
  begins = np.cumsum(lengths, dtype=np.int64) - lengths
  first, last = np.searchsorted(begins, (start, stop)).tolist()
  at = np.append(begins, len(document.input_ids))[[first, last]]
  return TokenizedDocument(
    document.id, document.input_ids[slice(*at)], lengths[first:last]
  )
