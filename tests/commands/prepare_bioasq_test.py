"""Raw BioASQ questions to the files that training reads, and back."""

import json
import pathlib
import re
import subprocess
import sys
from collections import Counter

import pytest

from biobert_jax.commands.main import main
from biobert_jax.data.qa import squad
from biobert_jax.data.yes_no import corpus as yes_no_corpus
from tests.fixtures import small_bioasq

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def raw(tmp_path):
  path = tmp_path / 'raw.json'
  path.write_text(json.dumps(small_bioasq.raw_bioasq()))
  return path


def prepare(capsys, raw, *arguments):
  out = raw.parent / 'out'
  code = main(
    ['prepare-bioasq', '--input', str(raw), '--output', str(out), *arguments]
  )
  printed, err = capsys.readouterr()
  return code, json.loads(printed) if printed else None, err, out


def read(path):
  form = squad.SquadRules('1.1', True, 0.0)
  return squad.read_files([str(path)], Counter(), form)


def test_files_are_those_that_training_reads(capsys, raw):
  code, summary, err, out = prepare(
    capsys, raw, '--split', 'train', '--devel', '0.4'
  )
  assert code == 0
  assert summary['counts']['factoid train']['rows'] == 8
  assert 'questions of other types' in err
  for type_ in ('factoid', 'list'):
    train, devel = (read(out / type_ / f'{s}.json') for s in ('train', 'dev'))
    for question in train + devel:
      for answer in question.answers:
        end = answer.start + len(answer.text)
        assert question.context[answer.start : end] == answer.text
    asked = [{q.id[:24] for q in part} for part in (train, devel)]
    assert not asked[0] & asked[1]  # Whole questions are devel.
    assert len(asked[0] | asked[1]) == 6
  pairs = yes_no_corpus.read_files(
    [str(out / 'yesno' / 'train.json')],
    Counter(),
    yes_no_corpus.YesNoRules(yes_no_labels()),
  )
  assert {pair.label for pair in pairs} == {'no', 'yes'}
  counts = json.loads((out / 'counts_train.json').read_text())
  assert counts == summary['counts']


def yes_no_labels():
  return ('no', 'yes')


def test_abstracts_come_from_a_corpus(capsys, raw, tmp_path):
  path = tmp_path / 'corpus.jsonl'
  questions = small_bioasq.raw_bioasq()['questions']
  pmids = [d.rsplit('/')[-1] for q in questions for d in q['documents']]
  lines = [
    json.dumps({'pmid': p, 'title': 'Of aspirin.', 'abstract': f'Fever, {p}.'})
    for p in pmids[1:]
  ]
  path.write_text('\n'.join(lines) + '\n')
  code, summary, _, out = prepare(
    capsys,
    raw,
    *('--split', 'test', '--types', 'factoid'),
    *('--passages', 'abstracts', '--corpus', str(path)),
  )
  assert code == 0
  counts = summary['counts']['factoid test']
  assert counts['documents_not_in_corpus'] == 1
  assert counts['rows'] == 11
  assert not (out / 'list').exists()
  (article,) = json.loads((out / 'factoid' / 'test.json').read_text())['data']
  passages = [p['context'] for p in article['paragraphs']]
  assert passages[0] == f'Of aspirin. Fever, {pmids[1]}.'
  answers = article['paragraphs'][0]['qas'][0]['answers']
  assert answers == [{'text': 'aspirin', 'answer_start': 3}]


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['--devel', '1'], '--devel is 1'),
    (['--max_broken', '-1'], '--max_broken is -1'),
    (['--sentences', '-1'], '--sentences is -1'),
    (['--passages', 'abstracts'], '--passages=abstracts needs --corpus'),
    (['--corpus', 'x'], '--passages=snippets reads no --corpus'),
  ],
)
def test_wrong_flags_are_named(capsys, raw, arguments, message):
  code, _, err, out = prepare(capsys, raw, '--split', 'train', *arguments)
  assert code == 3
  assert message in err
  assert err.count('\n') == 1
  assert not out.exists()


def test_questions_that_make_no_row_are_an_error(capsys, raw):
  content = small_bioasq.raw_bioasq()
  for question in content['questions']:
    question['exact_answer'] = None
  raw.write_text(json.dumps(content))
  code, _, err, _ = prepare(capsys, raw, '--split', 'train')
  assert code == 3
  assert 'no question makes a row' in err


def test_a_submission_of_right_answers_scores_one(raw, tmp_path):
  """Both commands and the scorer, as programs."""
  questions = small_bioasq.raw_bioasq()['questions']
  said = {}
  for question in questions:
    exact, id_ = question.get('exact_answer'), question['id']
    if question['type'] == 'yesno':
      said[id_] = exact
    elif question['type'] != 'summary':
      said[f'{id_}_001'] = [
        {'text': synonyms[0], 'probability': 0.9} for synonyms in exact
      ]
  (tmp_path / 'said.json').write_text(json.dumps(said))
  output = tmp_path / 'submission.json'
  for name, *arguments in (
    (
      'prepare-submission',
      *('--questions', raw, '--predictions', tmp_path / 'said.json'),
      *('--output', output),
    ),
    ('score', 'bioasq', raw, output, '--line'),
  ):
    done = subprocess.run(
      [sys.executable, '-m', 'biobert_jax', name, *map(str, arguments)],
      cwd=ROOT,
      capture_output=True,
      text=True,
      check=True,
    )
  assert done.stdout.startswith(' '.join(['1.0'] * 10))
  rows = json.loads(output.read_text())['questions']
  assert [row['id'] for row in rows] == [q['id'] for q in questions]
  assert set(rows[0]) == {
    *('id', 'type', 'body', 'exact_answer', 'ideal_answer'),
  }


def test_wrong_predictions_are_named(capsys, raw, tmp_path):
  path = tmp_path / 'said.json'
  for said, more, message in (
    ({'x_001': []}, (), "said.json: the id 'x_001' is not of the form QID_001"),
    ({}, ('--threshold', '-1'), '--threshold is -1'),
    ({}, ('--threshold', 'nan'), "--threshold is 'nan'"),
  ):
    path.write_text(json.dumps(said))
    code = main(
      [
        'prepare-submission',
        *('--questions', str(raw), '--predictions', str(path)),
        *('--output', str(tmp_path / 'out.json'), *more),
      ]
    )
    err = capsys.readouterr().err
    assert code == 3
    assert re.search(re.escape(message), err), err
    assert not (tmp_path / 'out.json').exists()
