"""Articles to records: sentences, counts, and what passes through."""

import numpy as np

from biobert_jax.io import tf_example
from biobert_jax.preprocessing.token_shards import stages
from biobert_jax.text.readers.article import Article, Deletion, Section
from biobert_jax.text.vocabulary import SPECIALS
from biobert_jax.text.wordpiece import WordPieceTokenizer

TOKENIZER = WordPieceTokenizer((*SPECIALS, *'.abc', '##a', '##b'), True)


def article(
  id: str, *sections: tuple[str, tuple[str, ...]], presplit: bool = False
) -> Article:
  made = tuple(Section(heading, texts) for heading, texts in sections)
  return Article(id, 1, made, 'file', presplit)


def decoded(record: bytes) -> tuple[str, list[int], list[int]]:
  features = tf_example.decode(record)
  return (
    features['id'].decode(),
    np.frombuffer(features['input_ids'], '<u2').tolist(),
    np.frombuffer(features['sentence_lengths'], '<u2').tolist(),
  )


def one(item: object) -> stages.TokenizedArticle:
  assert isinstance(item, stages.TokenizedArticle)
  return item


def test_a_document_is_its_sentences() -> None:
  text = 'Aa baaa abba. Cabb zz qqq.'
  items = [article('x', ('', ('a', text)), ('b', ('c',)))]
  (made,) = map(one, stages.ArticleTokenizer(TOKENIZER).items(items))
  first, second = made.documents
  ids = TOKENIZER.encode('a ' + text)[0]
  assert decoded(first.record) == ('x', ids, [1, 11, 7])
  assert (first.words, first.sentences, first.tokens) == (7, 3, 19)
  assert first.unknown == 2
  assert decoded(second.record) == ('x#1', TOKENIZER.encode('b c')[0], [1, 1])
  assert made.characters == len('a' + text + 'bc') - 1


def test_lines_that_are_sentences_are_not_split() -> None:
  items = [article('x', ('', ('a. b. c', 'b')), presplit=True)]
  (made,) = map(one, stages.ArticleTokenizer(TOKENIZER).items(items))
  assert decoded(made.documents[0].record)[2] == [5, 1]


def test_what_has_no_piece_is_no_document() -> None:
  items = [article('x', ('', ('\u200b',))), article('y')]
  for made in map(one, stages.ArticleTokenizer(TOKENIZER).items(items)):
    assert made.documents == ()


def test_a_sentence_longer_than_its_length_can_say_is_cut() -> None:
  items = [article('x', ('', ('a ' * 70_000,)), presplit=True)]
  (made,) = map(one, stages.ArticleTokenizer(TOKENIZER).items(items))
  assert decoded(made.documents[0].record)[2] == [65_535, 70_000 - 65_535]


def test_order_is_kept_over_batches() -> None:
  items: list[Article | Deletion] = []
  for i in range(9000):
    items.append(Deletion(str(i)) if i % 3 else article(str(i), ('', ('a',))))
  made = list(stages.ArticleTokenizer(TOKENIZER).items(items))
  found = [m.id if isinstance(m, Deletion) else one(m).article.id for m in made]
  assert found == [item.id for item in items]
