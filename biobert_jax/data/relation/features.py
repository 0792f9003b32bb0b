"""Sentences about a pair of entities to windows that keep the pair.

A sentence that fits is a window. Of a longer one the window is centred on the
pair; of a pair that stands further apart than a window is long, the tokens
stay that are nearest to its placeholders or markers. So none of these falls to
truncation, as placeholders do where the end is cut off (run_re.py keeps the
first tokens).
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from biobert_jax.data.relation.markers import Markers
from biobert_jax.data.relation.placeholders import Placeholders, Span
from biobert_jax.data.windows import Windows
from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer

# How a sentence shows its pair.
PairForm = Placeholders | Markers


class PairWindows(NamedTuple):
  """Windows and where the pair stands in them.

  Attributes:
    windows: one for each sentence, in their order; in `words`, the sentence's
      number stands at [CLS], where its prediction is taken.
    starts: [sentences, 2] int32, how far from [CLS] the first token of either
      entity stands: of its placeholder, or its start marker. 0, which is [CLS]
      itself, where there is no pair.
  """

  windows: Windows
  starts: np.ndarray


class _Pieces(NamedTuple):
  """A sentence, not yet cut.

  Attributes:
    ids: all tokens.
    fixed: which of them have to stay, in order; empty without a pair.
    starts: which are the first of the first and of the second entity.
  """

  ids: list[int]
  fixed: list[int]
  starts: tuple[int, int]


def encode(
  texts: Sequence[str],
  tokenizer: WordPieceTokenizer,
  pair: PairForm,
  *,
  max_seq_length: int,
  counts: Counter[str],
) -> PairWindows:
  """Makes a window of each sentence.

  Args:
    texts: sentences.
    tokenizer: turns text into tokens.
    pair: the words that stand for the pair, or around it.
    max_seq_length: tokens of a window at most, [CLS] and [SEP] included.
    counts: receives `sentences_cut`; of these `sentences_cut_between_the_pair`
      (it stands further apart than a window) and `sentences_cut_at_the_end`
      (there is no pair).

  Returns:
    The windows.

  Raises:
    InputError: a window has no room for the pair, or the vocabulary no token
      for a marker.
  """
  budget = max_seq_length - 2
  ids: list[int] = []
  words: list[int] = []
  offsets = [0]
  starts: list[tuple[int, ...]] = []
  for number, text in enumerate(texts):
    if isinstance(pair, Markers):
      found = _marked(text, tokenizer, pair)
    else:
      found = _anonymised(text, tokenizer, pair)
    kept = _kept(found, budget, counts)
    places = {piece: place for place, piece in enumerate(kept, 1)}
    starts.append(
      tuple(places[start] for start in found.starts) if found.fixed else (0, 0)
    )
    ids += [tokenizer.cls_id, *(found.ids[i] for i in kept), tokenizer.sep_id]
    words += [number] + [-1] * (len(kept) + 1)
    offsets.append(len(ids))
  windows = Windows(
    np.asarray(ids, np.int32),
    np.asarray(words, np.int32),
    np.asarray(offsets, np.int64),
    len(texts),
  )
  return PairWindows(windows, np.asarray(starts, np.int32).reshape(-1, 2))


def _anonymised(
  text: str, tokenizer: WordPieceTokenizer, pair: Placeholders
) -> _Pieces:
  """The tokens of a sentence; those of the two placeholders are fixed."""
  pieces, spans = tokenizer.encode(text)
  found = pair.locate(text)
  if not found:
    return _Pieces(pieces, [], (0, 0))
  first, second = (_pieces_of(spans, span) for span in found)
  fixed = sorted({*range(*first), *range(*second)})
  return _Pieces(pieces, fixed, (first[0], second[0]))


def _pieces_of(spans: Sequence[Span], span: Span) -> Span:
  """The range of the tokens that stand in a span of characters."""
  begin, end = span
  inside = [i for i, (a, b) in enumerate(spans) if a < end and begin < b]
  # A word that the vocabulary cannot spell is one token, [UNK], all the same.
  return inside[0], inside[-1] + 1


def _marked(text: str, tokenizer: WordPieceTokenizer, pair: Markers) -> _Pieces:
  """The tokens of a sentence, one for each marker; these are fixed."""
  found = pair.locate(text)
  if not found:
    return _Pieces(tokenizer.encode(text)[0], [], (0, 0))
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
  return _Pieces(pieces, sorted(places), (places[0], places[2]))


def _kept(found: _Pieces, budget: int, counts: Counter[str]) -> Sequence[int]:
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
    raise InputError(
      f'data.max_seq_length is {budget + 2}; the {len(fixed)} tokens that mark '
      'the pair have no room in it'
    )
  inside = np.arange(begin, end)
  away = np.abs(inside[:, None] - np.asarray(fixed)).min(axis=1)
  nearest = inside[np.argsort(away, kind='stable')[:budget]]
  return [int(i) for i in np.sort(nearest)]
