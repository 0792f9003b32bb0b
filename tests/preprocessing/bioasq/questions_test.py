"""The challenge's own questions, in every edition's form."""

import json
import re
from collections import Counter

import pytest

from biobert_jax.errors import InputError
from biobert_jax.preprocessing.bioasq import questions as bioasq_questions
from tests.fixtures import small_bioasq


def question(**changes):
  row = {
    'id': 'a' * 24,
    'type': 'factoid',
    'body': 'Which gene\nis it?',
    'documents': ['http://www.ncbi.nlm.nih.gov/pubmed/12'],
    'snippets': [{'text': 'It is p53.', 'document': 'x'}],
    'exact_answer': [['p53', 'TP53']],
  }
  return row | changes


def read(tmp_path, *rows, counts=None, max_broken=0.01):
  path = tmp_path / 'raw.json'
  path.write_text(json.dumps({'questions': list(rows)}))
  counts = Counter() if counts is None else counts
  return bioasq_questions.read([str(path)], counts, max_broken)


@pytest.mark.parametrize(
  ('type_', 'exact', 'answers'),
  [
    ('factoid', 'p53', (('p53',),)),
    ('factoid', ['p53', 'TP53', 'p53'], (('p53', 'TP53'),)),
    ('factoid', [['p53', ' TP53 ']], (('p53', 'TP53'),)),
    ('factoid', [['p53'], ['TP53']], (('p53', 'TP53'),)),
    ('factoid', [['']], ()),
    ('factoid', 53, (('53',),)),
    ('list', [[53], 7.5], (('53',), ('7.5',))),
    ('list', 'p53', (('p53',),)),
    ('list', ['p53', 'BRCA1'], (('p53',), ('BRCA1',))),
    ('list', [['p53', 'TP53'], ['BRCA1']], (('p53', 'TP53'), ('BRCA1',))),
    ('list', [['p53'], 'BRCA1', []], (('p53',), ('BRCA1',))),
    ('yesno', 'Yes', (('yes',),)),
    ('yesno', ['no.'], (('no',),)),
    ('yesno', '', ()),
    ('summary', 'whatever', ()),
    ('list', None, ()),
  ],
)
def test_exact_answers_of_all_editions(tmp_path, type_, exact, answers):
  row = question(type=type_, exact_answer=exact)
  (found,) = read(tmp_path, row)
  assert found.answers == answers
  # A test set has none, and who writes a submission looks at none.
  del row['exact_answer']
  assert read(tmp_path, row)[0].answers == ()
  assert read(tmp_path, question(exact_answer=True), max_broken=None)


def test_a_question_is_read_whole(tmp_path):
  counts = Counter()
  (found,) = read(
    tmp_path,
    question(
      documents=[
        'http://www.ncbi.nlm.nih.gov/pubmed/12',
        'https://pubmed.ncbi.nlm.nih.gov/345/',
        'http://www.ncbi.nlm.nih.gov/pubmed/12',
        'https://www.ncbi.nlm.nih.gov/pmc/articles/PMC99',
      ],
      snippets=[
        {'text': 'It is\np53. ', 'document': 'http://x/pubmed/12'},
        {'text': ' '},
      ],
    ),
    counts=counts,
  )
  assert found.body == 'Which gene is it?'
  assert found.pmids == ('12', '345')
  assert found.snippets == (bioasq_questions.Snippet('It is\np53. ', '12'),)
  assert found.id == 'a' * 24
  assert +counts == {
    'questions': 1,
    'answers_as_lists': 1,
    'documents_without_pmid': 1,
    'snippets_without_text': 1,
  }


def test_a_question_may_lack_snippets_and_documents(tmp_path):
  row = question()
  del row['snippets'], row['documents']
  (found,) = read(tmp_path, row)
  assert found.snippets == found.pmids == ()


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'id': 'a' * 23}, 'questions[1]: the id'),
    ({'id': 'b' * 24}, f'questions[1]: the id {"b" * 24} stands twice'),
    ({'id': None}, "questions[1]: 'id' is 'None'; write a text"),
    ({'type': 'fact'}, "type 'fact' is not one of factoid, list"),
    ({'type': None}, "'type' is 'None'"),
    ({'body': ' '}, 'the body is empty'),
    ({'snippets': 'text'}, "'snippets' is 'text'; write a list"),
    ({'snippets': [{'texts': ''}]}, "snippets[0]: 'text' is missing"),
    ({'exact_answer': True}, "exact_answer 'True' is not a string, list"),
    ({'exact_answer': [[{}]]}, "exact_answer '[[{}]]' is not a string, list"),
    ({'type': 'yesno'}, 'is neither yes nor no'),
  ],
)
def test_what_is_wrong_is_named(tmp_path, changes, message):
  with pytest.raises(InputError, match=re.escape(message)) as caught:
    read(tmp_path, question(id='b' * 24), question(**changes))
  text = str(caught.value)
  assert 'raw.json: questions[1]' in text
  assert '\n' not in text


def test_malformed_answers_up_to_a_share(tmp_path):
  """The question stays: a test set has to answer it."""
  counts = Counter()
  rows = [question(id='b' * 24), question(exact_answer={})]
  found = read(tmp_path, *rows, counts=counts, max_broken=0.5)
  assert [q.answers for q in found] == [(('p53', 'TP53'),), ()]
  assert counts['questions_with_malformed_answers'] == 1
  with pytest.raises(
    InputError, match=r'1 of 2 questions are broken; more tha'
  ):
    read(tmp_path, *rows, max_broken=0.4)


def test_an_id_stands_in_one_file_only(tmp_path):
  path = tmp_path / 'a.json'
  path.write_text(json.dumps(small_bioasq.raw_bioasq()))
  with pytest.raises(InputError, match=r'questions\[0\]: the id 0+1 stands tw'):
    bioasq_questions.read([str(path), str(path)], Counter(), 0.01)
  path.write_text('{"questions": []}')
  with pytest.raises(InputError, match='holds no question'):
    bioasq_questions.read([str(path)], Counter(), 0.01)
