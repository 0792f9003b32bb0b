"""Relation files of every layout, and what is wrong with them."""

import collections

import pytest

from biobert_jax.data import splits
from biobert_jax.data.relation import corpus as relation_corpus
from biobert_jax.data.relation.pair_words import Markers, Placeholders
from biobert_jax.errors import InputError

MARKERS = Markers(tuple(f'[unused{i}]' for i in range(1, 5)))
WORDS = Placeholders('@GENE$', '@DISEASE$', ('@GENE-DISEASE$',))
FORM = relation_corpus.RelationRules(WORDS, ('0', '1'))
YES, NO = 'The @GENE$ of @DISEASE$.', 'No @GENE$ in @DISEASE$.'


def read(path, text, form=FORM):
  path.write_bytes(text if isinstance(text, bytes) else text.encode())
  counts = collections.Counter()
  return relation_corpus.read_rows(path, counts, form), dict(+counts)


def cells(examples):
  return [(e.index, e.text, e.label, e.line) for e in examples]


@pytest.mark.parametrize(
  ('text', 'first_index', 'first_line'),
  [
    (f'{YES}\t1\n{NO}\t0\n', '0', 1),
    (f'7\t{YES}\t1\n8\t{NO}\t0\n', '7', 1),
    (f'index\tsentence\tlabel\n7\t{YES}\t1\n8\t{NO}\t0\n', '7', 2),
    (f'sentence\tlabel\n{YES}\t1\n{NO}\t0\n', '0', 2),
    (f'Label\tText\tID\n1\t{YES}\ta.T1.T2\n0\t{NO}\tb\n', 'a.T1.T2', 2),
    (f'pmid\tsentence\tlabel\n12\t{YES}\t1\n13\t{NO}\t0\n', '0', 2),
    (f'{YES}\t1\r\n{NO}\t0\r\n', '0', 1),
    (f'\ufeffindex\tsentence\tlabel\n7\t{YES}\t1\n8\t{NO}\t0', '7', 2),
    (f'\n{YES}\t1\n \n{NO}\t0\n\n', '0', 2),
  ],
)
def test_every_layout(tmp_path, text, first_index, first_line):
  examples, counts = read(tmp_path / 'x.tsv', text)
  assert [(e.text, e.label) for e in examples] == [(YES, '1'), (NO, '0')]
  assert examples[0].index == first_index
  assert examples[0].line == first_line
  assert examples[0].path == str(tmp_path / 'x.tsv')
  odd = {'crlf_lines': 2} if '\r' in text else {}
  odd |= {'byte_order_marks': 1} if '\ufeff' in text else {}
  odd |= {'blank_lines': 3} if text[0] == '\n' else {}
  assert counts == odd


def test_quotes_are_text(tmp_path):
  """pandas would make one row of these three, as the reference's re_eval."""
  rows = [f'"Yes {YES}', f'{NO} ""', f'"{YES}"']
  text = ''.join(f'{row}\t1\n' for row in rows)
  examples, counts = read(tmp_path / 'x.tsv', text)
  assert [e.text for e in examples] == rows
  assert counts == {}


def test_other_line_ends_are_text(tmp_path):
  odd = f'a\x0cb\u2028c\x85d {YES}'
  examples, _ = read(tmp_path / 'x.tsv', f'{odd}\t1\n')
  assert [e.text for e in examples] == [odd]


def test_labels_in_another_case(tmp_path):
  form = relation_corpus.RelationRules(WORDS, ('cpr:3', 'false'))
  text = f'{YES}\tCPR:3\n{NO}\tFalse\n{NO}\tfalse \n'
  examples, counts = read(tmp_path / 'x.tsv', text, form)
  assert [e.label for e in examples] == ['cpr:3', 'false', 'false']
  assert counts == {'labels_in_another_case': 2}


def test_repeats_are_counted(tmp_path):
  text = f'a\t{YES}\t1\na\t{YES}\t0\nb\t{YES}\t1\nb\t{NO}\t1\n'
  _, counts = read(tmp_path / 'x.tsv', text)
  assert counts == {'sentences_with_several_labels': 1, 'repeated_indices': 2}


# What is broken: borne up to a share, with a count, then refused.

BROKEN = [
  (f'{YES}\t1\t2', 'rows_with_wrong_columns', '3 columns, but'),
  (YES, 'rows_with_wrong_columns', '1 column, but'),
  (f'{YES}\r{NO}\t1', 'rows_with_wrong_columns', 'carriage return'),
  (' \t1', 'rows_without_sentence', 'the sentence is empty'),
  (f'{YES}\t2', 'rows_with_unknown_labels', "label '2' is not one of 0, 1"),
  (f'{YES}\t', 'rows_with_unknown_labels', 'the label is empty'),
  (f'1\t{YES}', 'rows_with_unknown_labels', 'has to be the last column'),
  ('sentence\tlabel', 'headers_amid_rows', 'files were joined'),
  ('The @GENE$ alone.\t1', 'rows_without_placeholders', 'holds no @GENE$ with'),
]


@pytest.mark.parametrize(('row', 'kind', 'message'), BROKEN)
def test_one_broken_row_in_a_hundred_is_counted(
  tmp_path, caplog, row, kind, message
):
  before, after = f'{YES}\t1\n' * 50, f'{YES}\t1\n' * 49
  examples, counts = read(tmp_path / 'x.tsv', f'{before}{row}\n{after}')
  kept = kind == 'rows_without_placeholders'
  assert len(examples) == 99 + kept
  assert counts == {kind: 1}
  assert 'x.tsv:51: ' in caplog.text
  assert message in caplog.text
  # The names of rows count those that were left out, as the file has them.
  assert examples[-1].index == '99'
  assert examples[-1].line == 100


@pytest.mark.parametrize(('row', 'kind', 'message'), BROKEN)
def test_more_are_refused_with_file_line_and_remedy(
  tmp_path, row, kind, message
):
  good = f'{YES}\t1\n' * 50
  text = f'{good}{row}\n{row}\n{good}'
  with pytest.raises(InputError, match=r'x\.tsv:51: ') as caught:
    read(tmp_path / 'x.tsv', text)
  found = str(caught.value)
  assert message in found
  assert '2 of 102 rows are broken, also lines 52; more than 1 %' in found
  assert '\n' not in found
  bearing = relation_corpus.RelationRules(WORDS, ('0', '1'), max_broken=0.02)
  assert read(tmp_path / 'x.tsv', text, bearing)[1] == {kind: 2}


@pytest.mark.parametrize(
  'row', [YES, '[E1] a [/E1] of b', '[E1] a [E2] b [/E2] c [/E1] [E1]']
)
def test_rows_that_lack_markers(tmp_path, row):
  marked = '[E1] BRCA1 [/E1] in [E2] asthma [/E2]'
  form = relation_corpus.RelationRules(MARKERS, ('0', '1'))
  text = f'{marked}\t1\n' * 99 + f'{row}\t1\n'
  examples, counts = read(tmp_path / 'x.tsv', text, form)
  assert (len(examples), counts) == (100, {'rows_without_markers': 1})
  with pytest.raises(InputError, match=r'x\.tsv:100: .*no \[E1\] … \[/E1\]'):
    read(tmp_path / 'x.tsv', f'{text}{row}\t1\n', form)


def test_no_broken_row_may_be_borne_at_all(tmp_path):
  strict = relation_corpus.RelationRules(WORDS, ('0', '1'), max_broken=0.0)
  text = f'{YES}\t1\n' * 500
  assert len(read(tmp_path / 'x.tsv', text, strict)[0]) == 500
  with pytest.raises(InputError, match=r'x\.tsv:501.*1 of 501 rows'):
    read(tmp_path / 'x.tsv', f'{text}{YES}\t2\n', strict)


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    (f'{YES}\n', r'x\.tsv:1: 1 column; want sentence, label'),
    ('1\t2\t3\t4\n', r'x\.tsv:1: 4 columns'),
    ('10|t|Title\n10|a|Text\n', 'biobert-jax prepare-relation'),
    (f'index\tsentence\n0\t{YES}\n', r'x\.tsv:1: no column of labels'),
    (f'sent\ty\n{YES}\t1\n', r"x\.tsv:1: the first row begins 'sent'"),
    (f'id\tsent\ty\n0\t{YES}\t1\n', r"x\.tsv:1: the first row begins 'sent'"),
    (b'\xff\t1\n', r'x\.tsv:1: byte 0xff is not UTF-8'),
  ],
)
def test_files_that_cannot_be_read(tmp_path, text, message):
  for labels in (('0', '1'), ()):
    with pytest.raises(InputError, match=message):
      read(
        tmp_path / 'x.tsv', text, relation_corpus.RelationRules(WORDS, labels)
      )


# Splits.


def folder(tmp_path, **files):
  for name, text in files.items():
    (tmp_path / f'{name}.tsv').write_text(text)
  return tmp_path


def split(directory, name, form=FORM):
  counts = collections.Counter()
  return relation_corpus.read_split(directory, name, counts, form), dict(
    +counts
  )


def test_a_fold_of_the_reference(tmp_path):
  files = {'train': f'{YES}\t1\n{NO}\t0\n', 'dev': ''}
  files['test'] = f'index\tsentence\tlabel\n0\t{NO}\t0\n'
  fold = folder(tmp_path, **files)
  assert len(split(fold, 'train')[0]) == 2
  assert len(split(fold, 'train_dev')[0]) == 2
  assert cells(split(fold, 'test')[0]) == [('0', NO, '0', 2)]
  with pytest.raises(
    InputError, match=r'dev\.tsv:1.*--config.data.devel_split='
  ):
    split(fold, 'devel')


def test_the_port_s_test_split_has_its_gold_elsewhere(tmp_path):
  files = {'test': f'index\tsentence\n0\t{NO}\n'}
  with pytest.raises(InputError, match=r'test\.tsv:1: no column of labels'):
    split(folder(tmp_path, **files), 'test')
  files['test_original'] = f'index\tsentence\tlabel\n0\t{NO}\t0\n'
  examples, counts = split(folder(tmp_path, **files), 'test')
  assert cells(examples) == [('0', NO, '0', 2)]
  assert examples[0].path.endswith('test_original.tsv')
  assert counts == {'splits_with_gold_in_another_file': 1}


def test_train_and_devel_together(tmp_path):
  fold = folder(tmp_path, train=f'{YES}\t1\n', dev=f'{NO}\t0\n')
  assert [e.text for e in split(fold, 'train_dev')[0]] == [YES, NO]
  with pytest.raises(InputError, match=r'no test\.tsv; the folder holds dev'):
    split(fold, 'test')


def test_folds_are_named(tmp_path):
  for number in (10, 2, 1):
    (tmp_path / str(number)).mkdir()
    folder(tmp_path / str(number), train=f'{YES}\t1\n')
  with pytest.raises(InputError, match=r'folds \(1, 2, 10\).*data\.dir=.*/1$'):
    split(tmp_path, 'train')
  where = r'3: no such folder; .* holds folds \(1, 2, 10\): name one'
  with pytest.raises(InputError, match=where):
    split(tmp_path / '3', 'train')


def example(text, label):
  return relation_corpus.Example('0', text, label, 'f.tsv', 4)


def test_labels_of_a_split():
  examples = [example(YES, label) for label in ('b', 'false', 'a', 'b')]
  assert relation_corpus.label_set(examples, 'false') == ('false', 'a', 'b')
  assert relation_corpus.label_set(examples, 'b') == ('b', 'a', 'false')
  relation_corpus.check_labels(examples, ('a', 'b', 'false'), 'test')
  with pytest.raises(InputError, match=r"f\.tsv:4: test has label 'b'"):
    relation_corpus.check_labels(examples, ('a', 'false'), 'test')


def test_overlap_counts_sentences_of_the_other_split():
  train = [example(YES, '1'), example(YES, '1')]
  other = [example(YES, '0'), example(NO, '0'), example(YES, '1')]
  texts = [[one.text for one in part] for part in (train, other)]
  assert splits.count_overlap(*texts) == 2
