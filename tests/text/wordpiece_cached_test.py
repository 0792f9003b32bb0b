"""Words looked up give the pieces that the tokenizer gives."""

import string

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import CachedWordPiece, WordPieceTokenizer

LETTERS = string.ascii_lowercase + string.digits + 'éσςα'
PIECES = (
  *SPECIALS,
  *(LETTERS + string.punctuation + '中±'),
  *(f'##{c}' for c in LETTERS),
  *('gene', '##tic'),
)
CASED = WordPieceTokenizer((*PIECES, 'G', 'IL', '##É'), False)
UNCASED = WordPieceTokenizer(PIECES, True)
# Where words end, and where it is not plain that they do: sigmas, marks,
# controls, odd spaces, characters that the library and Google see apart.
ODD = st.sampled_from(
  [*'Σσ.\'-"aG \t\n\r\x00\x0b\x1c\x7f\x85\xa0\xad\u0301中±É\ufffd\u2028']
  + ['\u200b', '\ud800', '\ue000', '\U0002b820', '\u061d', 'genetic', 'IL-2']
)
TEXTS = st.lists(ODD, max_size=12).map(''.join) | st.text(max_size=20)


def expected(tokenizer: WordPieceTokenizer, text: str) -> bytes:
  return np.array(tokenizer.encode(text)[0], '<u2').tobytes()


@pytest.mark.parametrize('tokenizer', [CASED, UNCASED], ids=['cased', 'lower'])
@hypothesis.given(texts=st.lists(TEXTS, max_size=5))
def test_equal_to_the_tokenizer(
  tokenizer: WordPieceTokenizer, texts: list[str]
) -> None:
  bulk = CachedWordPiece(tokenizer)
  for _ in range(2):  # The second time from the cache.
    assert bulk.encode(texts) == [expected(tokenizer, text) for text in texts]


def test_a_sigma_is_seen_in_its_surroundings() -> None:
  texts = ['ΑΣ.', 'ΑΣ.Α', "ΑΣ'Α ΑΣ"]
  bulk = CachedWordPiece(UNCASED)
  assert bulk.encode(texts) == [expected(UNCASED, text) for text in texts]
  assert len(set(bulk.encode(['ΑΣ.', 'ΑΣ.Α'])[0])) > 1


def test_a_full_cache_starts_anew() -> None:
  bulk = CachedWordPiece(CASED, cache_words=3)
  texts = ['a b c d', 'gene e', 'a gene', 'x' * 300 + ' y']
  for text in texts * 2:
    assert bulk.encode([text]) == [expected(CASED, text)]
  assert 'x' * 300 not in bulk._pieces
  assert len(bulk._pieces) < 8
