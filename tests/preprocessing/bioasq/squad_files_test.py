"""Answers where they stand, and no row lost without count."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobert_jax.preprocessing.bioasq import squad_files
from biobert_jax.preprocessing.bioasq.questions import RawQuestion
from biobert_jax.preprocessing.bioasq.squad_files import locate, squad_rows


def question(type_='factoid', answers=(('p53', 'TP53'),), number=1):
  return RawQuestion(f'{number:024x}', type_, 'Which?', answers)


@pytest.mark.parametrize(
  ('passage', 'synonyms', 'found'),
  [
    ('Both p53 and p53.', ['p53'], ['p53', 'p53']),
    ('The P53 gene', ['p53'], ['P53']),
    ('The P53 and p53', ['p53'], ['p53']),
    ('IL-21, not IL-2-like', ['IL-2'], ['IL-2']),
    ('kinases', ['kinase'], []),
    ('β-catenin', ['catenin'], ['catenin']),
    ('𝛼 and IL  2\nx', ['il 2 x'], ['IL  2\nx']),
    ('a (b) c', ['(b)', 'b'], ['(b)', 'b']),
    ('zinc finger', ['zinc', 'zinc finger'], ['zinc finger', 'zinc']),
    ('İ and p53', ['P53'], ['p53']),
    ('none', ['p53'], []),
    ('', ['p53'], []),
  ],
)
def test_answers_are_whole_words(passage, synonyms, found):
  spans = locate(passage, synonyms, Counter())
  assert [passage[a:b] for a, b in spans] == found


def test_how_an_answer_was_found_is_counted():
  counts = Counter()
  locate('The P53 gene', ['p53'], counts)
  locate('kinases', ['kinase'], counts)
  locate('p53', ['p53'], counts)
  assert +counts == {'answers_in_another_case': 1, 'answers_inside_words': 1}


def test_all_synonyms_are_located_and_the_first_comes_first():
  counts = Counter()
  ((passage, row),) = squad_rows(
    question(), ['So TP53 (p53) is.'], True, counts
  )
  assert row['id'] == f'{1:024x}_001'
  assert row['answers'] == [
    {'text': 'TP53', 'answer_start': 3},
    {'text': 'p53', 'answer_start': 9},
  ]
  assert row['is_impossible'] is False
  assert row['question'] == 'Which?'
  assert passage == 'So TP53 (p53) is.'
  assert not +counts


PASSAGES = ['p53 and BRCA1', 'nothing', 'BRCA1 alone']


def test_training_leaves_out_what_has_no_answer():
  counts = Counter()
  found = squad_rows(question(), PASSAGES, True, counts)
  assert [row['id'][-3:] for _, row in found] == ['001']
  assert +counts == {'passages_without_answer': 2}
  counts = Counter()
  assert squad_rows(question(answers=(('zyx',),)), PASSAGES, True, counts) == []
  assert +counts == {'passages_without_answer': 3, 'questions_unanswerable': 1}
  counts = Counter()
  assert squad_rows(question(answers=()), PASSAGES, True, counts) == []
  assert +counts == {'questions_without_exact_answer': 1}


def test_a_test_keeps_them():
  counts = Counter()
  found = squad_rows(question(answers=(('zyx',),)), PASSAGES, False, counts)
  assert [row['id'][-3:] for _, row in found] == ['001', '002', '003']
  assert [row['answers'] for _, row in found] == [[], [], []]
  assert counts['questions_unanswerable'] == 1
  bare = squad_rows(question(answers=()), PASSAGES, False, counts)
  assert len(bare) == 3
  assert all('answers' not in row for _, row in bare)


def test_an_answer_to_a_list_question_is_a_row_in_training():
  counts = Counter()
  asked = question('list', (('p53',), ('BRCA1', 'zyx')))
  found = squad_rows(asked, PASSAGES, True, counts)
  assert [(p, r['answers'][0]['text'], r['id'][-3:]) for p, r in found] == [
    ('p53 and BRCA1', 'p53', '001'),
    ('p53 and BRCA1', 'BRCA1', '002'),
    ('BRCA1 alone', 'BRCA1', '003'),
  ]
  assert +counts == {'passages_without_answer': 1}
  found = squad_rows(asked, PASSAGES, False, counts)
  assert [len(row['answers']) for _, row in found] == [2, 0, 1]


def test_a_yes_no_question_needs_no_place():
  counts = Counter()
  asked = question('yesno', (('no',),))
  found = squad_rows(asked, PASSAGES, True, counts)
  assert {row['answers'] for _, row in found} == {'no'}
  assert {row['is_impossible'] for _, row in found} == {True}
  # Without a passage it can still be answered.
  ((passage, _),) = squad_rows(asked, [], False, counts)
  assert passage == ''
  assert squad_rows(question(), [], False, counts) == []
  assert +counts == {'questions_without_passage': 2}


def test_a_question_has_999_rows_at_most():
  counts = Counter()
  found = squad_rows(
    question(), [f'p53 {i}' for i in range(1002)], True, counts
  )
  assert found[-1][1]['id'].endswith('_999')
  assert +counts == {'rows_over_999': 3}


def test_devel_is_drawn_by_question():
  questions = [question(number=n) for n in range(1, 51)]
  devel = squad_files.draw_dev_ids(questions, 0.1, 0)
  assert len(devel) == 5
  assert devel == squad_files.draw_dev_ids(questions[::-1], 0.1, 0)
  assert devel != squad_files.draw_dev_ids(questions, 0.1, 1)
  assert squad_files.draw_dev_ids(questions, 0.0, 0) == set()


_word = st.sampled_from(['p53', 'P53', 'TP53', 'β', '𝛼', 'p530', '(', '\n'])
_text = st.lists(_word, max_size=8).map(' '.join)


@settings(max_examples=200)
@given(st.lists(_text, max_size=5), st.sampled_from(['factoid', 'list']))
def test_every_passage_is_a_row_or_counted(passages, type_):
  counts = Counter()
  asked = question(type_, (('p53', 'TP53'), ('β',))[: 1 + (type_ == 'list')])
  found = squad_rows(asked, passages, True, counts)
  used = [passage for passage, _ in found]
  distinct = len(used) if type_ == 'factoid' else None
  if distinct is not None:
    assert distinct + counts['passages_without_answer'] == len(passages)
  for passage, row in found:
    for answer in row['answers']:
      start = answer['answer_start']
      assert passage[start : start + len(answer['text'])] == answer['text']
  assert len(squad_rows(asked, passages, False, counts)) == len(passages)
