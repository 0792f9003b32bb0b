"""Questions with passages in all three forms."""

import io
import json
from collections import Counter

import pytest

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
    ('{"id": [], "question": "W?", "context": ""}', "line 1: 'id' is '\\[\\]'"),
    ('{"id": " ", "question": "W?", "context": ""}', ':1: the id is empty'),
    (
      '{"id": "1", "question": "W?", "context": ""}\n'
      '{"id": 1, "question": "W?", "context": ""}\n',
      ':2: line 1 has the id 1 too',
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


def test_no_two_files_may_have_a_question_of_one_id(tmp_path):
  row = '{"id": "q1", "question": "What?", "context": "Gout."}\n'
  paths = [str(tmp_path / name) for name in ('a.jsonl', 'b.jsonl')]
  for name in ('a.jsonl', 'b.jsonl'):
    (tmp_path / name).write_text(row)
  found = question_files.read_all(paths, Counter())
  assert next(found).id == 'q1'
  with pytest.raises(
    InputError, match=r'b\.jsonl: question q1 stands in .*a\.'
  ):
    next(found)
