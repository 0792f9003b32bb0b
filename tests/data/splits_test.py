"""Splits of a corpus by the names of their files."""

import pytest

from biobert_jax.data import splits
from biobert_jax.errors import InputError


@pytest.mark.parametrize(
  ('name', 'split'),
  [
    ('NCBItrainset_corpus.txt', 'train'),
    ('CDR_DevelopmentSet.PubTator.txt', 'devel'),
    ('valid.tsv', 'devel'),
    ('train_and_dev.tsv', 'train_dev'),
    ('test.tsv', 'test'),
    ('train_and_test.tsv', ''),
    ('README.md', ''),
  ],
)
def test_the_split_in_a_name(name, split):
  assert splits.split_in_name(name) == split


def test_a_named_file_comes_before_a_pubtator_file(tmp_path):
  (tmp_path / 'my_test_set.txt').write_text('1|t|A title\n')
  assert splits.find_split(tmp_path, 'test') == tmp_path / 'my_test_set.txt'
  (tmp_path / 'test.tsv').write_text('a\tO\n')
  assert splits.find_split(tmp_path, 'test') == tmp_path / 'test.tsv'
  assert splits.find_split(tmp_path, 'train') is None


def test_faults_name_the_remedy(tmp_path):
  with pytest.raises(InputError, match=r'no such folder; set --config\.data'):
    splits.find_split(tmp_path / 'none', 'train')
  with pytest.raises(InputError, match="split 'dev' is not one of train, dev"):
    splits.find_split(tmp_path, 'dev')
  for name in ('dev.tsv', 'devel.tsv'):
    (tmp_path / name).write_text('a\tO\n')
  with pytest.raises(InputError, match='several files for devel: keep one of'):
    splits.find_split(tmp_path, 'devel')


def test_a_missing_split_names_the_files_of_the_folder(tmp_path):
  assert str(splits.missing_split(tmp_path, 'train')) == (
    f'{tmp_path}: no train.tsv; the folder holds nothing'
  )
  (tmp_path / 'a.csv').write_text('')
  error = str(splits.missing_split(tmp_path, 'test', ('txt', 'iob')))
  assert 'no test.tsv (or .txt, .iob); the folder holds a.csv' in error
  assert '--config.data.test_split= trains without it' in error
