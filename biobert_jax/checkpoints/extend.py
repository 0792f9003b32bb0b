"""A model with more word pieces, or with more positions.

What is new starts from what is there: the embedding of a new piece is the
mean of those of the pieces that the old vocabulary cuts it into, and further
positions repeat the old ones. All other numbers stay as they are.
"""

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biobert_jax.checkpoints import detect
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.errors import InputError
from biobert_jax.models.config import BertConfig
from biobert_jax.text.bert_normalizer import basic_words
from biobert_jax.text.vocabulary import (
  MAX_CHARS_PER_WORD,
  SPECIALS,
  UNK,
  read_vocab_file,
)
from biobert_jax.text.wordpiece import WordPieceTokenizer

TABLE_FILE = 'new_pieces.tsv'

WORDS = 'bert/embeddings/word_embeddings'
POSITIONS = 'bert/embeddings/position_embeddings'
# Parameters with a row for each piece; the second only beside a masked-LM
# head, whose decoder is tied to the first.
_BY_PIECE = (WORDS, 'cls/predictions/bias')
# Google's [unused1], and the [unused_0] with which padded tables are named.
_UNUSED = re.compile(r'\[unused_?\d+\]')
_SHOWN = 8  # Pieces that one error lists.


def read_pieces(
  path: str | os.PathLike[str], model: Pretrained
) -> tuple[str, ...]:
  """Reads a list of new pieces, one a line, and checks each.

  Args:
    path: UTF-8; a piece that continues a word begins with `##`.
    model: the one to be extended; pieces that it has may be listed too.

  Returns:
    The pieces in the order of the file.

  Raises:
    InputError: not a list, or a piece that no text could ever meet; names
      the line and says why.
  """
  pieces = read_vocab_file(path)
  known = frozenset(model.tokenizer.pieces)
  # Each line holds one piece.
  for line, piece in enumerate(pieces, 1):
    if piece not in known and (fault := _fault(piece, model.tokenizer)):
      raise InputError.at(path, line, f'{piece!r} {fault}')
  return pieces


def add_pieces(
  model: Pretrained, pieces: Sequence[str], over_unused: bool
) -> tuple[Pretrained, dict[str, Any]]:
  """Adds pieces to a vocabulary and rows to the model's embeddings.

  A new row is the mean of the rows of the old pieces, in the embeddings and,
  with a masked-LM head, in its bias. Where the old vocabulary knows only
  [UNK], it is the mean over all pieces but the specials and `[unused*]`.

  Args:
    model: what `weights.open_model` read.
    pieces: the new ones; those that are there already are skipped.
    over_unused: whether they take the places of `[unused*]`, lowest first,
      and the vocabulary keeps its size; else they are appended.

  Returns:
    The model, without optimizer slots, and a report: `vocab_size` before and
    after, `new_pieces` and `already_there` (counts), `over_unused`,
    `unknown_before` (those started from the mean over all), and `new`:
    piece -> old pieces, by id.

  Raises:
    InputError: a piece that no text could ever meet, a repeated one, or
      fewer places than pieces.
  """
  _check_parameters(model)
  old = model.tokenizer
  ids = {piece: i for i, piece in enumerate(old.pieces)}
  new, known = _checked(pieces, old), _known(old.pieces)
  parts = {piece: cut(piece, ids) for piece in new}
  places = _places(model, len(new), over_unused)
  vocabulary = [*old.pieces, *(() if over_unused else new)]
  for place, piece in zip(places, new, strict=True):
    vocabulary[place] = piece
  rows = [[ids[p] for p in parts[piece]] or known for piece in new]
  params = model.params | {
    path: _with_rows(model.params[path], places, rows)
    for path in _BY_PIECE
    if path in model.params
  }
  step = {
    'vocab_size': [len(old.pieces), len(vocabulary)],
    'new_pieces': len(new),
    'over_unused': over_unused,
  }
  bert = model.bert.replace(vocab_size=len(vocabulary))
  made = _extended(model, params, bert, step if new else {})
  tokenizer = dataclasses.replace(old, pieces=tuple(vocabulary))
  return dataclasses.replace(made, tokenizer=tokenizer), step | {
    'already_there': len(pieces) - len(new),
    'unknown_before': [piece for piece in new if not parts[piece]],
    'new': {piece: parts[piece] or [UNK] for piece in new},
  }


def _checked(pieces: Sequence[str], old: WordPieceTokenizer) -> list[str]:
  """Those of some pieces that a vocabulary lacks."""
  if len(set(pieces)) != len(pieces):
    raise InputError('a new piece is given twice; drop repeats')
  known = frozenset(old.pieces)
  new = [piece for piece in pieces if piece not in known]
  for piece in new:
    if fault := _fault(piece, old):
      raise InputError(f'new piece {piece!r} {fault}')
  return new


def longer_positions(
  model: Pretrained, max_position_embeddings: int
) -> Pretrained:
  """Lengthens the position table by tiling: row i is row i % old.

  Args:
    model: what `weights.open_model` read.
    max_position_embeddings: the longest sequence from now on, in pieces.

  Returns:
    The model, without optimizer slots.

  Raises:
    InputError: shorter than it is now.
  """
  _check_parameters(model)
  before = model.bert.max_position_embeddings
  if max_position_embeddings < before:
    raise InputError(
      f'--max_position_embeddings={max_position_embeddings}: the model has '
      f'{before}; only more can be made (shorter rows need no other model: set '
      '--config.data.max_seq_length)'
    )
  rows = np.arange(max_position_embeddings) % before
  params = model.params | {POSITIONS: model.params[POSITIONS][rows]}
  step = {'max_position_embeddings': [before, max_position_embeddings]}
  bert = model.bert.replace(max_position_embeddings=max_position_embeddings)
  grown = max_position_embeddings > before
  return _extended(model, params, bert, step if grown else {})


def cut(piece: str, vocabulary: Mapping[str, int]) -> list[str]:
  """The pieces of a piece: greedy, longest first, as WordPiece cuts words.

  Args:
    piece: what starts a word or, with `##`, continues one; its parts then
      continue one from the first on.
    vocabulary: piece -> id.

  Returns:
    The parts; empty where WordPiece would give [UNK].
  """
  text = piece.removeprefix('##')
  prefix = '##' if piece != text else ''
  parts: list[str] = []
  start = 0
  while start < len(text):
    candidates = (
      (end, prefix + text[start:end]) for end in range(len(text), start, -1)
    )
    found = next((c for c in candidates if c[1] in vocabulary), None)
    if found is None:
      return []
    start, prefix = found[0], '##'
    parts.append(found[1])
  return parts


def table(model: Pretrained, new: Mapping[str, Sequence[str]]) -> str:
  """The new rows as a table: id, piece, and the old pieces it started from.

  Args:
    model: what `add_pieces` made.
    new: `new` of its report; [UNK] stands for the mean over all pieces.

  Returns:
    Tab-separated lines below a header.
  """
  ids = {piece: i for i, piece in enumerate(model.tokenizer.pieces)}
  lines = [f'{ids[p]}\t{p}\t{" ".join(old)}\n' for p, old in new.items()]
  return ''.join(['id\tpiece\told_pieces\n', *lines])


def _check_parameters(model: Pretrained) -> None:
  if model.source.form in detect.COMPILED:
    raise InputError(
      f'{model.source.given}: compiled for {model.source.form}, it holds no '
      'parameters to extend; give what it was exported from'
    )


def _fault(piece: str, tokenizer: WordPieceTokenizer) -> str:
  """Why no text could ever meet a piece; '' if it can."""
  text = piece.removeprefix('##')
  if not text:
    return 'holds no character; remove it'
  if any(char.isspace() for char in piece):
    return 'holds white space, at which BERT cuts text; list its words'
  # A continuation is tried behind a letter, in a vocabulary without rivals.
  first = ('x',) if piece != text else ()
  word = ''.join(first) + text
  tried = dataclasses.replace(
    tokenizer, pieces=tuple(dict.fromkeys((*SPECIALS, *first, piece)))
  )
  if tried.tokenize(word) == [*first, piece]:
    return ''
  if len(word) > MAX_CHARS_PER_WORD:
    return f'is longer than the {MAX_CHARS_PER_WORD} characters of a word'
  words = basic_words(word, tokenizer.do_lower_case)
  if len(words) > 1:
    return (
      f'is cut into {" ".join(words[:_SHOWN])} before pieces are looked up, so '
      'no text meets it whole; list its parts'
    )
  if not words:
    return 'is dropped from text by BERT; remove it'
  became = words[0][1:] if first else words[0]
  casing = json.dumps(tokenizer.do_lower_case)
  return (
    f'is never met: BERT turns it into {became!r} first '
    f'(do_lower_case={casing}); write that'
  )


def _places(model: Pretrained, count: int, over_unused: bool) -> list[int]:
  """Ids for so many new pieces."""
  pieces = model.tokenizer.pieces
  if not over_unused:
    return list(range(len(pieces), len(pieces) + count))
  # A model of relations may have learnt some of them as markers.
  markers = model.settings.get('entities') == 'markers'
  taken = model.settings['markers'] if markers else ()
  free = [
    i
    for i, piece in enumerate(pieces)
    if _UNUSED.fullmatch(piece) and piece not in taken
  ]
  if len(free) < count:
    raise InputError(
      f'{model.source.given}: {count} new pieces, but only {len(free)} '
      '[unused*] slots; list fewer, or leave out --over_unused to append them'
    )
  return free[:count]


def _known(pieces: Sequence[str]) -> list[int]:
  """Ids of the pieces that texts are made of."""
  return [
    i
    for i, piece in enumerate(pieces)
    if piece not in SPECIALS and not _UNUSED.fullmatch(piece)
  ]


def _with_rows(
  array: np.ndarray, places: Sequence[int], rows: Sequence[Sequence[int]]
) -> np.ndarray:
  """A copy with, at each place, the mean of some of its old rows."""
  size = max([len(array), *(place + 1 for place in places)])
  made = np.zeros((size, *array.shape[1:]), array.dtype)
  made[: len(array)] = array
  for place, of in zip(places, rows, strict=True):
    made[place] = array[of].mean(axis=0, dtype=np.float64)
  return made


def _extended(
  model: Pretrained,
  params: dict[str, np.ndarray],
  bert: BertConfig,
  step: Mapping[str, Any],
) -> Pretrained:
  """The model with other parameters; `about` tells each step."""
  # Adam's moments have other shapes than the new tables.
  contents = dataclasses.replace(model.contents, params=params, slots={})
  about = dict(model.about)
  if step:
    steps = about.get('extended', [])
    about['extended'] = [*steps, {'of': model.source.name, **step}]
  return dataclasses.replace(model, bert=bert, contents=contents, about=about)
