"""Sentences about a pair of entities to windows that keep the pair.

Of a sentence too long for a window, the window is centred on the pair; of a
pair that stands further apart, the tokens stay that are nearest to its
placeholders or markers (run_re.py keeps the first, and so loses placeholders).
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from biobert_jax.data.relation.pair_words import Markers, Placeholders
from biobert_jax.data.windows import Windows, one_window_each
from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer

# How a sentence shows its pair.
PairForm = Placeholders | Markers


class _Tokens(NamedTuple):
  """A sentence, not yet cut."""

  ids: list[int]
  fixed: list[int]  # Those that have to stay, in order; empty without a pair.
  starts: tuple[int, int]  # The first of the first and of the second entity.


def encode(
  texts: Sequence[str],
  tokenizer: WordPieceTokenizer,
  pair: PairForm,
  *,
  max_seq_length: int,
  counts: Counter[str],
) -> tuple[Windows, np.ndarray]:
  """Makes a window of each sentence, in their order.

  Args:
    pair: the words that stand for the pair, or around it.
    max_seq_length: tokens of a window at most, [CLS] and [SEP] included.
    counts: receives `sentences_cut`; of these `sentences_cut_between_the_pair`
      (it stands further apart than a window) and `sentences_cut_at_the_end`
      (there is no pair).

  Returns:
    The windows, see `one_window_each`; and [sentences, 2] int32, how far from
    [CLS] the first token of either entity stands; 0 where there is no pair.

  Raises:
    InputError: the pair has no room, or a marker no token.
  """
  sequences: list[list[int]] = []
  starts: list[list[int]] = []
  for text in texts:
    if isinstance(pair, Markers):
      found = _marked(text, tokenizer, pair)
    else:
      found = _anonymised(text, tokenizer, pair)
    kept = _kept(found, max_seq_length - 2, counts)
    ids = [found.ids[i] for i in kept]
    sequences.append([tokenizer.cls_id, *ids, tokenizer.sep_id])
    places = {piece: place for place, piece in enumerate(kept, 1)}
    starts.append([places[i] if found.fixed else 0 for i in found.starts])
  columns = np.asarray(starts, np.int32).reshape(-1, 2)
  return one_window_each(sequences), columns


def _anonymised(
  text: str, tokenizer: WordPieceTokenizer, pair: Placeholders
) -> _Tokens:
  """The tokens of a sentence; those of the two placeholders are fixed."""
  pieces, spans = tokenizer.encode(text)
  # A word that the vocabulary cannot spell is one token, [UNK], all the same.
  placed = [
    [i for i, (a, b) in enumerate(spans) if a < end and begin < b]
    for begin, end in pair.locate(text) or ()
  ]
  if not placed:
    return _Tokens(pieces, [], (0, 0))
  first, second = placed
  return _Tokens(pieces, sorted({*first, *second}), (first[0], second[0]))


def _marked(text: str, tokenizer: WordPieceTokenizer, pair: Markers) -> _Tokens:
  """The tokens of a sentence, one for each marker; these are fixed."""
  found = pair.locate(text)
  if not found:
    return _Tokens(tokenizer.encode(text)[0], [], (0, 0))
  marker_ids = pair.ids(tokenizer)
  pieces: list[int] = []
  places = [0] * len(found)
  begin = 0
  for i in sorted(range(len(found)), key=lambda i: found[i]):
    start, end = found[i]
    pieces += tokenizer.encode(text[begin:start])[0]
    places[i] = len(pieces)
    pieces.append(marker_ids[i])
    begin = end
  pieces += tokenizer.encode(text[begin:])[0]
  return _Tokens(pieces, sorted(places), (places[0], places[2]))


def _kept(found: _Tokens, budget: int, counts: Counter[str]) -> Sequence[int]:
  """Which tokens of a sentence stay, in order."""
  length, fixed = len(found.ids), found.fixed
  if length <= budget:
    return range(length)
  counts['sentences_cut'] += 1
  if not fixed:
    counts['sentences_cut_at_the_end'] += 1
    return range(budget)
  begin, end = fixed[0], fixed[-1] + 1
  if end - begin <= budget:
    start = (begin + end - budget) // 2
    start = max(0, min(start, length - budget))
    return range(start, start + budget)
  counts['sentences_cut_between_the_pair'] += 1
  if len(fixed) > budget:
    what = f'data.max_seq_length is {budget + 2}; the {len(fixed)} tokens'
    raise InputError(f'{what} that mark the pair have no room in it')
  inside = np.arange(begin, end)
  away = np.abs(inside[:, None] - np.asarray(fixed)).min(axis=1)
  nearest = inside[np.argsort(away, kind='stable')[:budget]]
  return [int(i) for i in np.sort(nearest)]
