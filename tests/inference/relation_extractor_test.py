"""Relations as a library: documents with entities, or strings and a tagger."""

import collections
import dataclasses

import pytest

from biobert_jax.errors import InputError
from biobert_jax.inference.relation_extractor import RelationExtractor
from biobert_jax.inference.results import PredictedRelation, RelatedDocument
from biobert_jax.text import json_rows
from biobert_jax.text.documents import Document, DocumentRelation, Entity
from tests.fixtures import small_predictors

TEXT = 'BRCA1 and flu.'
ENTITIES = (Entity(0, 5, 'Gene', 'BRCA1'), Entity(10, 13, 'Disease', 'flu'))
WITH = Document('a', TEXT, ENTITIES)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  return small_predictors.relation(tmp_path_factory.mktemp('relation'))


@pytest.fixture(scope='module')
def extractor(model):
  # Whatever its random label is, it is no negative one.
  settings = {**model.settings, 'negative': 'none'}
  return RelationExtractor(dataclasses.replace(model, settings=settings))


def test_one_many_and_a_stream(extractor):
  one = extractor(WITH)
  (relation,) = one.relations
  assert (relation.first, relation.second) == (0, 1)
  assert relation.sentence == '@GENE$ and @DISEASE$.'
  without = Document('b', TEXT)
  assert extractor([WITH, without]) == [one, RelatedDocument(without, ())]
  assert [*extractor(iter([WITH]))] == [one]
  assert extractor([]) == []


def test_strings_need_a_tagger(model, extractor):
  for given in (TEXT, [TEXT], iter([TEXT])):
    with pytest.raises(TypeError, match='tagger=Tagger'):
      extractor(given)
  with pytest.raises(TypeError, match='input 1 is int'):
    extractor([7])

  def tagger(documents):
    for document in documents:
      yield dataclasses.replace(document, entities=ENTITIES)

  settings = {**model.settings, 'negative': 'none'}
  both = RelationExtractor(
    dataclasses.replace(model, settings=settings), tagger=tagger
  )
  assert both(TEXT).relations == extractor(WITH).relations
  assert [len(one.relations) for one in both([TEXT, TEXT])] == [1, 1]


def test_sentences_that_show_their_pair_are_classified(extractor, tmp_path):
  (relation,) = extractor(WITH).relations
  (tmp_path / 'test.tsv').write_text(
    'index\tsentence\tlabel\n7\t@GENE$ and @DISEASE$.\t0\n'
    '8\tNo pair of @GENE$.\t0\n'
  )
  counts = collections.Counter()
  rows = extractor.read([str(tmp_path / 'test.tsv')], counts)
  one, none = extractor(rows)
  assert one.relations == (relation,)
  assert (one.document.id, one.document.text) == ('7', '@GENE$ and @DISEASE$.')
  assert [(e.text, e.type) for e in one.document.entities] == [
    ('@GENE$', 'GENE'),
    ('@DISEASE$', 'DISEASE'),
  ]
  assert none.relations == ()
  assert counts == {'header_lines': 1}
  # A bare sentence, and one word for both.
  assert extractor('@GENE$ and @DISEASE$.').relations == (relation,)
  (joint,) = extractor('A @GENE-DISEASE$ syndrome.').relations
  assert joint.sentence == 'A @GENE-DISEASE$ syndrome.'
  # What it writes, it reads again.
  written = json_rows.document_of(one.row(), '7', 'x', 1)
  assert extractor(written).relations == one.relations


def test_every_class_of_every_pair_has_a_score(model, extractor):
  settings = {**model.settings, 'negative': extractor(WITH).relations[0].type}
  every = RelationExtractor(
    dataclasses.replace(model, settings=settings), scores=True
  )
  found = every(WITH)
  assert found.relations == ()
  (candidate,) = found.candidates
  assert candidate.scores.keys() == set(model.labels)
  assert max(candidate.scores.values()) == pytest.approx(
    candidate.score, abs=1e-4
  )
  (row,) = found.row()['candidates']
  assert row['scores'] == candidate.scores


def test_a_window_has_pairs_of_neighbouring_sentences(model):
  text = 'BRCA1 is here. It is a gene. The flu is not.'
  entities = (Entity(0, 5, 'Gene', 'BRCA1'), Entity(33, 36, 'Disease', 'flu'))
  document = Document('a', text, entities)
  for window, pairs in ((2, 0), (3, 1)):
    settings = {**model.settings, 'negative': '-', 'sentence_window': window}
    wide = RelationExtractor(dataclasses.replace(model, settings=settings))
    found = wide(document).relations
    assert [one.sentence for one in found] == pairs * [
      '@GENE$ is here. It is a gene. The @DISEASE$ is not.'
    ]


def test_given_relations_stay_or_are_counted(model):
  given = DocumentRelation('CID', 'D1', 'D2')
  document = dataclasses.replace(WITH, relations=(given,))
  counts = collections.Counter()
  assert RelationExtractor(model, counts=counts)(document).document == WITH
  assert counts['relations_of_the_input_dropped'] == 1
  found = RelationExtractor(model, keep_entities=True)(document)
  assert found.as_document().relations[0] == given
  assert found.row()['relations'][0] == {
    'type': 'CID',
    'first': 'D1',
    'second': 'D2',
  }


def test_the_negative_label_is_no_relation(model, extractor):
  (relation,) = extractor(WITH).relations
  settings = {**model.settings, 'negative': relation.type}
  changed = dataclasses.replace(model, settings=settings)
  assert RelationExtractor(changed)(WITH).relations == ()


def test_a_model_says_which_pairs_it_was_trained_on(model):
  with pytest.raises(InputError, match='nothing says which pairs'):
    RelationExtractor(dataclasses.replace(model, settings={}))


def test_what_is_found_reads_well():
  relation = PredictedRelation('CAUSES', 0.973, 0, 1, '@GENE$ and @DISEASE$.')
  found = RelatedDocument(WITH, (relation,))
  assert repr(found) == ("RelatedDocument('a', [CAUSES('BRCA1', 'flu', 0.97)])")
