"""Relations as a library: documents with entities, or strings and a tagger."""

import dataclasses

import pytest

from biobert_jax.errors import InputError
from biobert_jax.inference.relation_extractor import RelationExtractor
from biobert_jax.inference.results import PredictedRelation, RelatedDocument
from biobert_jax.text.documents import Document, Entity
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
