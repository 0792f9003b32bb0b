"""Statistics of shards, beside those of the text they were made from."""

import collections
import pathlib

import numpy as np
import pytest

from biobert_jax.data.pretraining import shards
from biobert_jax.preprocessing.report import shard_statistics as statistics
from biobert_jax.text.bert_normalizer import basic_words
from tests.fixtures import small_corpus
from tests.fixtures.small_corpus import TOKENIZER


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  return small_corpus.make(tmp_path_factory.mktemp('corpus'))


@pytest.fixture(scope='module')
def found(folder: pathlib.Path) -> statistics.Statistics:
  return statistics.measure(folder, TOKENIZER)


def documents(folder: pathlib.Path) -> list[shards.TokenizedDocument]:
  return [
    document
    for split in ('train', 'validation')
    for document in shards.Shards(folder, split)
  ]


def test_lengths_are_those_of_the_documents(
  folder: pathlib.Path, found: statistics.Statistics
) -> None:
  sizes = [len(one.input_ids) for one in documents(folder)]
  counts = [len(one.sentence_lengths) for one in documents(folder)]
  of_sentences = np.concatenate(
    [one.sentence_lengths for one in documents(folder)]
  )
  assert found.documents == found.sampled == len(sizes) == 70
  for one, values in (
    (found.pieces_per_document, sizes),
    (found.sentences_per_document, counts),
    (found.pieces_per_sentence, of_sentences),
  ):
    assert one.mean == pytest.approx(np.mean(values))
    expected = [
      np.percentile(values, p, method='inverted_cdf')
      for p in statistics.PERCENTILES
    ]
    assert list(one.percentiles) == expected
    assert one.counts.sum() == len(values)
    low, high = one.edges[:-1], one.edges[1:]
    inside = (np.array(values)[:, None] >= low) & (
      np.array(values)[:, None] < high
    )
    assert (inside.sum(axis=0)[:-1] == one.counts[:-1]).all()
  assert sum(found.kinds['train'].values()) < 70
  assert sum(found.kinds.values(), collections.Counter()) == {
    'PubMed, titles with abstracts': 60,
    'PMC, titles with abstracts': 5,
    'PMC, sections': 5,
  }


def test_words_are_those_of_the_text(found: statistics.Statistics) -> None:
  text = []
  for i in range(1, 61):
    text.append(f'Title of {i}.' + 'The gene is seen. ' * (i % 5))
    text.append('In ∑9 cells (the ☃).')
  text += ['The gene. It is seen. In cells. Methods The abc gene. Is seen.'] * 5
  expected = collections.Counter(
    word for one in text for word in basic_words(one, True)
  )
  words = found.words
  assert words is not None
  assert words.words == expected.total()
  assert words.unknown == 120  # ∑9 and ☃.
  assert words.different == len(expected) - 1  # Both are one [UNK].
  assert words.pieces == round(found.pieces_per_document.mean * found.documents)
  first = words.costly[0]
  assert (first.text, first.count) == ('cells', 65)
  assert first.pieces == ('cell', '##s')
  assert [(w.text, len(w.pieces)) for w in words.finest[:2]] == [
    ('methods', 7),
    ('abc', 3),
  ]
  split = sum(
    count
    for word, count in expected.items()
    if len(TOKENIZER.tokenize(word)) > 1
  )
  assert words.split == split
  assert set(words.beside) == {('in', 'cells', 60), ('the', ')', 60)}


def test_documents_as_text(found: statistics.Statistics) -> None:
  assert len(found.texts) == 3
  for id, sentences in found.texts:
    if '#' not in id and id.startswith('pmid'):
      assert sentences[0] == f'title of {id.removeprefix("pmid:")} .'
      assert sentences[-1] == 'in [UNK] cells ( the [UNK] ) .'


def test_a_sample_leaves_the_counts_alone(
  folder: pathlib.Path, found: statistics.Statistics
) -> None:
  some = statistics.measure(folder, TOKENIZER, sample=7, seed=3)
  again = statistics.measure(folder, TOKENIZER, sample=7, seed=3)
  other = statistics.measure(folder, TOKENIZER, sample=7, seed=4)
  assert some.sampled == sum(k.total() for k in some.kinds.values()) == 7
  assert some.texts == again.texts
  assert some.words == again.words
  assert other.texts != some.texts
  assert some.words
  assert found.words
  assert 7 * 3 < some.words.words < found.words.words
  assert some.documents == 70
  assert some.too_long == found.too_long
  whole, part = found.pieces_per_document, some.pieces_per_document
  assert whole.percentiles == part.percentiles
  everything = statistics.measure(folder, TOKENIZER, sample=0)
  assert everything.words == found.words


def test_without_the_vocabulary(folder: pathlib.Path) -> None:
  found = statistics.measure(folder, None)
  assert found.words is None
  assert found.texts == ()
  assert found.pieces_per_sentence.counts.sum() > 200


def test_fill_by_hand() -> None:
  # With specials: 128, 64, 64 are two rows; alone they are three.
  fill = statistics.fill(np.array([126, 62, 62]), 128)
  assert fill.packed == pytest.approx(250 / 256)
  assert fill.alone == pytest.approx(250 / 384)
  # Two of 64 would fill a row, except for their specials.
  fill = statistics.fill(np.array([64, 64]), 128)
  assert fill.packed == fill.alone == pytest.approx(128 / 256)
  # 300 = 126 + 126 + 48, an empty document is none.
  fill = statistics.fill(np.array([300, 0, 76]), 128)
  assert fill.packed == pytest.approx(376 / 384)
  assert fill.alone == pytest.approx(376 / 512)


def test_what_is_too_long_counts_the_specials(
  monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path
) -> None:
  longest = max(len(one.input_ids) for one in documents(folder))
  rows = (longest + 1, longest + 2)
  monkeypatch.setattr(statistics, 'ROWS', rows)
  found = statistics.measure(folder, None).too_long
  assert found[rows[0]] > 0
  assert found[rows[1]] == 0


def test_kinds_of_ids() -> None:
  assert statistics.source_kind('pmid:1') == 'PubMed, titles with abstracts'
  assert statistics.source_kind('pmcid:PMC1#12') == 'PMC, sections'
  assert statistics.source_kind('pmid:1#2') == 'PubMed, sections'
  assert statistics.source_kind('b.txt:3') == 'other'
