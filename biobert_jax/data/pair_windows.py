"""Sentences about a pair of entities to windows that keep the pair.

A sentence that fits is a window. Of a longer one the window is centred on the
pair; of a pair that stands further apart than a window is long, what lies
between loses its middle. So no placeholder falls to truncation, as it does
where the end is cut off (run_re.py keeps the first pieces).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from biobert_jax.data.placeholders import Placeholders, Span
from biobert_jax.data.windows import Windows
from biobert_jax.data.wordpiece import WordPieceTokenizer
from biobert_jax.errors import InputError


def encode(
  texts: Sequence[str],
  tokenizer: WordPieceTokenizer,
  placeholders: Placeholders,
  *,
  max_seq_length: int,
  counts: Counter[str],
) -> Windows:
  """Makes a window of each sentence.

  Args:
    texts: sentences.
    tokenizer: turns text into pieces.
    placeholders: the words that stand for the pair.
    max_seq_length: pieces of a window at most, [CLS] and [SEP] included.
    counts: receives `sentences_cut`; of these `sentences_cut_between_the_pair`
      (it stands further apart than a window) and `sentences_cut_at_the_end`
      (there is no pair).

  Returns:
    A window for each, in their order; in `words`, the sentence's number stands
    at [CLS], where its prediction is taken.

  Raises:
    InputError: a window has no room for two placeholders.
  """
  budget = max_seq_length - 2
  ids: list[int] = []
  words: list[int] = []
  offsets = [0]
  for number, text in enumerate(texts):
    pieces, spans = tokenizer.encode(text)
    found = placeholders.locate(text)
    pair = [_pieces_of(spans, span) for span in found] if found else []
    runs = _runs(len(pieces), pair, budget, counts)
    kept = [piece for begin, end in runs for piece in pieces[begin:end]]
    ids += [tokenizer.cls_id, *kept, tokenizer.sep_id]
    words += [number] + [-1] * (len(kept) + 1)
    offsets.append(len(ids))
  return Windows(
    np.asarray(ids, np.int32),
    np.asarray(words, np.int32),
    np.asarray(offsets, np.int64),
    len(texts),
  )


def _pieces_of(spans: Sequence[Span], span: Span) -> Span:
  """The range of the pieces that stand in a span of characters."""
  begin, end = span
  inside = [i for i, (a, b) in enumerate(spans) if a < end and begin < b]
  # A word that the vocabulary cannot spell is one piece, [UNK], all the same.
  return inside[0], inside[-1] + 1


def _runs(
  length: int, pair: Sequence[Span], budget: int, counts: Counter[str]
) -> list[Span]:
  """Ranges of the pieces that stay: one, or two around a gap."""
  if length <= budget:
    return [(0, length)]
  counts['sentences_cut'] += 1
  if not pair:
    counts['sentences_cut_at_the_end'] += 1
    return [(0, budget)]
  (begin, first), (second, end) = sorted(pair)
  if end - begin <= budget:
    start = (begin + end - budget) // 2
    start = max(0, min(start, length - budget))
    return [(start, start + budget)]
  counts['sentences_cut_between_the_pair'] += 1
  left = budget // 2
  right = budget - left
  if first - begin > left or end - second > right:
    raise InputError(
      f'data.max_seq_length is {budget + 2}; two placeholders of up to '
      f'{max(first - begin, end - second)} pieces have no room in it'
    )
  return [(begin, begin + left), (end - right, end)]
