"""The tagger as a library: strings and documents, one or many."""

import collections
import dataclasses

import pytest

from biobert_jax.errors import InputError
from biobert_jax.inference.tagger import Tagger, with_entities
from biobert_jax.text.documents import Document, DocumentRelation, Entity
from tests.fixtures import small_predictors

TEXTS = ['Aspirin cures fever.', '', 'In rats.']


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tagger')
  return small_predictors.write(folder, 'token', ('B-Drug', 'O', 'I-Drug'))


@pytest.fixture(scope='module')
def tagger(model):
  return Tagger(model)


def test_one_many_and_a_stream(tagger):
  found = tagger(TEXTS)
  assert [document.text for document in found] == TEXTS
  assert [document.id for document in found] == ['1', '2', '3']
  assert [*tagger(iter(TEXTS))] == found
  one = tagger(TEXTS[0])
  assert one == found[0] == tagger(Document('1', TEXTS[0]))
  assert one.entities
  for entity in one.entities:
    assert TEXTS[0][entity.start : entity.end] == entity.text
    assert 0 < entity.score <= 1
  assert tagger([]) == []


def test_wrong_types_are_refused_at_the_call(tagger):
  for given in (7, b'text', ['a', 7], iter([7])):
    with pytest.raises(TypeError, match='give a string or a Document'):
      tagger(given)


def test_what_a_document_has_stays_or_is_counted(model):
  own = Entity(0, 7, 'Word', 'Aspirin', 0.5, 'D001241', {'id': 'T1'})
  relations = (DocumentRelation('CID', 0, 'D005334'),)
  document = Document(
    *('a', TEXTS[0], (own,)), relations=relations, extra={'journal': 'Gut'}
  )
  counts = collections.Counter()
  found = Tagger(model, counts=counts)(document)
  assert own not in found.entities
  assert (found.relations, found.extra) == ((), {})
  dropped = {
    'entities_of_the_input_dropped': 1,
    'relations_of_the_input_dropped': 1,
    'unknown_keys_of_the_input_dropped': 1,
  }
  assert counts.items() >= dropped.items()
  kept = Tagger(model, keep_entities=True, counts=counts)(document)
  assert own in kept.entities
  assert kept.entities[kept.relations[0].first] == own
  assert kept.extra == document.extra
  assert counts.items() >= dropped.items()


def test_given_entities_keep_their_ids_and_relations_their_ends():
  given = (
    Entity(8, 13, 'Disease', 'fever', 1.0, 'D005334'),
    Entity(0, 7, 'Drug', 'Aspirin', 1.0, 'D001241'),
    Entity(0, 7, 'Drug', 'Aspirin', 1.0, 'CHEBI:15365'),  # Of another base.
  )
  relations = (DocumentRelation('CID', 1, 0), DocumentRelation('x', 'A', 2))
  document = Document('a', 'Aspirin fever pill', given, relations=relations)
  found = [
    Entity(0, 7, 'Drug', 'Aspirin', 0.75),
    Entity(5, 9, 'X', 'in f', 0.5),
  ]
  both = with_entities(document, found)
  assert [(e.text, e.score, e.concept) for e in both.entities] == [
    ('Aspirin', 0.75, 'D001241'),
    ('Aspirin', 0.75, 'CHEBI:15365'),
    ('in f', 0.5, ''),
    ('fever', 1.0, 'D005334'),
  ]
  assert both.relations == (
    DocumentRelation('CID', 0, 3),
    DocumentRelation('x', 'A', 1),
  )


def test_every_label_of_every_word_has_a_score(model, tagger):
  (plain,) = tagger([TEXTS[0]])
  (scored,) = Tagger(model, scores=True)([TEXTS[0]])
  assert scored.entities == plain.entities
  tokens = scored.extra['tokens']
  assert [TEXTS[0][t['start'] : t['end']] for t in tokens] == [
    *('Aspirin', 'cures', 'fever', '.')
  ]
  labels = []
  for token in tokens:
    assert set(token['scores']) == {'B-Drug', 'O', 'I-Drug'}
    assert sum(token['scores'].values()) == pytest.approx(1, abs=1e-5)
    labels.append(max(token['scores'], key=token['scores'].get))
  assert labels[0] != 'O' or plain.entities[0].start > 0


def test_what_is_found_reads_well():
  entity = Entity(10, 25, 'Disease', 'type 2 diabetes', 0.9812)
  assert repr(entity) == "Entity('type 2 diabetes', Disease, 10:25, 0.98)"
  document = Document('7', 'Case of a type 2 diabetes', (entity,))
  assert repr(document) == (
    f"Document('7', 'Case of a type 2 diabetes', entities=[{entity!r}])"
  )
  assert len(repr(Document('7', 'long ' * 100))) < 100


def test_labels_have_to_be_tags(model):
  wrong = dataclasses.replace(model, labels=('O', 'Drug', 'I'))
  with pytest.raises(InputError, match='are no tags of entities .*--labels=O'):
    Tagger(wrong)


def test_odd_labels_are_decoded_with_a_note(model, caplog):
  """The same classes under the names of other schemes: the same entities."""
  expected = Tagger(model)(TEXTS)
  for labels in ('B_Drug O I_Drug', 'B-Drug 0 I-Drug', 'b-Drug o i-Drug'):
    odd = dataclasses.replace(model, labels=tuple(labels.split()))
    assert Tagger(odd)(TEXTS) == expected
  assert 'read as BIO tags: B_Drug as B-Drug' in caplog.text
  assert 'read as BIO tags: 0 as O\n' in caplog.text
  inside = dataclasses.replace(model, labels=('Drug', 'O', 'Gene'))
  kinds = [e.type for d in Tagger(inside)(TEXTS) for e in d.entities]
  assert set(kinds) <= {'Drug', 'Gene'}
  assert 'read as IO tags' in caplog.text
