"""brat that others wrote, and the configuration that its editor needs."""

import collections

import pytest

from biobert_jax.errors import InputError
from biobert_jax.text import brat
from biobert_jax.text.documents import Document, DocumentRelation, Entity

TEXT = 'Lung and liver cells\nof mice.\n'
ANN = (
  'T3\tCell 0 4;15 20\tLung cells\n'
  'R1\tPart-of Arg1:T3 Arg2:T1\n'
  'T1\tOrgan 9 14\tliver\n'
  'N1\tReference T1 UBERON:0002107\tliver\n'
  'N2\tReference T1 ID:D008099\tliver\n'
  '#1\tAnnotatorNotes T1\tsure\n'
  'E1\tGrowth:T3 Theme:T1\n'
  'A1\tNegated E1\n'
  '*\tEquiv T1 T3\n'
)


def write(folder, ann=ANN):
  (folder / 'd1.txt').write_text(TEXT)
  (folder / 'd1.ann').write_text(ann)
  (folder / 'd2.txt').write_text('No annotation.')


def test_mentions_concepts_relations_and_notes(tmp_path):
  write(tmp_path)
  counts = collections.Counter()
  document, other = brat.read_folder(tmp_path, counts)
  cells, liver = document.entities
  assert cells.text == 'Lung and liver cells'
  assert cells.extra == {'id': 'T3', 'fragments': [[0, 4], [15, 20]]}
  assert liver.concept == 'UBERON:0002107|D008099'
  assert liver.extra == {'id': 'T1', 'note': 'sure'}
  assert document.relations == (DocumentRelation('Part-of', 0, 1),)
  assert (other.id, other.entities) == ('d2', ())
  assert counts == {
    'discontinuous_mentions': 1,
    'texts_without_annotations': 1,
    'brat_events_dropped': 1,
    'brat_attributes_dropped': 1,
    'brat_sets_dropped': 1,
  }


@pytest.mark.parametrize(
  ('line', 'what'),
  [
    ('T1\tOrgan 9 14\tLiver', "9 14 holds 'liver', not 'Liver'"),
    ('T1\tOrgan 9 99\tliver', '9 99 holds'),
    ('T1\tOrgan 9\tliver', 'want T1, tab, Type START END'),
    ('T9\tOrgan 9 14\tliver', 'two mentions have the id T9: number one anew'),
    ('R1\tPart Arg1:T1 Arg2:T2', 'no mention T1'),
    ('R1\tPart T1 T2', 'want Type Arg1:T1 Arg2:T2'),
  ],
)
def test_a_bad_line_is_named(tmp_path, line, what):
  write(tmp_path, f'T9\tCell 0 4\tLung\n{line}\n')
  with pytest.raises(InputError, match=rf'd1.ann:2: .*{what}'):
    list(brat.read_folder(tmp_path, collections.Counter()))


@pytest.mark.parametrize(
  'line', ['N1', 'N1\t', 'N1\tReference', 'N1\tReference T9', 'N1\tRef T9  ',
           'N1\tReference T9 ID:\tLung', 'N1\tReference T7 MESH:D008168\tLung']
)  # fmt: skip
def test_a_reference_without_mention_or_concept_is_counted(tmp_path, line):
  write(tmp_path, f'T9\tCell 0 4\tLung\n{line}\n')
  counts = collections.Counter()
  document, _ = brat.read_folder(tmp_path, counts)
  assert document.entities[0].concept == ''
  assert counts['brat_references_dropped'] == 1


def test_ids_stay_and_the_configuration_names_all_types(tmp_path):
  found = Document(
    *('d', TEXT),
    (
      Entity(0, 4, 'Organ', 'Lung', extra={'id': 'T2'}),
      Entity(9, 14, 'Body part', 'liver', 1.0, 'D008099'),
      Entity(24, 28, 'Organism', 'mice'),
    ),
    relations=(DocumentRelation('is in', 0, 2),),
  )
  brat.write([found], tmp_path / 'out')
  assert (tmp_path / 'out/d.ann').read_text() == (
    'T2\tOrgan 0 4\tLung\n'
    'T1\tBody_part 9 14\tliver\n'
    'T3\tOrganism 24 28\tmice\n'
    'N1\tReference T1 ID:D008099\tliver\n'
    'R1\tis_in Arg1:T2 Arg2:T3\n'
  )
  assert (tmp_path / 'out/annotation.conf').read_text() == (
    '[entities]\nBody_part\nOrgan\nOrganism\n[relations]\n'
    'is_in\tArg1:<ENTITY>, Arg2:<ENTITY>\n[events]\n[attributes]\n'
  )
