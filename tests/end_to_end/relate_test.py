"""Entities to relations, by every form of a trained model."""

import json

import numpy as np
import pytest

from biobert_jax.checkpoints import export, pretrained
from biobert_jax.errors import InputError
from biobert_jax.inference import predict, relation_extractor
from biobert_jax.text.documents import Document, Entity
from tests.fixtures import model_folders, shared_runs


def document(id, *parts):
  """A document of texts and (type, mention) pairs, in order."""
  text, entities = '', []
  for part in parts:
    if isinstance(part, tuple):
      end = len(text) + len(part[1])
      entities.append(Entity(len(text), end, *part))
      text += part[1]
    else:
      text += part
  return Document(id, text, tuple(entities))


GENE, OTHER, DISEASE = ('Gene', 'BRCA1'), ('protein', 'p53'), ('Disease', 'flu')
DOCUMENTS = [
  document('1', 'In rats ', GENE, ' causes ', DISEASE, '.'),
  document('2', 'In rats ', GENE, ' spares ', DISEASE, '.'),
  document('3', 'In mice ', DISEASE, ' predicts ', OTHER, '. ', GENE, ' too.'),
  document('4', 'No entity.'),
  document('5', ('Species', 'Rats'), ' have ', DISEASE, '.'),
]


def write(path):
  """The documents as a tagger's `predict` writes them."""
  rows = [
    {
      'id': one.id,
      'text': one.text,
      'entities': [
        {'start': e.start, 'end': e.end, 'type': e.type} for e in one.entities
      ],
    }
    for one in DOCUMENTS
  ]
  path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  return str(path)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  return shared_runs.relations(tmp_path_factory)[1]


def run(model, tmp_path, form='jsonl'):
  out = tmp_path / f'out.{form}'
  source = write(tmp_path / 'in.jsonl')
  report = predict.predict(str(model), source, str(out), form)
  return out.read_text('utf-8'), report


def test_relations_of_each_sentence(trained, tmp_path):
  text, report = run(trained, tmp_path)
  rows = [json.loads(line) for line in text.splitlines()]
  assert [row['id'] for row in rows] == ['1', '2', '3', '4', '5']
  for row, one in zip(rows, DOCUMENTS, strict=True):
    assert row['text'] == one.text
    assert len(row['entities']) == len(one.entities)
  (relation,) = rows[0]['relations']
  assert relation['type'] == '1'
  assert 0.5 < relation['score'] <= 1
  assert relation['sentence'] == 'In rats @GENE$ causes @DISEASE$.'
  ends = [rows[0]['entities'][relation[end]] for end in ('first', 'second')]
  assert [end['text'] for end in ends] == ['BRCA1', 'flu']
  assert rows[1]['relations'] == []  # The label of no relation.
  # Of two genes only the one in the disease's sentence; types by any name.
  (relation,) = rows[2]['relations']
  assert rows[2]['entities'][relation['first']]['text'] == 'p53'
  assert rows[3]['relations'] == rows[4]['relations'] == []
  assert report == {
    'output': str(tmp_path / 'out.jsonl'),
    'documents': 5,
    'entities': 9,
    'pairs': 3,
    'relations': 2,
    'per_type': {'1': 2},
  }


def test_a_table_of_relations(trained, tmp_path):
  text, _ = run(trained, tmp_path, 'tsv')
  rows = [line.split('\t') for line in text.splitlines()]
  assert [row[0] for row in rows] == ['document', '1', '3']
  assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize('form', sorted(export.FORMATS))
def test_every_export_finds_the_same(form, trained, tmp_path):
  export.export(
    pretrained.load_pretrained(trained), form, str(tmp_path / 'model')
  )
  relaters = [
    relation_extractor.RelationExtractor(str(m))
    for m in (trained, tmp_path / 'model')
  ]
  ours, theirs = ([*r(DOCUMENTS)] for r in relaters)
  for one, other in zip(ours, theirs, strict=True):
    assert one.document == other.document
    for a, b in zip(one.relations, other.relations, strict=True):
      assert (a.first, a.second, a.type) == (b.first, b.second, b.type)
      np.testing.assert_allclose(a.score, b.score, atol=2e-4)
  assert sum(len(one.relations) for one in ours) == 2


@pytest.fixture(scope='module')
def marked(tmp_path_factory):
  return shared_runs.relations(tmp_path_factory, marked=True)[1]


def test_markers_and_entity_starts(marked, tmp_path):
  text, report = run(marked, tmp_path)
  rows = [json.loads(line) for line in text.splitlines()]
  found = [r for row in rows for r in row['relations']]
  assert [r['sentence'] for r in found] == [
    'In rats [E1] BRCA1 [/E1] causes [E2] flu [/E2] .',
    'In mice [E2] flu [/E2] predicts [E1] p53 [/E1] .',
  ]
  assert (report['pairs'], report['relations']) == (3, 2)
  model = pretrained.load_pretrained(marked)
  assert (model.head, model.labels) == ('entity_pair', ('0', '1'))
  for form in ('huggingface', 'tensorflow'):
    out = tmp_path / form
    export.export(model, form, str(out))
    assert 'Neither transformers nor' in (out / 'README.md').read_text()
    assert run(out, tmp_path)[0] == text


def test_what_does_not_fit_is_named(trained, tmp_path):
  source = write(tmp_path / 'in.jsonl')
  out = str(tmp_path / 'out')
  with pytest.raises(InputError, match="'conll'; of relations choose from"):
    predict.predict(str(trained), source, out, 'conll')
  (tmp_path / 'raw.txt').write_text('Only text.\n')
  with pytest.raises(InputError, match='no document has entities'):
    predict.predict(str(trained), str(tmp_path / 'raw.txt'), out, 'jsonl')
  assert not (tmp_path / 'out').exists()
  model_folders.write_huggingface(tmp_path / 'foreign', 'sequence')
  with pytest.raises(InputError, match='nothing says which pairs'):
    relation_extractor.RelationExtractor(str(tmp_path / 'foreign'))
  model_folders.write_huggingface(tmp_path / 'tagger', 'token')
  with pytest.raises(InputError, match='relations need a sequence classifier'):
    relation_extractor.RelationExtractor(str(tmp_path / 'tagger'))
