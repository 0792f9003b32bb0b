"""Objects of JSON as documents: known keys, and those that only go through."""

import pytest

from biobert_jax.text import json_rows
from biobert_jax.text.documents import DocumentRelation, json_row

ROW = {
  'id': 'n1',
  'text': 'Aspirin caused ulcer.',
  'entities': [
    {
      'start': 0,
      'end': 7,
      'type': 'Chemical',
      'text': 'Aspirin',
      'score': 1.0,
      'concept': 'D001241',
      'id': 'T9',
      'list': [1, {}],
    },
    {
      'start': 15,
      'end': 20,
      'type': 'Disease',
      'text': 'ulcer',
      'score': 0.5,
      'concept': ['D1', 'D2'],
    },
  ],
  'relations': [
    {'type': 'CID', 'first': 'D001241', 'second': 1, 'novel': True}
  ],
  'journal': {'name': 'Gut'},
}


def test_what_is_read_is_written():
  document = json_rows.document_of(ROW, 'n1', 'x', 3)
  assert json_row(document) == ROW
  assert document.entities[0].concept == 'D001241'
  assert document.entities[1].extra == {'concept': ['D1', 'D2']}
  expected = DocumentRelation('CID', 'D001241', 1, {'novel': True})
  assert document.relations == (expected,)


@pytest.mark.parametrize(
  'relations',
  [
    [['D001241', 'D1']],
    [{'type': 'CID', 'head': 0, 'tail': 1}],
    [{'type': 'CID', 'first': 0, 'second': 2}],
    {'CID': []},
  ],
)
def test_relations_of_another_layout_only_go_through(relations):
  row = ROW | {'relations': relations}
  document = json_rows.document_of(row, 'n1', 'x', 3)
  assert document.relations == ()
  assert json_row(document) == row


def test_the_key_that_names_it_is_no_other_key():
  row = {'pmid': 12, 'text': 'x'}
  document = json_rows.document_of(row, '12', 'x', 3)
  assert (document.id, document.extra) == ('12', {})
