"""Relations written: entities by their index, read again as entities."""

import json

from biobert_jax.inference import relation_files
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers.any_format import read_documents

TEXT = 'The p53\tgene of 糖尿病.'
ENTITIES = (
  Entity(16, 19, 'Disease', '糖尿病', 0.9),
  Entity(4, 12, 'Gene', 'p53\tgene', 0.8),
)
ONE = relation_files.PredictedRelation(
  '1', 0.75, 1, 0, 'The @GENE$ of @DISEASE$.'
)
DOCUMENTS = [
  relation_files.RelatedDocument(Document('a', TEXT, ENTITIES), (ONE,)),
  relation_files.RelatedDocument(Document('b', 'Nothing.'), ()),
]


def test_jsonl(tmp_path):
  path = tmp_path / 'out.jsonl'
  relation_files.write_jsonl(iter(DOCUMENTS), path)
  row, other = map(json.loads, path.read_text('utf-8').splitlines())
  (relation,) = row['relations']
  assert row['entities'][relation['first']]['text'] == 'p53\tgene'
  assert row['entities'][relation['second']]['text'] == '糖尿病'
  assert (relation['type'], relation['score']) == ('1', 0.75)
  assert other['relations'] == []
  # Whoever reads entities passes over the relations.
  assert list(read_documents(path)) == [d.document for d in DOCUMENTS]


def test_tsv(tmp_path):
  path = tmp_path / 'out.tsv'
  relation_files.write_tsv(iter(DOCUMENTS), path)
  header, row = path.read_text('utf-8').splitlines()
  assert dict(zip(header.split('\t'), row.split('\t'), strict=True)) == {
    'document': 'a',
    'type': '1',
    'score': '0.7500',
    'first': 'p53 gene',
    'first_type': 'Gene',
    'first_start': '4',
    'second': '糖尿病',
    'second_type': 'Disease',
    'second_start': '16',
    'sentence': 'The @GENE$ of @DISEASE$.',
  }
