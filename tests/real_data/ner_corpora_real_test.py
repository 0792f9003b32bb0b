"""The real corpora, read and counted.

Sentences, tokens and mentions are those of the published files (the MTL-2016
collection and the BioBERT authors' archive), counted independently of this
reader. Set BIOBERT_DATA to the folder that holds the corpora.
"""

import collections
import os
import pathlib

import pytest

from biobert_jax.data import splits
from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.text.readers import any_format

DATA = pathlib.Path(
  os.environ.get(
    'BIOBERT_DATA', pathlib.Path(__file__).parents[2] / '../shared/data'
  )
)
NCBI = DATA / 'ncbi-disease'
ORIGINAL = NCBI / 'original-pubtator'

pytestmark = pytest.mark.skipif(
  not NCBI.is_dir(), reason=f'no corpora in {DATA}: set BIOBERT_DATA'
)


def read(folder, split):
  counts = collections.Counter()
  sentences = ner_corpus.read_split(DATA / folder, split, counts)
  mentions = sum(tag[0] == 'B' for s in sentences for tag in s.tags)
  tokens = sum(len(s.tokens) for s in sentences)
  return (len(sentences), tokens, mentions), dict(counts), sentences


def tagged(sentences):
  """How often each token has each tag; types left out, as in the archive."""
  return collections.Counter(
    (token, tag[0])
    for s in sentences
    for token, tag in zip(s.tokens, s.tags, strict=True)
  )


@pytest.mark.parametrize(
  ('folder', 'split', 'expected'),
  [
    ('ncbi-disease', 'train', (5424, 135701, 5134)),
    ('ncbi-disease', 'devel', (923, 23969, 787)),
    ('ncbi-disease', 'train_dev', (6347, 159670, 5921)),
    ('ncbi-disease', 'test', (940, 24497, 960)),
    ('bc5cdr-disease', 'train', (4560, 118170, 4182)),
    ('bc5cdr-disease', 'devel', (4581, 117453, 4246)),
    ('bc5cdr-disease', 'train_dev', (9141, 235623, 8428)),
    ('jnlpba', 'train', (14690, 443653, 32178)),
    ('jnlpba', 'devel', (3856, 117213, 8575)),
  ],
)
def test_the_authors_files(folder, split, expected):
  found, counts, sentences = read(folder, split)
  assert found == expected
  assert counts == {}
  assert ner_corpus.label_set(sentences) == ('O', 'B', 'I')


@pytest.mark.parametrize(
  ('split', 'expected', 'marks'),
  [('devel', (1739, 47461, 4551), 200), ('test', (3856, 101039, 8662), 404)],
)
def test_five_types_with_document_marks(split, expected, marks):
  found, counts, sentences = read('jnlpba/variant-mtl-5types', split)
  assert found == expected
  assert counts == {'document_marks': marks}
  assert ner_corpus.label_set(sentences) == (
    'O',
    *('B-DNA', 'I-DNA', 'B-RNA', 'I-RNA', 'B-cell_line', 'I-cell_line'),
    *('B-cell_type', 'I-cell_type', 'B-protein', 'I-protein'),
  )


def test_mentions_by_type():
  _, _, sentences = read('jnlpba/variant-mtl-5types', 'test')
  by_type = collections.Counter(
    tag[2:] for s in sentences for tag in s.tags if tag[0] == 'B'
  )
  assert by_type == {
    'protein': 5067,
    'cell_type': 1921,
    'DNA': 1056,
    'cell_line': 500,
    'RNA': 118,
  }


@pytest.mark.parametrize(
  ('split', 'documents_', 'mentions', 'expected'),
  [
    (
      'train',
      592,
      5134,
      {
        'mentions_with_trailing_blanks': 1,
        'repeated_documents_dropped': 1,
        'entities_widened_to_words': 2,
      },
    ),
    ('devel', 100, 787, {}),
    ('test', 100, 960, {}),
  ],
)
def test_the_original_gives_the_authors_tokens_and_tags(
  split, documents_, mentions, expected
):
  """Our words and tags are those of the archive, token by token.

  Documents and sentence ends differ between the two, hence the multiset.
  """
  (sentences_, _, found), counts, sentences = read(
    'ncbi-disease/original-pubtator', split
  )
  assert (sentences_, found) == (2 * documents_, mentions)
  assert counts == expected
  assert tagged(sentences) == tagged(read('ncbi-disease', split)[2])


def test_every_mention_is_the_text_at_its_offsets():
  for path in sorted(ORIGINAL.glob('*.txt')):
    for document in any_format.read_documents(path):
      assert document.title_length
      for entity in document.entities:
        assert document.text[entity.start : entity.end] == entity.text


@pytest.mark.parametrize(
  ('folder', 'split', 'shared'),
  [
    ('ncbi-disease', 'devel', 5),
    ('ncbi-disease', 'test', 1),
    ('bc5cdr-disease', 'devel', 19),
    ('jnlpba', 'devel', 22),
  ],
)
def test_sentences_also_in_train(folder, split, shared):
  train, other = read(folder, 'train')[2], read(folder, split)[2]
  words = [[s.tokens for s in part] for part in (train, other)]
  assert splits.count_overlap(*words) == shared
  ner_corpus.check_labels(other, ner_corpus.label_set(train), split)
