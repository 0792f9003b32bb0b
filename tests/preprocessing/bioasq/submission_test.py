"""Predictions to the answers that the challenge's server takes."""

import json
import re
from collections import Counter

import pytest

from biobert_jax.errors import InputError
from biobert_jax.preprocessing.bioasq import submission
from biobert_jax.preprocessing.bioasq.questions import RawQuestion
from biobert_jax.preprocessing.bioasq.submission import Predictions

ONE, TWO, THREE, FOUR = (f'{i:024x}' for i in (1, 2, 3, 4))


def question(id_, type_, body='Which?'):
  return RawQuestion(id_, type_, body, ())


QUESTIONS = {
  ONE: question(ONE, 'factoid'),
  TWO: question(TWO, 'list', 'List two genes.'),
  THREE: question(THREE, 'yesno'),
  FOUR: question(FOUR, 'summary'),
}


def nbest(*guesses):
  return [{'text': text, 'probability': share} for text, share in guesses]


def read(tmp_path, *contents):
  paths = []
  for i, content in enumerate(contents):
    path = tmp_path / f'{i}.json'
    path.write_text(json.dumps(content))
    paths.append(str(path))
  return submission.read_predictions(paths, QUESTIONS, Counter())


def test_answers_are_summed_over_passages():
  """In the spelling of the most probable; the five best."""
  counts = Counter()
  guesses = [('P53', 0.5), ('x', 0.6), ('p53,', 0.3), ('(y)', 0.2), ('z.', 0.1)]
  guesses += [('', 0.9), ('empty', 0.9), ('half (a', 0.9), ('w' * 101, 0.9)]
  guesses += [('v', 0.05), ('u', 0.01)]
  found = submission.factoid(Predictions(guesses), counts)
  assert found == [['P53'], ['x'], ['y'], ['z'], ['v']]
  assert +counts == {
    'empty_guesses': 2,
    'guesses_with_half_a_bracket': 1,
    'guesses_over_100_characters': 1,
  }


@pytest.mark.parametrize(
  ('text', 'stripped'),
  [
    ('a,', 'a'),
    ('a..', 'a.'),
    ('(a)', 'a'),
    ('(a) (b)', '(a) (b)'),
    ('a  b\n', 'a b'),
    ('()', '()'),
  ],
)
def test_one_comma_and_brackets_go(text, stripped):
  found = submission.factoid(Predictions([(text, 1.0)]), Counter())
  assert found == [[stripped]]


def test_predictions_for_other_questions_are_counted(tmp_path):
  path = tmp_path / 'said.json'
  path.write_text(json.dumps({f'{"f" * 24}_001': [], f'{ONE}_001': nbest()}))
  counts = Counter()
  found = submission.read_predictions([str(path)], QUESTIONS, counts)
  assert list(found) == [ONE]
  assert counts == {'predictions_for_other_questions': 1}


def listed(guesses, body='Which genes?', counts=None):
  counts = Counter() if counts is None else counts
  predicted = Predictions(guesses)
  return submission.listed(predicted, body, 0.42, counts)


def test_a_list_holds_what_is_above_the_threshold():
  guesses = [('a', 0.3), ('b', 0.5), ('A', 0.25), ('c', 0.41)]
  assert listed(guesses) == [['a'], ['b']]
  # Or the best, where none is.
  assert listed([('c', 0.41), ('d', 0.42)]) == [['d']]
  assert listed([]) == []


def test_a_number_in_the_question_bounds_a_list():
  guesses = [('a', 0.9), ('b', 0.8), ('c', 0.7), ('d', 0.1)]
  assert listed(guesses, 'List two genes.') == [['a'], ['b']]
  assert listed(guesses, 'List 8 genes.') == [['a'], ['b'], ['c']]


@pytest.mark.parametrize(
  ('body', 'number'),
  [
    ('Which three genes?', 3),
    ('Name 4 genes', 4),
    ('Name the phase 3 clinical trials', None),
    ('Name the 3 phase trials', 3),
    ('Which genes are near two others?', 2),
    ('Which of the genes are near two others?', None),
    ('Which 12 genes', None),
    ('Two.', 2),
    ('', None),
  ],
)
def test_numbers_in_the_first_words(body, number):
  assert submission.number_in(body) == number


def test_joint_answers_go_where_their_parts_are_answers():
  counts = Counter()
  guesses = [('a', 0.9), ('b', 0.8), ('A and B', 0.7), ('a/b', 0.6)]
  guesses += [('a, c', 0.5), ('c and d', 0.45)]
  found = listed(guesses, counts=counts)
  assert found == [['a'], ['b'], ['a, c'], ['c and d']]
  assert counts['joint_answers_left_out'] == 2
  # Two answers are left as they are.
  assert listed([('a', 0.9), ('a and a', 0.8)]) == [['a'], ['a and a']]


def test_trailing_punctuation_and_half_brackets_are_no_list_answers():
  counts = Counter()
  guesses = [('a,', 0.9), ('b (c', 0.9), ('Ca2+', 0.8), ('d (e)', 0.7)]
  assert listed(guesses, counts=counts) == [['Ca2+'], ['d (e)']]
  assert +counts == {
    'guesses_with_trailing_punctuation': 1,
    'guesses_with_half_a_bracket': 1,
  }


@pytest.mark.parametrize(
  ('predicted', 'answer'),
  [
    (Predictions(logits=[-1.0, 2.0]), 'yes'),
    (Predictions(logits=[-1.0, 1.0]), 'no'),
    (Predictions(answers=['yes']), 'yes'),
    (Predictions(), None),
  ],
)
def test_the_mean_of_logits_answers_yes_or_no(predicted, answer):
  assert submission.yes_or_no(predicted) == answer


def test_all_types_make_one_submission(tmp_path):
  predictions = read(
    tmp_path,
    {f'{ONE}_001': nbest(('a', 0.9)), f'{ONE}_002': nbest(('b', 1.0))},
    {f'{TWO}_001': nbest(('c', 0.9), ('d', 0.8), ('e', 0.7))},
    {f'{THREE}_001': ['yes', [1.5]], f'{THREE}_002': ['no', [-0.5]]},
  )
  counts = Counter()
  made = submission.submission(QUESTIONS, predictions, 0.42, counts)
  assert [row['exact_answer'] for row in made['questions'][:3]] == [
    [['b'], ['a']],
    [['c'], ['d']],
    'yes',
  ]
  assert 'exact_answer' not in made['questions'][3]
  assert {row['ideal_answer'] for row in made['questions']} == {''}
  assert counts['factoid_questions'] == counts['summary_questions'] == 1
  # A question that nobody answered is there, and counted.
  made = submission.submission(QUESTIONS, {}, 0.42, counts)
  answers = [row.get('exact_answer') for row in made['questions']]
  assert answers == [[], [], '', None]
  for type_ in ('factoid', 'list', 'yesno'):
    assert counts[f'{type_}_questions_without_answer'] == 1


@pytest.mark.parametrize(
  ('contents', 'message'),
  [
    ([{'12_001': []}], "0.json: the id '12_001' is not of the form QID_001"),
    ([{f'{ONE}_1': []}], 'is not of the form QID_001'),
    ([{f'{"f" * 24}_001': []}], '_001: no such question among those given; na'),
    ([{f'{ONE}_001': []}] * 2, f'1.json: {ONE}_001: predicted in'),
    ([{f'{ONE}_001': 'yes'}], "'yes' is not a list of answers, and the"),
    ([{f'{ONE}_001': [{'text': 'a'}]}], "_001[0]: 'None' is not a number"),
    ([{f'{ONE}_001': [{'probability': 1}]}], "_001[0]: 'text' is missing"),
    ([{THREE: 'maybe'}], "'maybe' is neither yes nor no"),
    ([{f'{THREE}_001': []}], 'answers no yes/no question'),
    ([{f'{THREE}_001': ['yes', ['1']]}], "'1' is not a number"),
  ],
)
def test_what_is_wrong_is_named(tmp_path, contents, message):
  with pytest.raises(InputError, match=re.escape(message)) as caught:
    read(tmp_path, *contents)
  assert '\n' not in str(caught.value)
