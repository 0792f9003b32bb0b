"""Passages of questions: snippets, abstracts, snippets with neighbours."""

import json
from collections import Counter

import pytest

from biobert_jax.errors import InputError
from biobert_jax.preprocessing.bioasq import squad_files
from biobert_jax.preprocessing.bioasq.questions import RawQuestion, Snippet
from biobert_jax.preprocessing.bioasq.squad_files import (
  Abstract,
  question_passages,
)

TITLE, FIRST, SECOND, THIRD = (
  'Of mice.',
  'We fed them.',
  'They grew in a week.',
  'They slept.',
)
ABSTRACTS = {
  '7': Abstract(f'{TITLE} {FIRST} {SECOND} {THIRD}', len(TITLE)),
  '8': Abstract('Alone.', 0),
}


def question(*snippets, pmids=()):
  return RawQuestion('a' * 24, 'factoid', 'What?', (), pmids, snippets)


def test_snippets_are_taken_as_they_are_once():
  counts = Counter()
  asked = question(*(Snippet(t, '7') for t in ('a  b', 'c', 'a  b')))
  assert question_passages(asked, 'snippets', {}, counts) == ['a  b', 'c']
  assert +counts == {'repeated_passages': 1}


def test_abstracts_are_those_of_the_documents():
  counts = Counter()
  asked = question(Snippet('x', '7'), pmids=('8', '9', '7'))
  found = question_passages(asked, 'abstracts', ABSTRACTS, counts)
  assert found == ['Alone.', ABSTRACTS['7'].text]
  assert +counts == {'documents_not_in_corpus': 1}


@pytest.mark.parametrize(
  ('text', 'sentences', 'passage'),
  [
    (SECOND, 1, f'{FIRST} {SECOND} {THIRD}'),
    ('grew in\na', 1, f'{FIRST} {SECOND} {THIRD}'),
    (SECOND, 0, SECOND),
    (TITLE, 1, f'{TITLE} {FIRST}'),
    (THIRD, 9, f'{TITLE} {FIRST} {SECOND} {THIRD}'),
    (f'{FIRST} {SECOND}', 1, f'{TITLE} {FIRST} {SECOND} {THIRD}'),
  ],
)
def test_sentences_are_appended(text, sentences, passage):
  counts = Counter()
  asked = question(Snippet(text, '7'))
  found = question_passages(asked, 'appended', ABSTRACTS, counts, sentences)
  assert found == [passage]
  assert not +counts


def test_a_snippet_that_cannot_be_placed_stays():
  counts = Counter()
  asked = question(*(Snippet(f'mice {p}', p) for p in ('7', '9', '')))
  found = question_passages(asked, 'appended', ABSTRACTS, counts)
  assert found == ['mice 7', 'mice 9', 'mice ']
  assert +counts == {'snippets_not_in_article': 1, 'snippets_not_in_corpus': 2}


def test_wanted_articles_are_read_from_a_raw_corpus(tmp_path):
  path = tmp_path / 'corpus.jsonl'
  records = [
    {'pmid': str(n), 'title': f'Title {n}.', 'abstract': f'Text of mice {n}.'}
    for n in (7, 8, 9)
  ]
  path.write_text(''.join(json.dumps(record) + '\n' for record in records))
  counts = Counter()
  found = squad_files.read_abstracts([str(path)], ['7', '12'], counts)
  assert found == {'7': Abstract('Title 7. Text of mice 7.', 8)}
  assert counts['abstracts_found'] == 1
  with pytest.raises(InputError, match='has none of the 1 articles'):
    squad_files.read_abstracts([str(path)], ['12'], counts)
  with pytest.raises(InputError, match='^--corpus .*: no such file'):
    squad_files.read_abstracts([str(tmp_path / 'no')], ['7'], counts)
