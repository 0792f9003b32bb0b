"""Pages of relations and answers: all is shown, filtered and readable."""

import xml.etree.ElementTree

import pytest

from biobert_jax.data.qa.span_decoding import PooledAnswer
from biobert_jax.data.qa.squad import Question
from biobert_jax.inference import result_pages
from biobert_jax.inference.question_files import QuestionRequest
from biobert_jax.inference.results import (
  PredictedRelation,
  RelatedDocument,
  YesNoResult,
)
from tests.fixtures import browser
from tests.fixtures.tagged_documents import DOCUMENT

RELATIONS = (
  PredictedRelation('CPR:3', 0.9, 1, 0, ''),
  PredictedRelation('<b>', 0.4, 2, 0, ''),
)
PASSAGES = ('Aspirin inhibits <COX-1>.', 'Nothing is known.')
REQUEST = QuestionRequest(
  'q & a', tuple(Question('q', 'Why?', text, (), '', '') for text in PASSAGES)
)


class Answers:
  """As `QuestionResult`, with answers of our own."""

  request, has_answer = REQUEST, True
  answers = (
    PooledAnswer('COX-1', 0.8, 0, 18, 23),
    PooledAnswer('known', 0.1, 1, 11, 16),
  )


def written(write, results, tmp_path):
  write(results, tmp_path / 'out.html')
  page = (tmp_path / 'out.html').read_text('utf-8')
  return page, xml.etree.ElementTree.fromstring(page)


def rows_of(root):
  rows = [[''.join(c.itertext()) for c in row] for row in root.iter('tr')]
  return rows[1:]


def check(page, tmp_path, action, shown):
  if browser.CHROMIUM:
    (text,) = browser.check(page, tmp_path, (action,))
    assert f'{shown} shown' in text


def test_relations(tmp_path):
  results = [RelatedDocument(DOCUMENT, RELATIONS)]
  page, root = written(result_pages.write_relations, results, tmp_path)
  assert rows_of(root) == [
    ['CPR:3', 'α-synuclein', 'Ataxia', '0.900'],
    ['<b>', '😀 mice', 'Ataxia', '0.400'],
  ]
  action = "page.querySelector('[value=Gene]').click();"
  check(page, tmp_path, action, '4 of 5 entities and relations')


def test_answers(tmp_path):
  page, root = written(result_pages.write_answers, [Answers], tmp_path)
  assert rows_of(root) == [['COX-1', '0.800'], ['known', '0.100']]
  texts = [''.join(p.itertext()) for p in root.iter('p')]
  assert [*texts][1:] == [*PASSAGES]
  marked = [m.text for p in root.iter('p') for m in p.iter('mark')]
  assert marked == ['COX-1']
  action = 'page.forms[0].least.value = 0.5; page.forms[0].oninput();'
  check(page, tmp_path, action, '1 of 2 answers')


def test_yes_no(tmp_path):
  result = YesNoResult(REQUEST, 'yes', {'no': 0.25, 'yes': 0.75}, 2)
  page, root = written(result_pages.write_yes_no, [result], tmp_path)
  assert rows_of(root) == [['yes', '0.750'], ['no', '0.250']]
  check(page, tmp_path, '', '2 of 2 labels')


@pytest.mark.parametrize(
  'write',
  [
    result_pages.write_relations,
    result_pages.write_answers,
    result_pages.write_yes_no,
  ],
)
def test_nothing_makes_a_page(tmp_path, write):
  _, root = written(write, [], tmp_path)
  assert rows_of(root) == []
