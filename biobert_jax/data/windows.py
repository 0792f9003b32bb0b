"""Sentences of words to windows of tokens, and predictions back to words.

A sentence that fits is one window. A longer one is cut at word boundaries
into overlapping windows; each of its words is labelled and predicted in the
one where it has most context (run_squad.py's rule).
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np

from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer


@dataclasses.dataclass(frozen=True)
class Windows:
  """Windows laid end to end."""

  input_ids: np.ndarray  # [tokens] vocabulary ids, [CLS] and [SEP] included.
  # [tokens] at the first token of a word, where its prediction is taken:
  # the word's index among all words given; elsewhere -1.
  words: np.ndarray
  # [windows + 1] where each window begins in the two above.
  offsets: np.ndarray
  num_words: int  # How many words were given; each occurs once in `words`.
  segment_ids: np.ndarray | None = None  # [tokens] 0 or 1; None: all 0.

  @property
  def lengths(self) -> np.ndarray:
    """[windows] tokens of each window."""
    return np.diff(self.offsets)

  def take(self, chosen: np.ndarray) -> 'Windows':
    """The windows of the chosen indices; words keep their numbers."""
    lengths = self.lengths[chosen]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1])
    places += np.repeat(self.offsets[chosen] - offsets[:-1], lengths)
    segments = self.segment_ids
    return Windows(
      self.input_ids[places],
      self.words[places],
      offsets,
      self.num_words,
      None if segments is None else segments[places],
    )


def encode(
  sentences: Sequence[Sequence[str]],
  tokenizer: WordPieceTokenizer,
  *,
  max_seq_length: int,
  overlap: int,
  counts: Counter[str],
) -> Windows:
  """Cuts sentences of words into windows, in their order.

  Args:
    sentences: words of each sentence.
    tokenizer: turns words into tokens.
    max_seq_length: tokens of a window at most, [CLS] and [SEP] included.
    overlap: tokens that neighbouring windows of a long sentence share, at
      least (fewer where the next word needs the room).
    counts: receives `sentences_split`, `words_without_pieces` (kept as
      [UNK]) and `words_cut` (longer than a window: its first tokens stay).

  Raises:
    InputError: the window is too short for its overlap.
  """
  budget = _budget(max_seq_length, overlap)
  pieces = tokenizer.encode_words([w for s in sentences for w in s])
  ids: list[int] = []
  words: list[int] = []
  offsets = [0]
  first = 0
  for sentence in sentences:
    own = pieces[first : first + len(sentence)]
    counts['words_without_pieces'] += sum(not word for word in own)
    counts['words_cut'] += sum(len(word) > budget for word in own)
    own = [word[:budget] or [tokenizer.unk_id] for word in own]
    lengths = [len(word) for word in own]
    cuts = _cut(lengths, budget, overlap)
    owner = owners(lengths, cuts)
    counts['sentences_split'] += len(cuts) > 1
    for number, cut in enumerate(cuts):
      ids.append(tokenizer.cls_id)
      words.append(-1)
      for w in range(*cut):
        ids += own[w]
        words.append(first + w if owner[w] == number else -1)
        words += [-1] * (len(own[w]) - 1)
      ids.append(tokenizer.sep_id)
      words.append(-1)
      offsets.append(len(ids))
    first += len(sentence)
  return _windows(ids, words, offsets, first)


def encode_slots(
  texts: Sequence[Sequence[int]],
  tokenizer: WordPieceTokenizer,
  *,
  max_seq_length: int,
  overlap: int,
  counts: Counter[str],
) -> Windows:
  """Cuts token ids of texts into windows from which every slot is read.

  The slots of a text are [CLS], its tokens and [SEP], numbered on over all
  texts. In `words` each stands once: a token in the window where it has most
  context, [CLS] in the first window of its text, [SEP] in the last. For the
  arguments see `encode`; `counts` receives `texts_split`.
  """
  budget = _budget(max_seq_length, overlap)
  ids: list[int] = []
  slots: list[int] = []
  offsets = [0]
  first = 0
  for pieces in texts:
    lengths = [1] * len(pieces)
    cuts = _cut(lengths, budget, overlap)
    owner = owners(lengths, cuts)
    counts['texts_split'] += len(cuts) > 1
    for number, (begin, end) in enumerate(cuts):
      ids += [tokenizer.cls_id, *pieces[begin:end], tokenizer.sep_id]
      slots.append(first if begin == 0 else -1)
      for p in range(begin, end):
        slots.append(first + 1 + p if owner[p] == number else -1)
      slots.append(first + 1 + end if end == len(pieces) else -1)
      offsets.append(len(ids))
    first += len(pieces) + 2
  return _windows(ids, slots, offsets, first)


def one_window_each(
  sequences: Sequence[Sequence[int]], segment_ids: np.ndarray | None = None
) -> Windows:
  """Token ids as windows; in `words`, each one's number stands at its [CLS]."""
  lengths = [len(sequence) for sequence in sequences]
  offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
  ids = itertools.chain.from_iterable(sequences)
  words = np.full(offsets[-1], -1, np.int32)
  words[offsets[:-1]] = np.arange(len(sequences))
  return Windows(
    np.fromiter(ids, np.int32), words, offsets, len(sequences), segment_ids
  )


def _windows(
  ids: list[int], words: list[int], offsets: list[int], num_words: int
) -> Windows:
  return Windows(
    np.asarray(ids, np.int32),
    np.asarray(words, np.int32),
    np.asarray(offsets, np.int64),
    num_words,
  )


def _budget(max_seq_length: int, overlap: int) -> int:
  """Room of a window between [CLS] and [SEP]."""
  budget = max_seq_length - 2
  if not 0 <= overlap < budget:
    raise InputError(
      f'data.window_overlap is {overlap}; with data.max_seq_length '
      f'{max_seq_length} it must lie between 0 and {budget - 1}'
    )
  return budget


def _cut(
  lengths: list[int], budget: int, overlap: int
) -> list[tuple[int, int]]:
  """Word ranges [first, last) of the windows of one sentence."""
  if sum(lengths) <= budget:
    return [(0, len(lengths))]
  cuts = []
  start = 0
  while True:
    end, used = start, 0
    while end < len(lengths) and used + lengths[end] <= budget:
      used += lengths[end]
      end += 1
    cuts.append((start, end))
    if end == len(lengths):
      return cuts
    shared, following = 0, end
    # The next window has room for a word that this one lacks.
    room = budget - lengths[end]
    while (
      following - 1 > start
      and shared < overlap
      and shared + lengths[following - 1] <= room
    ):
      following -= 1
      shared += lengths[following]
    start = following


def owners(
  lengths: Sequence[int], cuts: Sequence[tuple[int, int]]
) -> Sequence[int]:
  """For each word the window where it has most context (run_squad.py:433).

  Args:
    lengths: tokens of each word.
    cuts: word ranges [first, last) of the windows; together they have all.
  """
  if len(cuts) == 1:
    return [0] * len(lengths)
  ends = np.cumsum(lengths)
  starts = ends - lengths
  best = np.full(len(lengths), -1.0)
  owner = np.zeros(len(lengths), np.int64)
  for number, (first, last) in enumerate(cuts):
    part, begin, end = slice(first, last), starts[first], ends[last - 1]
    context = np.minimum(starts[part] - begin, end - ends[part])
    score = context + 0.01 * (end - begin)
    owner[part] = np.where(score > best[part], number, owner[part])
    best[part] = np.maximum(score, best[part])
  return owner.tolist()
