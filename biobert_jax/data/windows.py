"""Sentences of words to windows of tokens, and predictions back to words.

A sentence that fits is one window. A longer one is cut at word boundaries
into overlapping windows; each of its words is labelled and predicted in the
one where it has most context (run_squad.py's rule).
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

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
  texts: list[list[list[int]]] = []
  first = 0
  for sentence in sentences:
    own = pieces[first : first + len(sentence)]
    for word in own:
      counts['words_without_pieces'] += not word
      counts['words_cut'] += len(word) > budget
    texts.append([word[:budget] or [tokenizer.unk_id] for word in own])
    first += len(sentence)
  windows, split = _lay_out(texts, tokenizer, budget, overlap)
  counts['sentences_split'] += split
  return windows


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
  words = ([[piece] for piece in pieces] for pieces in texts)
  windows, split = _lay_out(words, tokenizer, budget, overlap, slots=True)
  counts['texts_split'] += split
  return windows


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


def _lay_out(
  texts: Iterable[list[list[int]]],
  tokenizer: WordPieceTokenizer,
  budget: int,
  overlap: int,
  slots: bool = False,
) -> tuple[Windows, int]:
  """The windows of texts of words of tokens, and how many texts were cut.

  With `slots`, the [CLS] and [SEP] of a text are numbered like its words.
  """
  ids: list[int] = []
  words: list[int] = []
  offsets = [0]
  first = split = 0
  for text in texts:
    lengths = [len(word) for word in text]
    cuts = _cut(lengths, budget, overlap)
    owner = owners(lengths, cuts)
    split += len(cuts) > 1
    for number, (begin, end) in enumerate(cuts):
      ids.append(tokenizer.cls_id)
      words.append(first if slots and begin == 0 else -1)
      for w in range(begin, end):
        ids += text[w]
        words.append(first + slots + w if owner[w] == number else -1)
        words += [-1] * (len(text[w]) - 1)
      ids.append(tokenizer.sep_id)
      words.append(first + 1 + end if slots and end == len(text) else -1)
      offsets.append(len(ids))
    first += len(text) + 2 * slots
  arrays = np.asarray(ids, np.int32), np.asarray(words, np.int32)
  return Windows(*arrays, np.asarray(offsets, np.int64), first), split


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
  """The window [first, last) where each word has most context.

  As in run_squad.py:433; `lengths` are the tokens of each word.
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
