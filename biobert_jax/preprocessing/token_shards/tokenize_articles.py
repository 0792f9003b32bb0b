"""Articles to tokenized documents, many at a time."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from biobert_jax.data.pretraining import manifest, shards
from biobert_jax.preprocessing.token_shards.external_sort import Document
from biobert_jax.text import wordpiece
from biobert_jax.text.cached_wordpiece import CachedWordPiece
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Deletion
from biobert_jax.text.sentence_splitter import sentence_spans
from biobert_jax.text.wordpiece import WordPieceTokenizer

_BATCH = 1 << 18  # Characters tokenized at once.
_LONGEST = np.iinfo(manifest.LENGTH_DTYPE).max  # Tokens of a sentence.
_BATCH_ITEMS = 1 << 12

# An article, the sentences of each of its documents, and their characters.
_Split = tuple[Article | Deletion, list[tuple[str, list[str]]], int]


class TokenizedArticle(NamedTuple):
  """An article and its documents; none where it has no tokens."""

  article: Article
  documents: tuple[Document, ...]
  characters: int


class ArticleTokenizer:
  """Article to documents, by one vocabulary; holds a cache of words."""

  def __init__(self, tokenizer: WordPieceTokenizer):
    """Starts with an empty cache."""
    self._bulk = CachedWordPiece(tokenizer)
    self._dtype = wordpiece.piece_dtype(tokenizer.vocab_size)
    self._unknown = tokenizer.unk_id

  def items(
    self, items: Iterable[Article | Deletion]
  ) -> Iterator[TokenizedArticle | Deletion]:
    """Tokenizes articles, a quarter of a million characters at a time.

    Deletions are passed on in their place.
    """
    batch: list[_Split] = []
    held = 0
    for item in items:
      documents = []
      if isinstance(item, Article):
        documents = [
          (id, sentences(item, paragraphs))
          for id, paragraphs in any_format.documents(item)
        ]
      characters = sum(len(s) for _, texts in documents for s in texts)
      batch.append((item, documents, characters))
      held += characters
      if held >= _BATCH or len(batch) >= _BATCH_ITEMS:
        yield from self._tokenize(batch)
        batch, held = [], 0
    yield from self._tokenize(batch)

  def _tokenize(
    self, batch: Sequence[_Split]
  ) -> Iterator[TokenizedArticle | Deletion]:
    texts = [s for _, documents, _ in batch for _, ss in documents for s in ss]
    encoded = iter(self._bulk.encode(texts))
    for item, documents, characters in batch:
      if isinstance(item, Deletion):
        yield item
        continue
      made = [
        self._document(
          id, its_sentences, [next(encoded) for _ in its_sentences]
        )
        for id, its_sentences in documents
      ]
      kept = tuple(document for document in made if document.tokens)
      yield TokenizedArticle(item, kept, characters)

  def _document(
    self, id: str, texts: Sequence[str], encoded: Sequence[bytes]
  ) -> Document:
    lengths: list[int] = []
    for row in encoded:
      whole, rest = divmod(len(row) // self._dtype.itemsize, _LONGEST)
      lengths += [_LONGEST] * whole + [rest] * bool(rest)
    input_ids = b''.join(encoded)
    ids = np.frombuffer(input_ids, self._dtype)
    record = shards.encode_document(
      id, input_ids, np.array(lengths, manifest.LENGTH_DTYPE).tobytes()
    )
    return Document(
      record,
      words=sum(len(text.split()) for text in texts),
      sentences=len(lengths),
      tokens=len(ids),
      unknown=int(np.count_nonzero(ids == self._unknown)),
    )


def sentences(article: Article, paragraphs: Sequence[str]) -> list[str]:
  """The sentences of a document; its lines may be sentences already."""
  if article.presplit:
    return [text for text in paragraphs if text.strip()]
  return [
    text[start:end]
    for text in paragraphs
    for start, end in sentence_spans(text)
  ]
