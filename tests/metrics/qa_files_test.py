"""SQuAD, BioASQ and PubMedQA files: what is read, and what is refused."""

import copy
import json
from collections import Counter

import pytest

from biobert_jax.errors import InputError
from biobert_jax.metrics import qa_files


@pytest.fixture
def path(tmp_path):
  """Writes a value as JSON; errors show the file as FILE."""

  def write(value):
    file = tmp_path / 'FILE'
    file.write_text(json.dumps(value))
    return str(file)

  return write


def squad_file(*questions, **more):
  return {
    'data': [{'paragraphs': [{'context': '', 'qas': [*questions]}]}],
    **more,
  }


def question(id_, *texts, **more):
  return {'id': id_, 'answers': [{'text': text} for text in texts], **more}


@pytest.mark.parametrize(
  ('content', 'version'),
  [
    (squad_file(question('1', 'a')), '1.1'),
    (squad_file(question('1', 'a'), version='1.1'), '1.1'),
    (squad_file(question('1', 'a'), version='BioASQ6b'), '1.1'),
    (squad_file(question('1', 'a'), version='v2.0'), '2.0'),
    (squad_file(question('1', 'a', is_impossible=False)), '1.1'),
    (squad_file(question('1', 'a', is_impossible=True)), '2.0'),
    (squad_file(question('1')), '2.0'),
  ],
)
def test_squad_version_is_what_the_questions_say(path, content, version):
  gold = qa_files.read_squad_gold(path(content))
  assert gold.version == version
  assert qa_files.read_squad_gold(path(content), '2.0').version == '2.0'


@pytest.mark.parametrize(
  'second',
  [
    question(2, 'c', 5),
    {'id': '2', 'answers': {'text': ['c', '5'], 'answer_start': [0, 1]}},
  ],
)
def test_squad_answers_and_predictions_are_read(path, second):
  counts = Counter()
  gold = qa_files.read_squad_gold(
    path(squad_file(question('1', 'a', 'b'), second))
  )
  assert gold.answers == {'1': ['a', 'b'], '2': ['c', '5']}
  said = path({'2': 5, '9': None})
  assert qa_files.read_squad_predictions(said, gold, counts) == {'2': '5'}
  odds = path({'9': None, '2': 1, '1': -0.5, '8': 0})
  assert list(qa_files.read_null_odds(odds, gold, counts)) == ['2', '1']
  assert counts == {'ids_not_in_gold': 3}


def test_questions_may_stand_with_their_contexts_in_data(path):
  rows = [
    {'id': 7, 'context': 'x', 'answers': {'text': ['x'], 'answer_start': [0]}},
    {'id': '8', 'answers': {'text': [], 'answer_start': []}},
  ]
  gold = qa_files.read_squad_gold(path({'data': rows}))
  assert gold == ({'7': ['x'], '8': []}, '2.0')


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({}, "FILE: 'data' is missing; write a list under 'data'"),
    ({'data': {}}, "FILE: 'data' is '{}'; write a list"),
    ({'data': []}, 'FILE: holds no question'),
    ({'data': [1]}, "FILE: data[0]: '1' is not an object"),
    ({'data': [{}]}, "FILE: data[0]: 'paragraphs' is missing"),
    ({'data': [{'paragraphs': [{}]}]}, "data[0].paragraphs[0]: 'qas' is missi"),
    (squad_file({}), "data[0].paragraphs[0].qas[0]: 'id' is missing"),
    (squad_file({'id': True}), "qas[0]: 'id' is 'True'; write a text under "),
    (squad_file(question('7'), question(7)), 'the id 7 stands twice'),
    (squad_file({'id': 7, 'answers': {'text': ['a', 'b'], 'start': [1]}}),
     "7: the lists under 'answers' differ in length (text has 2, start has 1)"),
    (squad_file({'id': '7'}), "FILE: 7: 'answers' is missing"),
    (squad_file({'id': '7', 'answers': 'yes'}), "FILE: 7: 'answers' is 'yes'"),
    (squad_file({'id': '7', 'answers': [{}]}), "7: answers[0]: 'text' is miss"),
    (squad_file(question('7'), question('7')), 'the id 7 stands twice'),
  ],
)  # fmt: skip
def test_bad_squad_gold_is_named(path, content, message):
  with pytest.raises(InputError) as caught:
    qa_files.read_squad_gold(path(content))
  assert message in str(caught.value)


def test_squad_version_1_has_no_unanswerable_questions(path):
  with pytest.raises(
    InputError, match='FILE: 7: has no answer; give it one, or'
  ):
    qa_files.read_squad_gold(path(squad_file(question('7'))), '1.1')


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({'8': 'a', '9': 'c'}, 'FILE: 8 and 1 more ids: none is in the gold file'),
    ({'1': 'a'}, 'FILE: has no prediction for id 2; write "" for a question'),
    ({}, 'FILE: has no prediction for 1 and 1 more ids'),
    ({'1': 'a', '2': None}, "FILE: '2' is 'None'; write a text under '2'"),
    ({'1': 'a', '2': ['b']}, "FILE: '2' is \"['b']\"; write a text"),
  ],
)
def test_bad_squad_predictions_are_named(path, content, message):
  gold = qa_files.SquadGold({'1': ['a'], '2': []}, '2.0')
  with pytest.raises(InputError) as caught:
    qa_files.read_squad_predictions(path(content), gold, Counter())
  assert message in str(caught.value)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({'1': 1}, 'FILE: has no number for id 2; give the null odds'),
    ({'1': 1, '2': '2'}, "FILE: 2: '2' is not a number; write one"),
    ({'1': 1, '2': True}, 'FILE: 2: True is not a number'),
  ],
)
def test_bad_null_odds_are_named(path, content, message):
  gold = qa_files.SquadGold({'1': ['a'], '2': []}, '2.0')
  with pytest.raises(InputError) as caught:
    qa_files.read_null_odds(path(content), gold, Counter())
  assert message in str(caught.value)


GOLD = {
  'f': ('factoid', [['a', 'b']]),
  'l': ('list', [['a'], ['c']]),
  'y': ('yesno', 'yes'),
  's': ('summary', None),
}
QUESTIONS = [
  {'id': 'f', 'type': 'factoid', 'body': '?', 'exact_answer': [['a', 'b']]},
  {'id': 'l', 'type': 'list', 'snippets': [], 'exact_answer': [['a'], ['c']]},
  {'id': 'y', 'type': 'yesno', 'exact_answer': 'yes'},
  {'id': 's', 'type': 'summary', 'ideal_answer': ['why']},
]


def bioasq_gold(path, questions):
  counts = Counter()
  return qa_files.read_bioasq_gold(
    path({'questions': questions}), counts
  ), counts


def submitted(path, questions):
  counts = Counter()
  file = path({'questions': questions})
  return qa_files.read_bioasq_submission(file, GOLD, counts), +counts


def test_bioasq_gold_is_read(path):
  gold, counts = bioasq_gold(path, QUESTIONS)
  assert gold == GOLD
  assert not +counts


def test_bioasq_gold_of_other_editions_is_read(path):
  questions = copy.deepcopy(QUESTIONS)
  questions[0]['exact_answer'] = ['a', 'b']
  questions[1]['exact_answer'] = []
  questions[2]['exact_answer'] = 'No.'
  gold, counts = bioasq_gold(path, questions)
  assert gold['f'] == ('factoid', [['a'], ['b']])
  assert gold['l'] == ('list', [])
  assert gold['y'] == ('yesno', 'No.')
  assert +counts == {'flat_answers': 1, 'empty_answers': 1}


def changed(index, **values):
  questions = copy.deepcopy(QUESTIONS)
  questions[index].update(values)
  return questions


@pytest.mark.parametrize(
  ('questions', 'message'),
  [
    ([], 'FILE: holds no question'),
    ({}, "FILE: 'questions' is '{}'; write a list"),
    ([1], "FILE: questions[0]: '1' is not an object"),
    ([{}], "FILE: questions[0]: 'id' is missing"),
    (QUESTIONS + QUESTIONS[:1], 'questions[4]: the id f stands twice'),
    ([{'id': 'f'}], "FILE: f: 'type' is missing"),
    (changed(0, type='Factoid'), "f: type 'Factoid' is not one of factoid, li"),
    (changed(0, exact_answer=None), 'f: exact_answer None is no factoid answe'),
    (changed(0, exact_answer=True), "f: exact_answer 'True' of a factoid que"),
    (changed(0, exact_answer=[['a'], 'b']), 'of a factoid question; write [["'),
    (changed(1, exact_answer=[['a', None]]), 'FILE: l: exact_answer'),
    (changed(1, exact_answer=[[['a']]]), 'FILE: l: exact_answer'),
    (changed(2, exact_answer='maybe'), "y: exact_answer 'maybe' is no yesno a"),
    (changed(2, exact_answer=['yes']), 'of a yesno question; write "yes" or "'),
    (changed(2, exact_answer=True), "y: exact_answer 'True' of a yesno questi"),
  ],
)  # fmt: skip
def test_bad_bioasq_gold_is_named(path, questions, message):
  with pytest.raises(InputError) as caught:
    bioasq_gold(path, questions)
  assert message in str(caught.value)


@pytest.mark.parametrize(
  ('questions', 'answers', 'counts'),
  [
    (QUESTIONS, {'f': [['a', 'b']], 'l': [['a'], ['c']], 'y': 'yes', 's': None},
     {'ignored_synonyms': 1}),
    ([], {}, {'missing_questions': 3}),
    ([{'id': 'f'}, {'id': 'l'}, {'id': 'y'}], {'f': None, 'l': None, 'y': None},
     {}),
    ([{'id': 'f', 'exact_answer': None}, {'id': 'l', 'exact_answer': ''},
      {'id': 'y', 'exact_answer': []}], {'f': None, 'l': None, 'y': None},
     {'null_answers': 3}),
    ([{'id': 'f', 'exact_answer': ['a', 'b']}, {'id': 'l', 'exact_answer': []},
      {'id': 'y', 'exact_answer': 'perhaps'}],
     {'f': [['a'], ['b']], 'l': [], 'y': 'perhaps'},
     {'flat_answers': 1, 'neither_yes_nor_no': 1}),
    ([{'id': 'f', 'exact_answer': [[5], [1.50]]}, {'id': 'l',
      'exact_answer': [5, 7]}, {'id': 'y'}],
     {'f': [['5'], ['1.5']], 'l': [['5'], ['7']], 'y': None},
     {'flat_answers': 1}),
    ([{'id': 'f', 'exact_answer': 5}, {'id': 'x'}],
     {'f': [['5']]}, {'flat_answers': 1, 'missing_questions': 2,
                      'ids_not_in_gold': 1}),
  ],
  ids=['full', 'missing', 'without_answers', 'null', 'flat', 'numbers',
       'one_number'],
)  # fmt: skip
def test_bioasq_submissions_are_read(path, questions, answers, counts):
  assert submitted(path, questions) == (answers, counts)


@pytest.mark.parametrize(
  ('row', 'message'),
  [
    ({'id': 'x'}, 'FILE: id x: none is in the gold file; name the gold file'),
    ({'id': 'f', 'exact_answer': True}, "f: exact_answer 'True' of a fac"),
    ({'id': 'l', 'exact_answer': {'a': 1}}, 'FILE: l: exact_answer'),
    ({'id': 'l', 'exact_answer': [None]}, 'FILE: l: exact_answer'),
    (
      {'id': 'y', 'exact_answer': [['yes']]},
      'of a yesno question; write "yes"',
    ),
  ],
)
def test_bad_bioasq_submissions_are_named(path, row, message):
  with pytest.raises(InputError) as caught:
    submitted(path, [row])
  assert message in str(caught.value)


def test_a_question_answered_twice_is_named(path):
  """Where the evaluator takes the first, silently."""
  with pytest.raises(
    InputError, match=r'questions\[1\]: the id f stands twice'
  ):
    submitted(path, [{'id': 'f'}, {'id': 'f'}])


def test_pubmedqa_is_read(path):
  labels = {'1': 'yes', '2': 'maybe'}
  assert qa_files.read_pubmedqa_gold(path(labels)) == labels
  full = {k: {'QUESTION': '?', 'final_decision': v} for k, v in labels.items()}
  assert qa_files.read_pubmedqa_gold(path(full)) == labels
  counts = Counter()
  said = path(labels | {'9': 'whatever'})
  assert qa_files.read_pubmedqa_predictions(said, labels, counts) == labels
  assert counts == {'ids_not_in_gold': 1}


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({}, 'FILE: holds no label'),
    ({'1': 'Yes'}, "FILE: 1: label 'Yes' is not one of yes, no, maybe; write"),
    ({'1': 1}, "FILE: 1: label '1' is not one of"),
    ({'1': {}}, "FILE: 1: 'final_decision' is missing"),
  ],
)
def test_bad_pubmedqa_gold_is_named(path, content, message):
  with pytest.raises(InputError) as caught:
    qa_files.read_pubmedqa_gold(path(content))
  assert message in str(caught.value)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ({'1': 'yes'}, 'FILE: has no label for id 2; predict all ids of the gold'),
    ({'1': 'yes', '2': 'nein'}, "FILE: 2: label 'nein' is not one of"),
    ({'1': 'yes', '2': ['no']}, 'FILE: 2: label "[\'no\']" is not one of'),
  ],
)
def test_bad_pubmedqa_predictions_are_named(path, content, message):
  with pytest.raises(InputError) as caught:
    qa_files.read_pubmedqa_predictions(
      path(content), {'1': 'yes', '2': 'no'}, Counter()
    )
  assert message in str(caught.value)
