"""The embedded sample is what its README says, and clean."""

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Deletion
from biobert_jax.text.sentence_splitter import sentence_spans

SAMPLE = Path(__file__).parents[2] / 'biobert_jax' / 'sample'
TAGS = {'O', 'B-Disease', 'I-Disease', 'B-Chemical', 'I-Chemical'}
SPLITS = ('train', 'devel', 'test')
PUBMED = SAMPLE / 'pubmed' / 'sample26n0001.xml'

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


def read_pubmed() -> tuple[
  list[Article | Deletion],
  Counter[str],
  list[tuple[str, str]],
]:
  """What the file holds, what was counted, which records were named."""
  counts: Counter[str] = Counter()
  notes: list[tuple[str, str]] = []
  found = any_format.read_file(PUBMED, counts, lambda *note: notes.append(note))
  return list(found), counts, notes


def standing() -> dict[str, Article]:
  """The articles that are left, by id: latest versions, none withdrawn."""
  kept: dict[str, Article] = {}
  for item in read_pubmed()[0]:
    if isinstance(item, Article):
      kept[item.id] = item
    else:
      del kept[item.id]
  return kept


def paragraphs_of(article: Article) -> list[str]:
  return [
    p for _, paragraphs in any_format.documents(article) for p in paragraphs
  ]


def pubmed_sentences() -> list[str]:
  return [
    paragraph[start:end]
    for article in standing().values()
    for paragraph in paragraphs_of(article)
    for start, end in sentence_spans(paragraph)
  ]


def spoken(text: str) -> str:
  """The words alone, in lower case, a blank around each."""
  words = re.findall(r'[^\W_]+', text.lower())
  return f' {" ".join(words)} '


def test_pubmed_counts_are_those_of_the_readme() -> None:
  sentences = pubmed_sentences()
  words = sum(len(sentence.split()) for sentence in sentences)
  records = read_pubmed()[1]['pubmed_records']
  row = (
    f'| `{PUBMED.name}` | {records} | {len(standing())} '
    f'| {len(sentences)} | {words:,} |'
  )
  assert row in (SAMPLE / 'README.md').read_text(encoding='utf-8')


def test_of_pubmed_nothing_is_dropped_but_what_is_meant_to_be() -> None:
  found, counts, notes = read_pubmed()
  assert counts == {
    'pubmed_records': 76,
    'records_with_abstract': 75,
    'articles': 75,
    'dropped_title_without_abstract': 1,
    'copyright_elements_dropped': 1,
    'records_of_articles_in_other_languages': 1,
    'title_brackets_removed': 1,
    'deletions': 1,
  }
  assert sorted(reason for reason, _ in notes) == [
    'title_without_abstract',
    'translated_kept',
  ]
  # PubMed's own ids end far below these.
  assert all(item.id.startswith('pmid:990000') for item in found)
  versions = Counter(i.version for i in found if isinstance(i, Article))
  assert versions == {1: 74, 2: 1}


def test_pubmed_holds_what_real_records_hold() -> None:
  xml = PUBMED.read_text(encoding='utf-8')
  assert '<!DOCTYPE PubmedArticleSet' in xml
  for markup in ('<i>', '<sub>', '<sup>', '&lt;', '&gt;', 'Label="METHODS"'):
    assert markup in xml
  text = '\n'.join(pubmed_sentences())
  for what in ('α', 'p < 0.05', 'e.g.', 'i.e.', 'Fig. 2', ' vs. ', 'METHODS: '):
    assert what in text
  assert not re.search(r'<\w|&\w+;', text)


def test_no_pubmed_sentence_stands_twice() -> None:
  sentences = Counter(map(spoken, pubmed_sentences()))
  assert {s: n for s, n in sentences.items() if n > 1} == {}
  assert len(sentences) > 600


@pytest.mark.parametrize('split', SPLITS)
def test_pubmed_does_not_hold_a_sentence_of_the_tagger(split: str) -> None:
  """So that nothing of devel and test is read in pre-training."""
  articles = [i for i in read_pubmed()[0] if isinstance(i, Article)]
  seen = spoken(' '.join(p for a in articles for p in paragraphs_of(a)))
  asked = [spoken(' '.join(word for word, _ in s)) for s in read(split)]
  assert len(asked) >= 50
  assert [sentence for sentence in asked if sentence in seen] == []
  # One that stands there would be found, though it is cut into words otherwise.
  there = (
    'Dyskinesia appeared six months after the first tablet in the former ,'
  )
  assert spoken(there) in seen
