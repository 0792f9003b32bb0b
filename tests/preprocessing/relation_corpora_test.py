"""Raw corpora: the files that belong together, and what is wrong in them."""

import collections
import pathlib

import pytest

from biobert_jax.data.relation.candidates import Relation
from biobert_jax.errors import InputError
from biobert_jax.preprocessing import relation_corpora
from biobert_jax.preprocessing.relation_corpora import find_splits
from tests.fixtures import small_relations

UNKNOWN = 'relations_whose_concept_no_mention_has'


def read(folder, split='train', max_broken=0.01):
  counts = collections.Counter()
  files = find_splits(folder)[split]
  return relation_corpora.read(files, counts, max_broken), dict(+counts)


@pytest.fixture
def chemprot(tmp_path):
  small_relations.write_chemprot(tmp_path, ('training', 'development', 'test'))
  return tmp_path


def file_of(folder, kind, split='training'):
  return folder / f'chemprot_{split}' / f'chemprot_{split}_{kind}.tsv'


def test_biocreative(chemprot):
  assert set(find_splits(chemprot)) == {'train', 'devel', 'test'}
  for split in ('train', 'devel', 'test'):
    (one, other), counts = read(chemprot, split)
    assert counts == {}
    assert (one.document.id, other.document.id) == ('1', '2')
    assert one.document.title_length == len('Aspirin and COX-1.')
    assert [m.id for m in one.mentions] == [f'T{i}' for i in range(1, 10)]
    for mention in one.mentions:
      entity = mention.entity
      assert one.document.text[entity.start : entity.end] == entity.text
      assert mention.names == {mention.id}
    # The letter after the group says what is scored; blanks follow some.
    assert one.relations[:2] == (
      Relation('cpr:4', 'T3', 'T4'),
      Relation('cpr:2', 'T1', 'T2', scored=False),
    )
    assert other.mentions == other.relations == ()


def test_drugprot_has_four_columns_and_its_own_spelling(tmp_path):
  stem = tmp_path / 'drugprot_training'
  pathlib.Path(f'{stem}_abstracs.tsv').write_text('7\tX binds Y.\tYes.\n')
  pathlib.Path(f'{stem}_entities.tsv').write_text(
    '7\tT1\tCHEMICAL\t0\t1\tX\n7\tT2\tGENE\t8\t9\tY\n'
  )
  pathlib.Path(f'{stem}_relations.tsv').write_text(
    '7\tDIRECT-REGULATOR\tArg1:T1\tArg2:T2\n'
  )
  # Background texts have no relations: they are no split.
  (tmp_path / 'test_background_abstracts.tsv').write_text('8\tX.\tY.\n')
  (tmp_path / 'test_background_entities.tsv').write_text('')
  assert set(find_splits(tmp_path)) == {'train'}
  (document,), counts = read(tmp_path)
  assert document.relations == (Relation('DIRECT-REGULATOR', 'T1', 'T2'),)
  assert counts == {}


def test_a_gold_standard_where_there_are_no_relations(chemprot):
  relations = file_of(chemprot, 'relations')
  gold = relations.with_name('chemprot_training_gold_standard.tsv')
  gold.write_text('1\tCPR:4\tArg1:T3\tArg2:T4\n')
  assert len(read(chemprot)[0][0].relations) == 6
  relations.unlink()
  assert read(chemprot)[0][0].relations == (Relation('cpr:4', 'T3', 'T4'),)


def test_pubtator(tmp_path):
  (tmp_path / 'CDR_sample.txt').write_text(small_relations.CDR)
  path = tmp_path / 'CDR_TrainingSet.PubTator.txt'
  path.write_text(small_relations.CDR + small_relations.CDR)
  (document,), counts = read(tmp_path, max_broken=0.4)
  assert counts == {'repeated_documents_dropped': 1, UNKNOWN: 1}
  assert [m.id for m in document.mentions] == [f'T{i}' for i in range(1, 8)]
  assert document.mentions[0].names == {'mention 1', 'D008094'}
  assert document.mentions[6].names == {
    *('mention 7', 'D008094|D000001', 'D008094', 'D000001')
  }
  assert document.relations[1] == Relation('CID', 'D016651', 'D009325')


@pytest.mark.parametrize(
  ('kind', 'row', 'message'),
  [
    ('abstracts', '3\tonly a title', '2 columns, not 3'),
    ('entities', '1\tT10\tGENE-Y\t0\t7', '5 columns, not 6'),
    ('entities', '9\tT10\tGENE-Y\t0\t7\tAspirin', "document '9' has no abst"),
    ('entities', '1\tT1\tGENE-Y\t0\t7\tAspirin', 'has a T1 already'),
    ('entities', '1\tT10\tGENE-Y\t1\t8\tAspirin', "'spirin ', not 'Aspirin'"),
    ('entities', '1\tT10\tGENE-Y\t900\t907\tAspirin', "hold '', not"),
    ('entities', '1\tT10\tGENE-Y\tx\t7\tAspirin', 'are no numbers'),
    ('entities', '1\tT10\tGENE-Y\t7\t8\t', "not ''"),
    ('relations', '1\tCPR:4\tY\tArg1:T1\tArg2:T2', '5 columns, not 4 or 6'),
    ('relations', '9\tCPR:4\tArg1:T1\tArg2:T2', "document '9' has no abst"),
    ('relations', '1\tCPR:4\tArg1:T1\tArg2:T99', 'has no entity T99'),
    ('relations', '1\tCPR:4\tT1\tT2', 'are no arguments like Arg1:T1'),
  ],
)
def test_a_broken_row_is_counted_or_refused(chemprot, kind, row, message):
  path = file_of(chemprot, kind)
  lines = path.read_text().splitlines()
  path.write_text('\n'.join([*lines, row]) + '\n')
  wanted, _ = read(chemprot, 'devel')
  found, counts = read(chemprot, max_broken=0.5)
  assert counts == {'broken_rows': 1}
  for one, other in zip(wanted, found, strict=True):
    assert (one.mentions, one.relations) == (other.mentions, other.relations)
  with pytest.raises(InputError) as caught:
    read(chemprot)
  assert str(caught.value).startswith(f'{path}:{len(lines) + 1}: ')
  assert message in str(caught.value)


def test_a_relation_of_an_unknown_concept_is_named(tmp_path):
  path = tmp_path / 'train.txt'
  path.write_text(small_relations.CDR)
  with pytest.raises(InputError) as caught:
    read(tmp_path)
  assert str(caught.value) == (
    f"{path}:12: no mention of document 8 has the concept 'D999999': fix or "
    'delete the relation (1 of 3 relations are broken; more than 1 % is '
    'refused)'
  )


def test_a_broken_line_of_pubtator(tmp_path):
  path = tmp_path / 'train.txt'
  wrong = small_relations.CDR.replace('8\t12\t18', '8\t13\t19')
  path.write_text(wrong)
  with pytest.raises(InputError, match=r'train\.txt:4: offsets 13 to 19 hold'):
    read(tmp_path)
  (document,), counts = read(tmp_path, max_broken=0.4)
  assert counts == {'broken_rows': 1, UNKNOWN: 1}
  assert len(document.mentions) == 6


def test_folders_that_hold_no_corpus(chemprot, tmp_path):
  with pytest.raises(InputError, match='no such folder'):
    find_splits(tmp_path / 'nowhere')
  empty = tmp_path / 'empty'
  empty.mkdir()
  with pytest.raises(InputError, match='holds no .*abstracts'):
    find_splits(empty)
  path = file_of(chemprot, 'entities')
  twice = path.with_name('again_train_entities.tsv')
  twice.write_text('')
  with pytest.raises(InputError, match='several files of train entities'):
    find_splits(chemprot)
  twice.unlink()
  path.unlink()
  with pytest.raises(InputError, match=r'relations\.tsv: no file of entities'):
    find_splits(chemprot)
