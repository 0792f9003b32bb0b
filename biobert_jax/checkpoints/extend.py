"""A model with more tokens, or with more positions; the rest stays as it is."""

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biobert_jax.checkpoints.pretrained import Pretrained, check_parameters
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
# Parameters with a row for each token; the second only beside a masked-LM
# head, whose decoder is tied to the first.
_BY_PIECE = (WORDS, 'cls/predictions/bias')
# Google's [unused1], and the [unused_0] with which padded tables are named.
_UNUSED = re.compile(r'\[unused_?\d+\]')


def read_new_tokens(
  path: str | os.PathLike[str], model: Pretrained
) -> tuple[str, ...]:
  """Reads a list of new tokens, one per line; refuses those no text can meet.

  Tokens that the model has may be listed too.
  """
  tokens = read_vocab_file(path)
  known = frozenset(model.tokenizer.pieces)
  for line, token in enumerate(tokens, 1):
    if token not in known and (fault := _fault(token, model.tokenizer)):
      raise InputError.at(path, line, f'{token!r} {fault}')
  return tokens


def add_tokens(
  model: Pretrained, tokens: Sequence[str], over_unused: bool
) -> tuple[Pretrained, dict[str, Any]]:
  """Adds tokens to a vocabulary and rows to the model's embeddings.

  A new row is the mean of the rows of the old tokens, in the embeddings and,
  with a masked-LM head, in its bias. Where the old vocabulary knows only
  [UNK], it is the mean over all tokens except the specials and `[unused*]`.
  Tokens that are there already are skipped. `over_unused` takes the places of
  `[unused*]`, lowest first, and keeps the size of the vocabulary.

  Returns:
    The model, without optimizer slots, and a report for the user, in which
    `new` maps each token to the old ones that it started from.
  """
  check_parameters(model, 'extend')
  old = model.tokenizer
  if old.appended and not over_unused:
    raise InputError(
      f'{model.source.given}: its last {old.appended} tokens were added behind '
      'the vocabulary, which therefore cannot grow; give --over_unused, which '
      'takes the places of [unused*]'
    )
  ids = {token: i for i, token in enumerate(old.pieces)}
  if len(set(tokens)) != len(tokens):
    raise InputError('a new token is given twice; drop repeats')
  new = [token for token in tokens if token not in ids]
  for token in new:
    if fault := _fault(token, old):
      raise InputError(f'new token {token!r} {fault}')
  # Ids of the tokens that texts are made of.
  known = [
    i
    for token, i in ids.items()
    if token not in SPECIALS and not _UNUSED.fullmatch(token)
  ]
  parts = {token: split_token(token, ids) for token in new}
  places = _places(model, len(new), over_unused)
  vocabulary = [*old.pieces, *(() if over_unused else new)]
  for place, token in zip(places, new, strict=True):
    vocabulary[place] = token
  rows = [[ids[p] for p in parts[token]] or known for token in new]
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
    'already_there': len(tokens) - len(new),
    'unknown_before': [token for token in new if not parts[token]],
    'new': {token: parts[token] or [UNK] for token in new},
  }


def extend_positions(
  model: Pretrained, max_position_embeddings: int
) -> Pretrained:
  """Lengthens the position table to so many tokens: row i is row i % old.

  The optimizer's slots are dropped.
  """
  check_parameters(model, 'extend')
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


def split_token(token: str, vocabulary: Mapping[str, int]) -> list[str]:
  """The old tokens of a new one: greedy, longest first, as in WordPiece.

  There are none where WordPiece would give [UNK].
  """
  text = token.removeprefix('##')
  prefix = '##' if token != text else ''
  parts: list[str] = []
  start = 0
  while start < len(text):
    ends = range(len(text), start, -1)
    end = next((e for e in ends if prefix + text[start:e] in vocabulary), 0)
    if not end:
      return []
    parts.append(prefix + text[start:end])
    start, prefix = end, '##'
  return parts


def new_token_table(model: Pretrained, new: Mapping[str, Sequence[str]]) -> str:
  """The `new` of a report as lines: id, token, old tokens ([UNK]: all)."""
  ids = {token: i for i, token in enumerate(model.tokenizer.pieces)}
  lines = [f'{ids[p]}\t{p}\t{" ".join(old)}\n' for p, old in new.items()]
  return ''.join(['id\tpiece\told_pieces\n', *lines])


def _fault(token: str, tokenizer: WordPieceTokenizer) -> str:
  """Why no text could ever meet a token; '' if it can."""
  text = token.removeprefix('##')
  if not text:
    return 'holds no character; remove it'
  if any(char.isspace() for char in token):
    return 'holds white space, at which BERT cuts text; list its words'
  # A continuation is tried behind a letter, in a vocabulary without rivals.
  first = ('x',) if token != text else ()
  word = ''.join(first) + text
  pieces = tuple(dict.fromkeys((*SPECIALS, *first, token)))
  tried = dataclasses.replace(tokenizer, pieces=pieces, added=(), appended=0)
  if tried.tokenize(word) == [*first, token]:
    return ''
  if len(word) > MAX_CHARS_PER_WORD:
    return f'is longer than the {MAX_CHARS_PER_WORD} characters of a word'
  words = basic_words(word, tokenizer.do_lower_case)
  if len(words) > 1:
    return (
      f'is cut into {" ".join(words[:8])} before tokens are looked up, so '
      'no text meets it whole; list its parts'
    )
  if not words:
    return 'is dropped from text by BERT; remove it'
  became = words[0][1:] if first else words[0]
  casing = f'do_lower_case={json.dumps(tokenizer.do_lower_case)}'
  return (
    f'is never met: BERT turns it into {became!r} first ({casing}); write that'
  )


def _places(model: Pretrained, count: int, over_unused: bool) -> list[int]:
  """Ids for so many new tokens."""
  tokens = model.tokenizer.pieces
  if not over_unused:
    return list(range(len(tokens), len(tokens) + count))
  # A model of relations may have learnt some of them as markers.
  markers = model.settings.get('entities') == 'markers'
  taken = {token.content for token in model.tokenizer.added}
  taken |= set(model.settings['markers'] if markers else ())
  unused = [i for i, token in enumerate(tokens) if _UNUSED.fullmatch(token)]
  free = [i for i in unused if tokens[i] not in taken]
  if len(free) < count:
    raise InputError(
      f'{model.source.given}: {count} new tokens, but only {len(free)} '
      '[unused*] slots; list fewer, or leave out --over_unused to append them'
    )
  return free[:count]


def _with_rows(
  array: np.ndarray, places: Sequence[int], rows: Sequence[Sequence[int]]
) -> np.ndarray:
  """A copy with, at each place, the mean of some of its old rows."""
  size = max([len(array), *(place + 1 for place in places)])
  made = np.zeros((size, *array.shape[1:]), array.dtype)
  made[: len(array)] = array
  for place, sources in zip(places, rows, strict=True):
    made[place] = array[sources].mean(axis=0, dtype=np.float64)
  return made


def _extended(
  model: Pretrained,
  params: dict[str, np.ndarray],
  bert: BertConfig,
  step: Mapping[str, Any],
) -> Pretrained:
  """The model with other parameters; `about` tells each step."""
  # Adam's moments have other shapes than the new tables.
  contents = model.contents._replace(params=params, slots={})
  about = dict(model.about)
  if step:
    steps = about.get('extended', [])
    about['extended'] = [*steps, {'of': model.source.name, **step}]
  return dataclasses.replace(model, bert=bert, contents=contents, about=about)
