"""The embedded sample is what its README says, and clean."""

import unicodedata
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[2] / 'biobert_jax' / 'sample'
TAGS = {'O', 'B-Disease', 'I-Disease', 'B-Chemical', 'I-Chemical'}
SPLITS = ('train', 'devel', 'test')

Sentence = tuple[tuple[str, str], ...]


def read(split: str) -> list[Sentence]:
  text = (SAMPLE / 'ner' / f'{split}.tsv').read_bytes().decode('utf-8')
  assert text.endswith('\n\n'), 'a blank line ends the last sentence'
  return [parse(block) for block in text.removesuffix('\n\n').split('\n\n')]


def parse(block: str) -> Sentence:
  rows = [tuple(line.split('\t')) for line in block.split('\n')]
  assert all(len(row) == 2 for row in rows), block
  return tuple((token, tag) for token, tag in rows)


def names(sentences: list[Sentence]) -> set[tuple[str, str]]:
  """(type, lower-case text) of every entity."""
  found: list[list[str]] = []
  for token, tag in (pair for sentence in sentences for pair in sentence):
    if tag.startswith('B-'):
      found.append([tag[2:], token])
    elif tag.startswith('I-'):
      found[-1].append(token)
  return {(name[0], ' '.join(name[1:]).lower()) for name in found}


@pytest.mark.parametrize('split', SPLITS)
def test_counts_are_those_of_the_readme(split: str) -> None:
  sentences = read(split)
  tags = [tag for sentence in sentences for _, tag in sentence]
  row = (
    f'| `{split}.tsv` | {len(sentences)} | {len(tags):,} '
    f'| {tags.count("B-Disease")} | {tags.count("B-Chemical")} |'
  )
  assert row in (SAMPLE / 'README.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('split', SPLITS)
def test_tokens_are_split_as_in_the_benchmark_corpora(split: str) -> None:
  for token, _ in (pair for sentence in read(split) for pair in sentence):
    assert token.isalnum() or len(token) == 1, token
    assert token.isascii(), token
    assert not token.isspace(), repr(token)
    assert token, 'an empty token'


@pytest.mark.parametrize('split', SPLITS)
def test_tags_are_known_and_every_inside_follows_its_type(split: str) -> None:
  for sentence in read(split):
    before = 'O'
    for _, tag in sentence:
      assert tag in TAGS
      if tag.startswith('I-'):
        assert before[1:] == tag[1:], sentence
      before = tag


def test_no_sentence_stands_twice() -> None:
  texts = [
    ' '.join(token for token, _ in sentence).lower()
    for split in SPLITS
    for sentence in read(split)
  ]
  assert len(texts) == len(set(texts))


def test_test_has_names_that_train_does_not_show() -> None:
  seen, asked = names(read('train')), names(read('test'))
  kinds = {kind for kind, _ in asked - seen}
  assert kinds == {'Disease', 'Chemical'}
  assert len({name for name in seen if name[0] == 'Disease'}) >= 60
  assert len({name for name in seen if name[0] == 'Chemical'}) >= 60


def test_a_name_has_one_type() -> None:
  every = names([s for split in SPLITS for s in read(split)])
  texts = [text for _, text in every]
  assert len(texts) == len(set(texts))


def test_paragraph_holds_what_breaks_offsets() -> None:
  text = (SAMPLE / 'ner' / 'paragraph.txt').read_text(encoding='utf-8')
  documents = text.removesuffix('\n').split('\n')
  assert len(documents) == 2
  assert documents[0].isascii()
  kinds = {unicodedata.name(char, '').split()[0] for char in documents[1]}
  assert {'GREEK', 'COMBINING'} <= kinds
  assert any(ord(char) > 0xFFFF for char in documents[1])
