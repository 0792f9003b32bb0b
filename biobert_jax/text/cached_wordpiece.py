"""The tokens of much text, through a cache of its words.

WordPiece works on words by themselves, and text repeats its words: with each
word's tokens looked up, a sentence costs a split and a join, five times less
than the Rust library takes for it. The library still decides every word.
"""

import re
from collections.abc import Sequence

import numpy as np

from biobert_jax.text.bert_normalizer import to_bert_form
from biobert_jax.text.wordpiece import WordPieceTokenizer, piece_dtype

# google-research/bert tokenization.py cuts at ASCII white space and at each
# ASCII sign that is no letter or digit, whatever stands beside it; what it
# does within the rest is left to the library. Other control characters are
# dropped there, and so join their neighbours: they stay in a word.
_WORD = re.compile(r'[^ \t\n\r!-/:-@\[-`{-~]+|[!-/:-@\[-`{-~]')
_LONGEST_KEPT = 64  # Characters; longer words are rare and never repeat.


class CachedWordPiece:
  """Text to the bytes of its tokens, equal to `WordPieceTokenizer.encode`."""

  def __init__(self, tokenizer: WordPieceTokenizer, cache_words: int = 200_000):
    """Holds `cache_words`, about 250 bytes each, before starting anew."""
    self._tokenizer = tokenizer
    self._dtype = piece_dtype(tokenizer.vocab_size)
    self._cache_words = cache_words
    self._pieces: dict[str, bytes] = {}

  def encode(self, texts: Sequence[str]) -> list[bytes]:
    """The tokens of some thousands of texts, without [CLS] and [SEP].

    Each text's ids are bytes of `piece_dtype`.
    """
    texts = [self._plain(text) for text in texts]
    words = [_WORD.findall(text) for text in texts]
    if len(self._pieces) > self._cache_words:
      self._pieces = {}
    pieces = self._pieces
    unknown = sorted(set().union(*words).difference(pieces))
    for word, ids in zip(
      unknown, self._tokenizer.encode_words(unknown), strict=True
    ):
      pieces[word] = np.asarray(ids, self._dtype).tobytes()
    found = pieces.__getitem__
    encoded = [b''.join(map(found, row)) for row in words]
    for word in unknown:
      if len(word) > _LONGEST_KEPT:
        del pieces[word]
    return encoded

  def _plain(self, text: str) -> str:
    """The text, each capital sigma lower-cased by what stands around it."""
    tokenizer = self._tokenizer
    if not tokenizer.do_lower_case or 'Σ' not in text:
      return text
    return to_bert_form(text, True, tokenizer.tokenize_chinese_chars)[0]
