"""Results written: relations of entities by index, answers in three forms."""

import json

import pytest

from biobert_jax.data.qa.span_decoding import Answered, Candidate
from biobert_jax.data.qa.squad import Question
from biobert_jax.inference import results
from biobert_jax.inference.question_files import QuestionRequest
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers.any_format import read_documents

TEXT = 'The p53\tgene of 糖尿病.'
ENTITIES = (
  Entity(16, 19, 'Disease', '糖尿病', 0.9),
  Entity(4, 12, 'Gene', 'p53\tgene', 0.8),
)
ONE = results.PredictedRelation('1', 0.75, 1, 0, 'The @GENE$ of @DISEASE$.')
DOCUMENTS = [
  results.RelatedDocument(Document('a', TEXT, ENTITIES), (ONE,)),
  results.RelatedDocument(Document('b', 'Nothing.'), ()),
]


def test_jsonl(tmp_path):
  path = tmp_path / 'out.jsonl'
  results.write_jsonl(iter(DOCUMENTS), path)
  row, other = map(json.loads, path.read_text('utf-8').splitlines())
  (relation,) = row['relations']
  assert row['entities'][relation['first']]['text'] == 'p53\tgene'
  assert row['entities'][relation['second']]['text'] == '糖尿病'
  assert (relation['type'], relation['score']) == ('1', 0.75)
  assert other['relations'] == []
  # Whoever reads entities gets the relations, too.
  first, second = read_documents(path)
  assert first.entities == DOCUMENTS[0].document.entities
  assert second == DOCUMENTS[1].document
  (found,) = first.relations
  assert found.extra.keys() == {'score', 'sentence'}
  assert found.first == relation['first']


def test_tsv(tmp_path):
  path = tmp_path / 'out.tsv'
  results.write_relations_tsv(iter(DOCUMENTS), path)
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


def candidate(text, start, probability):
  return Candidate(text, start, start + len(text), probability, 1.0, 2.0)


def result(*passages, id_='a'):
  """A question with candidates for each passage, the first of them chosen."""
  names = [f'{id_}_{n:03d}' for n in range(1, len(passages) + 1)]
  asked = [Question(name, 'W?', 'x' * 9, (), '', '') for name in names]
  answered = [Answered(row[0], tuple(row), 0.0) for row in passages]
  request = QuestionRequest(id_, tuple(asked))
  return results.QuestionResult(request, tuple(answered))


def test_answers_are_ranked_over_passages(tmp_path):
  source = [
    result(
      [candidate('p53', 4, 0.6), candidate('ATM', 0, 0.4)],
      [candidate('ATM', 2, 0.9)],
    ),
    result([candidate('', 0, 0.7), candidate('x', 1, 0.3)], id_='b'),
  ]
  results.write_jsonl(source, tmp_path / 'out')
  first, second = map(json.loads, (tmp_path / 'out').read_text().splitlines())
  assert (first['id'], first['question']) == ('a', 'W?')
  best, other = first['answers']
  assert best.pop('probability') == pytest.approx(1.3)
  assert best == {'text': 'ATM', 'passage': 1, 'start': 2, 'end': 5}
  assert (other['text'], other['passage'], other['start']) == ('p53', 0, 4)
  assert (first['has_answer'], second['has_answer']) == (True, False)
  assert [one['text'] for one in second['answers']] == ['x']


def test_files_of_the_reference_s_form(tmp_path):
  source = [
    result([candidate('p53', 4, 0.6)], [candidate('ATM', 2, 0.9)]),
    result([candidate('é', 0, 1.0)], id_='b'),
  ]
  results.write_squad(source, tmp_path / 'squad')
  text = (tmp_path / 'squad').read_text('utf-8')
  assert json.loads(text) == {'a_001': 'p53', 'a_002': 'ATM', 'b_001': 'é'}
  assert 'é' in text
  results.write_nbest(source, tmp_path / 'nbest')
  nbest = json.loads((tmp_path / 'nbest').read_text('utf-8'))
  assert list(nbest) == ['a_001', 'a_002', 'b_001']
  assert nbest['a_002'] == [
    {
      'text': 'ATM',
      'start': 2,
      'end': 5,
      'probability': 0.9,
      'start_logit': 1.0,
      'end_logit': 2.0,
    }
  ]
