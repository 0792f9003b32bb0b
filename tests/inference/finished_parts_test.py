"""What is done of a long input stays, and is not done again."""

import io
import json
import types
from collections import Counter

import pytest

from biobert_jax.data.qa.span_decoding import Answered, Candidate
from biobert_jax.data.qa.squad import Question
from biobert_jax.errors import InputError
from biobert_jax.inference import finished_parts, predict
from biobert_jax.inference.question_files import QuestionRequest
from biobert_jax.inference.results import (
  PredictedRelation,
  QuestionResult,
  RelatedDocument,
  YesNoResult,
)
from biobert_jax.text.documents import Document, DocumentRelation, Entity
from tests.fixtures import model_folders

DOCUMENT = Document(
  *('7', 'Gout hurts.\nß', (Entity(0, 4, 'Disease', 'Gout', 1 / 3, 'D1'),), 5),
  *('in.txt', 3, (DocumentRelation('r', 0, 'D1', {'a': 1}),), {'key': [1]}),
)
QUESTION = Question('q', 'Why?', 'Gout.', (), 'in.json', 'data[0]')
REQUEST = QuestionRequest('q', (QUESTION,))
CANDIDATE = Candidate('Gout', 0, 4, 0.1, 1e-9, -2.5)


@pytest.mark.parametrize(
  'result',
  [
    DOCUMENT,
    RelatedDocument(DOCUMENT, (PredictedRelation('r', 0.1, 0, 1, 'A B'),)),
    QuestionResult(REQUEST, (Answered(CANDIDATE, (CANDIDATE,), 0.5),)),
    YesNoResult(REQUEST, 'yes', {'yes': 0.9, 'no': 0.1}, 1),
  ],
)
def test_a_result_is_read_as_it_was(result):
  text = finished_parts._encode(result)
  assert finished_parts.decode(type(result), json.loads(text)) == result


class Reader:
  """Documents that a predictor tags; the one named 'bad' cannot be read."""

  def __init__(self, *names):
    self.names, self.seen, self.counts = names, [], Counter()

  def __iter__(self):
    for name in self.names:
      if name == 'bad':
        raise InputError('in.txt:5: bad')
      yield Document(name, f'Text {name}')

  def predict(self, part):
    self.seen.append([d.id for d in part])
    self.counts['long'] += len(part)
    return part


def run(output, reader, key='key'):
  parts = finished_parts.FinishedParts(str(output), key)
  found = parts.predict(reader.predict, reader, 2, reader.counts)
  return parts, [d.id for d in found]


def test_a_late_bad_line_costs_nothing_before_it(tmp_path):
  output = tmp_path / 'out.jsonl'
  reader = Reader('a', 'b', 'c', 'd', 'e', 'bad')
  with pytest.raises(InputError, match='in.txt:5: bad'):
    run(output, reader)
  assert reader.seen == [['a', 'b'], ['c', 'd'], ['e']]
  # The line is corrected, and a document before it was changed.
  reader = Reader('a', 'b', 'c', 'D', 'e', 'f', 'g')
  parts, found = run(output, reader)
  assert found == [*'abcDefg']
  assert reader.seen == [['c', 'D'], ['f', 'g']]
  assert reader.counts == {'long': 7}
  assert len([*(tmp_path / 'out.jsonl.parts').iterdir()]) == 4
  parts.delete()
  assert [*tmp_path.iterdir()] == []


def test_another_model_and_damaged_parts_are_predicted_again(tmp_path):
  run(tmp_path / 'x', Reader('a', 'b', 'c'))
  reader = Reader('a', 'b', 'c')
  run(tmp_path / 'x', reader, 'another')
  assert reader.seen == [['a', 'b'], ['c']]
  (tmp_path / 'x.parts' / '000000.json').write_text('{"digest')
  reader = Reader('a', 'b', 'c')
  run(tmp_path / 'x', reader, 'another')
  assert reader.seen == [['a', 'b']]


def test_of_a_stream_nothing_is_kept(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for output in ('-', '/dev/null'):
    reader = Reader('a', 'b', 'c', 'bad')
    with pytest.raises(InputError):
      run(output, reader)
    assert reader.seen == [['a', 'b'], ['c']]
  assert [*tmp_path.iterdir()] == []


def test_predict_goes_on_where_a_pipe_ended(tmp_path, monkeypatch, caplog):
  model_folders.write_huggingface(tmp_path / 'model')
  caplog.set_level('INFO', 'biobert_jax')
  good = [json.dumps({'id': n, 'text': 'A bad cold.'}) for n in 'abcd']

  def given(lines, output):
    text = '\n'.join([*lines, '']).encode()
    stdin = types.SimpleNamespace(buffer=io.BytesIO(text))
    monkeypatch.setattr('sys.stdin', stdin)
    model = str(tmp_path / 'model')
    return predict.predict(model, '-', str(tmp_path / output))

  given(good, 'whole')
  with pytest.raises(InputError, match=':4: '):
    given([*good[:3], '{"id": 3, "text": 4}', *good[3:]], 'out')
  assert not (tmp_path / 'out').exists()
  assert (tmp_path / 'out.parts' / '000000.json').exists()
  assert 'the same command goes on from there' in caplog.text
  assert given(good, 'out')['documents'] == 4
  assert '3 results were there, of an earlier run' in caplog.text
  assert (tmp_path / 'out').read_bytes() == (tmp_path / 'whole').read_bytes()
  assert not (tmp_path / 'out.parts').exists()
