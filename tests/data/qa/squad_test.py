"""Questions in SQuAD's form: what is read, repaired, counted and refused."""

import json
import re
from collections import Counter

import pytest

from biobert_jax.data.qa import squad
from biobert_jax.errors import InputError
from tests.fixtures import small_questions

TRAINING = squad.SquadRules('1.1', True, 0.0)
TEST = squad.SquadRules('1.1', False, 0.0)
CONTEXT = 'In rats 🐀 ATM causes gout, and ATM is large.'
AT = CONTEXT.index('gout')


def answer(text='gout', start=AT):
  return {'text': text, 'answer_start': start}


def row(id='q', answers=(), **more):
  return {
    'id': id,
    'question': 'What?',
    'answers': list(answers),
  } | more


def write(tmp_path, *rows, context=CONTEXT, name='x.json'):
  paragraphs = [{'context': context, 'qas': list(rows)}]
  content = small_questions.content_of(paragraphs, '1.1')
  (tmp_path / name).write_text(content, 'utf-8')
  return str(tmp_path / name)


def read(path, form):
  counts = Counter()
  return squad.read_files([path], counts, form), +counts


def test_a_question_knows_its_passage_and_its_place(tmp_path):
  path = write(tmp_path, row('a', [answer()]), row('b', [answer('ATM', 10)]))
  (first, second), counts = read(path, TRAINING)
  assert first == squad.Question(
    *('a', 'What?', CONTEXT, (squad.Answer('gout', AT),), path),
    'data[0].paragraphs[0].qas[0] (id a)',
  )
  assert second.located == squad.Answer('ATM', 10)
  assert not counts


def test_the_hub_s_forms_are_read(tmp_path):
  """Columns of answers, integer ids, and questions with their contexts."""
  answers = {'text': ['gout', 'flu'], 'answer_start': [AT, 3]}
  rows = [row(7) | {'answers': answers}, row() | {'answers': {'text': []}}]
  rules = squad.SquadRules('2.0', True, 0.0)
  (first, second), counts = read(write(tmp_path, *rows), rules)
  assert (first.id, first.located) == ('7', squad.Answer('gout', AT))
  assert [answer.text for answer in first.answers] == ['gout', 'flu']
  assert (second.answers, counts['further_answers']) == ((), 1)
  flat = {'data': [one | {'context': CONTEXT} for one in rows]}
  (tmp_path / 'flat.json').write_text(json.dumps(flat))
  found, _ = read(tmp_path / 'flat.json', rules)
  assert [one.answers for one in found] == [first.answers, ()]
  assert found[1].place == 'data[1] (id q)'


@pytest.mark.parametrize(
  ('text', 'start', 'found', 'kind'),
  [
    ('gout', AT, AT, ''),
    # An astral character counts two in UTF-16.
    ('gout', AT + 1, AT, 'answers_in_utf16'),
    ('gout', AT - 5, AT, 'answers_moved'),
    ('gout', 5000, -1, 'answers_past_the_end'),
    ('gout', -3, AT, 'answers_moved'),
    ('flu', 4, -1, 'answers_not_in_the_context'),
    ('ATM', 12, -1, 'answers_not_unique'),
    (' ', 2, -1, 'empty_answers'),
    # Offsets into the middle of a character are none of UTF-16.
    ('rats', 9, 3, 'answers_moved'),
  ],
)
def test_an_answer_stands_where_its_text_does(text, start, found, kind):
  assert squad.locate(CONTEXT, text, start) == (found, kind)
  if found >= 0:
    assert CONTEXT.startswith(text, found)


def test_a_move_is_short():
  far = 'gout' + 300 * '.'
  assert squad.locate(far, 'gout', 200) == (-1, 'answers_not_unique')


def test_broken_questions_are_left_out_of_training_and_counted(tmp_path):
  path = write(
    tmp_path,
    row('good', [answer()]),
    row('repaired', [answer(start=AT - 2)]),
    row('second', [answer('flu'), answer()]),
    row('broken', [answer('flu')]),
    row('none'),
    row('good', [answer()]),
    row('late', [{'text': 'gout'}]),
  )
  form = squad.SquadRules('1.1', True, 0.6)
  questions, counts = read(path, form)
  assert [q.id for q in questions] == ['good', 'repaired', 'second']
  assert [q.located.start for q in questions] == [AT] * 3
  assert counts == {
    'answers_moved': 1,
    'answers_not_in_the_context': 2,
    'further_answers': 1,
    'questions_without_answer': 1,
    'repeated_ids': 1,
    'answers_without_offset': 1,
    'questions_dropped': 4,
  }
  with pytest.raises(
    InputError, match=r'qas\[3\] \(id broken\): answer .*4 of'
  ):
    read(path, squad.SquadRules('1.1', True, 0.5))


def test_no_question_of_a_test_is_lost(tmp_path):
  """BioASQ's files to be answered have no answers."""
  bare = {'id': '5118dd1305c10fae75000001_001', 'question': 'What?'}
  path = write(
    tmp_path, bare, row('b', [answer('flu')]), row('c', [{'text': 'A'}])
  )
  questions, counts = read(path, TEST)
  assert [q.answers for q in questions] == [
    (),
    (squad.Answer('flu', -1),),
    (squad.Answer('A', -1),),
  ]
  assert counts == {'answers_not_in_the_context': 1}


def test_version_2_has_questions_without_answers(tmp_path):
  path = write(
    tmp_path,
    row('a', is_impossible=True, plausible_answers=[answer()]),
    row('b', [answer()], is_impossible=True),
    row('c', [answer()], is_impossible=False),
  )
  questions, counts = read(path, squad.SquadRules('2.0', True, 0.0))
  assert [len(q.answers) for q in questions] == [0, 0, 1]
  assert not counts
  with pytest.raises(
    InputError, match=r'set --config\.data\.squad_version=2\.0'
  ):
    read(path, TRAINING)


def test_one_answer_may_stand_without_a_list(tmp_path):
  path = write(tmp_path, {**row('a'), 'answers': answer()})
  assert read(path, TRAINING)[0][0].located.start == AT


@pytest.mark.parametrize(
  ('rows', 'form', 'message'),
  [
    ([row('')], TEST, r'qas\[0\]: the id is empty'),
    ([row(None)], TEST, r"qas\[0\]: 'id' is 'None'"),
    ([row('a'), row('a')], TEST, r'qas\[1\] \(id a\): the id a stands twice'),
    ([{'id': 'a'}], TEST, r"\(id a\): 'question' is missing"),
    ([row('a', is_impossible=1)], TEST, "is_impossible is '1'"),
    ([row('a', [answer(start='4')])], TRAINING, r'answers\[0\]: answer_start'),
    (
      [{**row('a'), 'answers': 'yes'}],
      TEST,
      "'answers' is 'yes'; write a list",
    ),
    ([row('a', ['gout'])], TEST, r'answers\[0\]: .* is not an object'),
    (
      [{**row('a', [answer()]), 'question': ' '}],
      TRAINING,
      'question is empty',
    ),
    ([row('a', question='\ud83d')], TEST, r"'question' has half a character"),
    ([], TEST, 'holds no question'),
  ],
)
def test_what_is_malformed_is_named(tmp_path, rows, form, message):
  path = write(tmp_path, *rows)
  with pytest.raises(InputError, match=f'^{re.escape(path)}: .*{message}'):
    read(path, form)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('{"data": [', 'x.json:1: is not JSON'),
    ('[]', 'holds no JSON object'),
    ('{"data": {}}', "'data' is '{}'; write a list"),
    (
      '{"data": [{"paragraphs": [{"qas": [{"id": 1}]}]}]}',
      "'context' is missing",
    ),
  ],
)
def test_another_form_is_named(tmp_path, content, message):
  (tmp_path / 'x.json').write_text(content)
  with pytest.raises(InputError, match=message):
    read(str(tmp_path / 'x.json'), TEST)


def test_files_are_pooled_by_a_pattern(tmp_path):
  for number in (2, 1):
    write(tmp_path, row(f'q{number}'), name=f'test-{number}.json')
  paths = squad.find_files(tmp_path, 'test-*.json')
  questions = squad.read_files(paths, Counter(), TEST)
  assert [q.id for q in questions] == ['q1', 'q2']
  write(tmp_path, row('q1'), name='test-3.json')
  with pytest.raises(InputError, match=r'test-3\.json: .*q1 stands twice'):
    squad.read_files(squad.find_files(tmp_path, 'test-*.json'), Counter(), TEST)
  with pytest.raises(
    InputError, match='no file is called dev.json; name one of'
  ):
    squad.find_files(tmp_path, 'dev.json')
  with pytest.raises(InputError, match='no such folder'):
    squad.find_files(tmp_path / 'none', 'dev.json')


def test_the_small_corpus_is_whole(tmp_path):
  for version, asked in (('1.1', 54), ('2.0', 72)):
    folder = small_questions.write(tmp_path / version, version)
    form = squad.SquadRules(version, True, 0.0)
    questions, counts = read(str(folder / 'train.json'), form)
    assert (len(questions), counts) == (asked, {})
    assert json.loads((folder / 'dev.json').read_text())['version'] == version
