"""BioC that others wrote: sentences, parts, relations; and what is refused."""

import collections
import json

import pytest

from biobert_jax.errors import InputError
from biobert_jax.text import bioc
from biobert_jax.text.documents import Document, DocumentRelation
from biobert_jax.text.readers import any_format


def place(offset, length):
  return {'offset': offset, 'length': length}


def annotation(id, text, *places, **infons):
  return {'id': id, 'text': text, 'locations': places, 'infons': infons}


DOCUMENT = {
  'id': 'PMC1',
  'infons': {'license': 'CC0'},
  'passages': [
    {'offset': 0, 'infons': {'type': 'title', 'year': '1'}, 'text': 'A title'},
    {
      'offset': 20,
      'infons': {'type': 'paragraph'},
      'sentences': [
        {'offset': 20, 'text': 'Lung is ill.'},
        {
          'offset': 33,
          'text': 'So are lung and liver cells.',
          'annotations': [
            annotation('7', 'lung', place(40, 4), type='Organ', MESH='D008168'),
            annotation('8', 'lung cells', place(40, 4), place(55, 5), type='C'),
            annotation('9', 'ill'),
          ],
        },
      ],
    },
    {'offset': 99, 'text': ''},
  ],
  'relations': [
    {
      'id': 'R0',
      'infons': {'type': 'part'},
      'nodes': [{'refid': '7', 'role': 'a'}, {'refid': '8', 'role': 'b'}],
    },
    {'id': 'R1', 'infons': {'type': 'x'}, 'nodes': [{'refid': '7'}]},
    {
      'id': 'R2',
      'infons': {
        'type': 'Bind',
        'role1': {'identifier': 'D1'},
        'role2': {'identifier': 'D2'},
      },
    },
  ],
}


def test_sentences_parts_and_relations():
  counts = collections.Counter()
  document = bioc.document_of(DOCUMENT, 'PMC1', 'x.json', 1, counts)
  assert document.text == ('A title\nLung is ill. So are lung and liver cells.')
  assert document.title_length == 7
  assert document.extra == {'license': 'CC0'}
  lung, cells = document.entities
  assert (lung.text, lung.start, lung.type) == ('lung', 28, 'Organ')
  assert lung.extra == {'MESH': 'D008168', 'id': '7'}
  assert cells.text == 'lung and liver cells'
  assert cells.extra['fragments'] == [[28, 32], [43, 48]]
  part, bind = document.relations
  assert part == DocumentRelation('part', 0, 1)
  assert (bind.type, bind.first, bind.second) == ('Bind', 'D1', 'D2')
  assert counts == {
    'annotations_without_a_place': 1,
    'discontinuous_mentions': 1,
    'passage_infons_dropped': 1,
    'passages_without_text': 1,
    'relations_without_two_ends': 1,
  }


@pytest.mark.parametrize(
  ('change', 'what'),
  [
    (
      {'text': 'Lunge'},
      "'7': offsets 40 to 44 hold 'lung', not 'Lunge'",
    ),
    (
      {'locations': [place(4000, 4)]},
      "4000 to 4004 hold '', not 'lung'",
    ),
    ({'locations': [{'offset': 'x', 'length': 1}]}, 'invalid literal'),
  ],
)
def test_a_wrong_place_is_refused_by_document_and_annotation(change, what):
  document = json.loads(json.dumps(DOCUMENT))
  document['passages'][1]['sentences'][1]['annotations'][0] |= change
  with pytest.raises(InputError, match=f'^x: document PMC1: .*{what}'):
    bioc.document_of(document, 'PMC1', 'x', 1, collections.Counter())


def test_xml_is_read_as_json_is(tmp_path):
  found = bioc.document_of(DOCUMENT, 'PMC1', 'x', 1, collections.Counter())
  bioc.write_xml([found], tmp_path / 'x.xml')
  (again,) = any_format.read_documents(tmp_path / 'x.xml')
  assert again.entities == found.entities
  assert again.text == found.text
  part, bind = again.relations
  assert part == found.relations[0]
  # Infons of XML are text.
  assert json.loads(bind.extra['role1']) == {'identifier': 'D1'}


def test_control_characters_are_shown_in_xml(tmp_path):
  bioc.write_xml([Document('1', 'a\x00b\rc')], tmp_path / 'x.xml')
  (again,) = any_format.read_documents(tmp_path / 'x.xml')
  assert again.text == 'a\ufffdb\rc'
