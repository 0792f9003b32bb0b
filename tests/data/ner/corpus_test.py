"""Splits of a corpus, their labels, and PubTator documents as sentences."""

import collections
import re

import pytest

from biobert_jax.data import splits
from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.errors import InputError
from biobert_jax.text.documents import Document, Entity

COLUMNS = 'Lung\tB\ncancer\tI\n\n'
PUBTATOR = (
  '10|t|Ataxia and\n10|a|more ataxia.\n'
  '10\t0\t6\tAtaxia\tDisease\n10\t16\t22\tataxia\tDisease\n'
)


def sentence(tags, tokens=None, line=1):
  tags = tuple(tags.split())
  return ner_corpus.Sentence(tokens or ('w',) * len(tags), tags, 'f.tsv', line)


def split_of(folder, split, **options):
  counts = collections.Counter()
  return ner_corpus.read_split(folder, split, counts, **options), dict(counts)


@pytest.mark.parametrize(
  ('name', 'split'),
  [
    ('train.tsv', 'train'),
    ('devel.tsv', 'devel'),
    ('dev.txt', 'devel'),
    ('valid.conll', 'devel'),
    ('train_dev.iob', 'train_dev'),
    ('test.iob2', 'test'),
  ],
)
def test_names_of_column_files(tmp_path, name, split):
  (tmp_path / name).write_text(COLUMNS)
  got, _ = split_of(tmp_path, split)
  assert got == [
    ner_corpus.Sentence(('Lung', 'cancer'), ('B', 'I'), str(tmp_path / name), 1)
  ]
  for other in set(splits.SPLITS) - {split, 'train_dev'}:
    assert splits.find_split(tmp_path, other) is None


@pytest.mark.parametrize(
  ('name', 'split'),
  [
    ('train.txt', 'train'),
    ('test.pubtator', 'test'),
    ('NCBItrainset_corpus.txt', 'train'),
    ('NCBIdevelopset_corpus.txt', 'devel'),
    ('CDR_DevelopmentSet.PubTator.txt', 'devel'),
    ('CDR_TestSet.PubTator.txt', 'test'),
    ('both_train_and_dev.txt', 'train_dev'),
  ],
)
def test_names_of_pubtator_files(tmp_path, name, split):
  (tmp_path / name).write_text('\n' + PUBTATOR)
  (title, body), counts = split_of(tmp_path, split)
  assert title.tokens == ('Ataxia', 'and')
  assert title.tags == ('B-Disease', 'O')
  assert body.tags == ('O', 'B-Disease', 'O')
  assert (body.path, body.line_of(2)) == (str(tmp_path / name), 2)
  assert counts == {}


def test_other_files_that_name_a_split_are_not_taken(tmp_path):
  (tmp_path / 'README_train.txt').write_text('How to train')
  (tmp_path / 'my_train.tsv').write_text(COLUMNS)
  (tmp_path / 'train_test.txt').write_text(PUBTATOR)
  assert splits.find_split(tmp_path, 'train') is None
  assert splits.find_split(tmp_path, 'test') is None
  (tmp_path / 'xtrainx.txt').write_text(PUBTATOR)
  (tmp_path / 'train.tsv').write_text(COLUMNS)
  assert splits.find_split(tmp_path, 'train') == tmp_path / 'train.tsv'


def test_train_dev_is_train_and_then_devel(tmp_path):
  (tmp_path / 'train.tsv').write_text('a\tO\n')
  (tmp_path / 'devel.tsv').write_text('b\tO\n')
  got, _ = split_of(tmp_path, 'train_dev')
  assert [s.tokens for s in got] == [('a',), ('b',)]
  (tmp_path / 'train_dev.tsv').write_text('c\tO\n')
  got, _ = split_of(tmp_path, 'train_dev')
  assert [s.tokens for s in got] == [('c',)]


def test_options_reach_the_reader(tmp_path):
  (tmp_path / 'train.tsv').write_text('a\tS\n')
  (tmp_path / 'devel.tsv').write_text('b\tS\n')
  got, counts = split_of(tmp_path, 'train_dev', scheme='iobes')
  assert [s.tags for s in got] == [('B',), ('B',)]
  assert counts == {'iobes_tags_converted': 2}
  (tmp_path / 'test.tsv').write_text('\u200b\tO\n')
  with pytest.raises(InputError, match='is invisible'):
    split_of(tmp_path, 'test', strict=True)


def test_several_files_for_a_split_are_refused(tmp_path):
  for name in ('dev.tsv', 'devel.txt'):
    (tmp_path / name).write_text(COLUMNS)
  with pytest.raises(InputError, match=r'keep one of dev\.tsv, devel\.txt'):
    split_of(tmp_path, 'devel')


def test_a_missing_split_names_what_is_there(tmp_path):
  (tmp_path / 'training.tsv').write_text(COLUMNS)
  (tmp_path / 'LICENSE').write_text('')
  match = r'no test\.tsv .*; the folder holds LICENSE, training\.tsv \(--'
  with pytest.raises(InputError, match=match + r'config\.data\.test_split= '):
    split_of(tmp_path, 'test')
  with pytest.raises(InputError, match=r'holds LICENSE, training\.tsv$'):
    split_of(tmp_path, 'train')
  with pytest.raises(InputError, match='no such folder'):
    split_of(tmp_path / 'none', 'test')
  with pytest.raises(InputError, match="split 'eval' is not one of"):
    split_of(tmp_path, 'eval')


def test_an_empty_pubtator_corpus_is_refused(tmp_path):
  (tmp_path / 'train.txt').write_text('1|t|\n')
  with pytest.raises(InputError, match=r'train\.txt:1: .*no sentence'):
    split_of(tmp_path, 'train')


def test_titles_are_sentences_and_long_mentions_are_cut_there():
  text = 'On ataxia\nIn mice'
  entities = (Entity(3, 17, 'Disease', text[3:]),)
  counts = collections.Counter()
  title, body = ner_corpus.sentences_from_documents(
    [Document('x', text, entities, title_length=9)], counts
  )
  assert (title.tokens, title.tags) == (('On', 'ataxia'), ('O', 'B-Disease'))
  assert (body.tokens, body.tags) == (
    ('In', 'mice'),
    ('B-Disease', 'I-Disease'),
  )
  assert title.path == 'document x'
  assert counts == {'entities_cut_at_title': 1}


def test_a_document_without_title_is_one_sentence():
  counts = collections.Counter()
  documents = [
    Document('1', 'One. Two.'),
    Document('2', '  '),
    Document('3', '\nThree', title_length=0),
  ]
  got = ner_corpus.sentences_from_documents(documents, counts)
  assert [s.tokens for s in got] == [('One', '.', 'Two', '.'), ('Three',)]
  entity = Entity(1, 5, 'T', 'ne. ')
  ner_corpus.sentences_from_documents(
    [Document('4', 'One. Two.', (entity,))], counts
  )
  assert counts == {'entities_widened_to_words': 1}


def test_label_sets_are_complete_and_sorted():
  assert ner_corpus.label_set([sentence('O I')]) == ('O', 'B', 'I')
  assert ner_corpus.label_set([sentence('O B-b'), sentence('I-a')]) == (
    'O',
    'B-a',
    'I-a',
    'B-b',
    'I-b',
  )


def test_nothing_to_learn_is_an_error():
  with pytest.raises(InputError, match=r'^f\.tsv:3: no entity'):
    ner_corpus.label_set([sentence('O O', line=3)])
  with pytest.raises(InputError, match='no entity'):
    ner_corpus.label_set([])


def test_typed_and_untyped_files_do_not_mix():
  with pytest.raises(InputError, match=r"^f\.tsv:7: .*some have none.*'w' 'B'"):
    ner_corpus.label_set([sentence('O B-x'), sentence('B', line=7)])


def test_labels_that_training_has_not_are_listed():
  labels = ('O', 'B-x', 'I-x')
  good = [sentence('O B-x'), sentence('I-x')]
  ner_corpus.check_labels(good, labels, 'devel')
  bad = [sentence('O B-y I-y', ('a', 'b', 'c'), line=8)]
  with pytest.raises(InputError) as caught:
    ner_corpus.check_labels(good + bad, labels, 'test')
  assert str(caught.value) == (
    'f.tsv:9: test has tags that the training labels (O, B-x, I-x) have not;'
    ' correct them or train on a split that has them:'
    " f.tsv:9 'b' 'B-y', f.tsv:10 'c' 'I-y'"
  )
  many = [sentence('B-y ' * 8)]
  with pytest.raises(InputError, match='and 3 more$') as caught:
    ner_corpus.check_labels(iter(many), labels, 'test')
  assert len(re.findall(r'f\.tsv:\d+ ', str(caught.value))) == 5


def test_overlap_is_by_tokens():
  train = [sentence('O B', ('a', 'b')), sentence('O', ('c',))]
  other = [
    sentence('B O', ('a', 'b')),
    sentence('O', ('c',)),
    sentence('O', ('c',)),
    sentence('O', ('a',)),
    sentence('O', ('a',)),
    sentence('O', ('b',)),
    sentence('O O', ('c', 'c')),
    sentence('O O', ('a', 'c')),
  ]
  words = [[s.tokens for s in part] for part in (train, other)]
  assert splits.count_overlap(*words) == 3
  assert splits.count_overlap([], words[1]) == 0
