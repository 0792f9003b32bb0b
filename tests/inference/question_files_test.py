"""Questions with passages in both forms, and answers in three."""

import io
import json
from collections import Counter

import pytest

from biobert_jax.data.qa.span_decoding import Answered, Candidate
from biobert_jax.errors import InputError
from biobert_jax.inference import question_files

BIOASQ = '5118dd1305c10fae75000001'


def read(tmp_path, text):
  path = tmp_path / 'in'
  path.write_text(text, 'utf-8')
  return list(question_files.read(str(path), Counter()))


def lines(*rows):
  return ''.join(json.dumps(row) + '\n' for row in rows)


def squad(*pairs, indent=None):
  rows = [
    {'context': context, 'qas': [{'id': id_, 'question': 'What?'}]}
    for id_, context in pairs
  ]
  return json.dumps({'data': [{'paragraphs': rows}]}, indent=indent)


def shape(found):
  return [(a.id, [(q.id, q.context) for q in a.passages]) for a in found]


def test_a_line_a_question(tmp_path):
  found = read(
    tmp_path,
    lines(
      {'id': 'a', 'question': 'Who?', 'context': 'He.'},
      {'question': 'Who?', 'passages': ['He.', 'She.']},
    )
    + '\n',
  )
  assert shape(found) == [
    ('a', [('a', 'He.')]),
    ('2', [('2_001', 'He.'), ('2_002', 'She.')]),
  ]
  assert found[0].passages[0].text == 'Who?'


@pytest.mark.parametrize('indent', [None, 2])
def test_squad_s_form_and_bioasq_s_ids(tmp_path, indent):
  pairs = [(f'{BIOASQ}_001', 'A.'), ('b', 'B.'), (f'{BIOASQ}_002', 'C.')]
  assert shape(read(tmp_path, squad(*pairs, indent=indent))) == [
    (BIOASQ, [(f'{BIOASQ}_001', 'A.'), (f'{BIOASQ}_002', 'C.')]),
    ('b', [('b', 'B.')]),
  ]


@pytest.mark.parametrize('indent', [None, 2])
def test_pubmedqa_s_records(tmp_path, indent):
  record = {'QUESTION': 'Is it?', 'CONTEXTS': ['A.', 'B.'], 'LONG_ANSWER': 'C.'}
  text = json.dumps({'7': record, '8': record}, indent=indent)
  found = read(tmp_path, text)
  assert shape(found) == [('7', [('7', 'A. B.')]), ('8', [('8', 'A. B.')])]
  assert found[0].passages[0].text == 'Is it?'
  (first, _) = question_files.read(str(tmp_path / 'in'), Counter(), 'free')
  assert first.passages[0].context == 'C.'


def test_standard_input(monkeypatch):
  class Standard:
    buffer = io.BytesIO(squad(('a', 'A.'), indent=1).encode())

  monkeypatch.setattr('sys.stdin', Standard)
  assert shape(question_files.read('-', Counter())) == [('a', [('a', 'A.')])]


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', 'has no question'),
    ('{"data": []}', 'has no question'),
    ('{"question": "Who?"}', "line 1: 'context' is missing"),
    ('{"context": "He."}', "line 1: 'question' is missing"),
    ('\n{"question": "W?", "passages": []}', ':2: passages'),
    ('{"question": "W?", "passages": [1]}', ':1: passages'),
    (
      '{"id": 1, "question": "W?", "context": ""}',
      "id '1' is not a string",
    ),
    (
      2 * '{"id": "a", "question": "W?", "context": ""}\n',
      ':2: line 1 has the id a too',
    ),
    (squad(('a', 'A.'), ('a', 'B.')), r'paragraphs\[1\].*a is repeated'),
    ('{"question": "W?", "context": ""}\nnonsense', ':2: is not JSON'),
    ('Some text.\nMore.', ':1: is not JSON'),
    ('{"question": "\\ud83d", "context": ""}', 'has half a character'),
    ('{\n"data":\nx}', ':3: is not JSON'),
  ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
  with pytest.raises(InputError, match=message):
    read(tmp_path, text)


def candidate(text, start, probability):
  return Candidate(text, start, start + len(text), probability, 1.0, 2.0)


def result(*passages, id_='a'):
  """A question with candidates for each passage, the first of them chosen."""
  rows = [{'id': id_, 'question': 'W?', 'passages': ['x' * 9] * len(passages)}]
  ((only,),) = [
    list(
      question_files._lines('f', enumerate(map(json.dumps, rows)), Counter())
    )
  ]
  answered = [Answered(row[0], tuple(row), 0.0) for row in passages]
  return question_files.QuestionResult(only, tuple(answered))


def test_answers_are_ranked_over_passages(tmp_path):
  source = [
    result(
      [candidate('p53', 4, 0.6), candidate('ATM', 0, 0.4)],
      [candidate('ATM', 2, 0.9)],
    ),
    result([candidate('', 0, 0.7), candidate('x', 1, 0.3)], id_='b'),
  ]
  question_files.write_jsonl(source, tmp_path / 'out')
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
  question_files.write_squad(source, tmp_path / 'squad')
  text = (tmp_path / 'squad').read_text('utf-8')
  assert json.loads(text) == {'a_001': 'p53', 'a_002': 'ATM', 'b_001': 'é'}
  assert 'é' in text
  question_files.write_nbest(source, tmp_path / 'nbest')
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
