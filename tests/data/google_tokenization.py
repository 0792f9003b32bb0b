"""The tokens of Google's BERT, in plain Python: the oracle of the tests.

Written anew after the behaviour of google-research/bert `tokenization.py`
(classes FullTokenizer, BasicTokenizer, WordpieceTokenizer). One function per
step, in the order in which the original runs them. Slow, and without offsets.
"""

import unicodedata
from collections.abc import Collection

# Code points that BasicTokenizer._is_chinese_char lists.
CHINESE = (
  (0x3400, 0x4DBF),
  (0x4E00, 0x9FFF),
  (0xF900, 0xFAFF),
  (0x20000, 0x2A6DF),
  (0x2A700, 0x2B73F),
  (0x2B740, 0x2B81F),
  (0x2B820, 0x2CEAF),
  (0x2F800, 0x2FA1F),
)


def tokenize(
  text: str, vocabulary: Collection[str], do_lower_case: bool
) -> list[str]:
  """The pieces of a text (FullTokenizer.tokenize)."""
  return [
    piece
    for word in basic_words(text, do_lower_case)
    for piece in word_pieces(word, vocabulary)
  ]


def basic_words(text: str, do_lower_case: bool) -> list[str]:
  """The words of a text (BasicTokenizer.tokenize)."""
  words: list[str] = []
  for token in _space_chinese(_clean(text)).split():
    if do_lower_case:
      token = _strip_accents(token.lower())
    words += _split_punctuation(token)
  # Lower-casing and decomposition may bring white space in.
  return ' '.join(words).split()


def word_pieces(
  word: str, vocabulary: Collection[str], longest: int = 200
) -> list[str]:
  """Greedy longest match, or [UNK] (WordpieceTokenizer.tokenize)."""
  if len(word) > longest:
    return ['[UNK]']
  pieces: list[str] = []
  start = 0
  while start < len(word):
    prefix = '##' if start else ''
    for end in range(len(word), start, -1):
      piece = prefix + word[start:end]
      if piece in vocabulary:
        break
    else:
      return ['[UNK]']
    pieces.append(piece)
    start = end
  return pieces


def is_chinese(char: str) -> bool:
  """Whether a character gets spaces around it."""
  return any(first <= ord(char) <= last for first, last in CHINESE)


def is_punctuation(char: str) -> bool:
  """Whether a character is a word of its own: P*, and ASCII symbols."""
  if char.isascii():
    return char.isprintable() and not char.isalnum() and char != ' '
  return unicodedata.category(char).startswith('P')


def _clean(text: str) -> str:
  kept: list[str] = []
  for char in text:
    category = unicodedata.category(char)
    if char in '\t\n\r' or category == 'Zs':
      kept.append(' ')
    elif char not in '\0\ufffd' and category not in ('Cc', 'Cf'):
      kept.append(char)
  return ''.join(kept)


def _space_chinese(text: str) -> str:
  return ''.join(f' {char} ' if is_chinese(char) else char for char in text)


def _strip_accents(text: str) -> str:
  decomposed = unicodedata.normalize('NFD', text)
  return ''.join(c for c in decomposed if unicodedata.category(c) != 'Mn')


def _split_punctuation(token: str) -> list[str]:
  words: list[str] = []
  inside = False
  for char in token:
    if is_punctuation(char):
      words.append(char)
      inside = False
    elif inside:
      words[-1] += char
    else:
      words.append(char)
      inside = True
  return words
