"""`evaluate` and `predict` on a trained folder, and the command line."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from biobert_jax import __main__ as command_line
from biobert_jax.errors import InputError
from biobert_jax.inference import predict
from biobert_jax.inference import tagger as inference_tagger
from biobert_jax.text import documents
from biobert_jax.training import evaluate
from tests.fixtures import shared_runs
from tests.fixtures.texts import TEXT

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  folder = shared_runs.tagger(tmp_path_factory)
  return folder, json.loads((folder / 'results.json').read_text())


def test_evaluate_gives_the_figures_of_training(trained):
  folder, report = trained
  before = (folder / 'predictions_test.tsv').read_text()
  (folder / 'predictions_test.tsv').unlink()
  again = evaluate.evaluate(str(folder), 'test')
  assert again['f1'] == report['results']['test']['f1']
  assert (folder / 'predictions_test.tsv').read_text() == before


def test_score_tool_agrees_with_evaluate(trained):
  folder, report = trained
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'biobert_jax', 'score', 'ner'),
      str(folder / 'predictions_test.tsv'),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  figures = json.loads(done.stdout.splitlines()[-1])
  for name in ('precision', 'recall', 'f1'):
    assert figures[name] == report['results']['test'][name]


def test_offsets_are_code_points(trained, tmp_path):
  folder, _ = trained
  source = tmp_path / 'in.txt'
  source.write_text(TEXT, encoding='utf-8')
  out = tmp_path / 'out.jsonl'
  summary = predict.predict(str(folder), str(source), str(out), 'jsonl')
  rows = [json.loads(line) for line in out.read_text('utf-8').splitlines()]
  assert [row['text'] for row in rows] == [t for t in TEXT.split('\n') if t]
  found = [(row, entity) for row in rows for entity in row['entities']]
  assert len(found) == summary['entities'] > 0
  for row, entity in found:
    assert row['text'][entity['start'] : entity['end']] == entity['text']
    assert 0 < entity['score'] <= 1


def test_entities_that_are_there_stay_when_asked(trained, tmp_path):
  folder, _ = trained
  source, out = tmp_path / 'in.jsonl', tmp_path / 'out.jsonl'
  given = [
    {'start': 0, 'end': 7, 'type': 'Word', 'text': 'Aspirin', 'score': 0.5},
    {'start': 25, 'end': 29, 'type': 'Word', 'text': 'rats', 'score': 0.5},
  ]
  row = {'id': 'a', 'text': TEXT.split('\n')[0], 'entities': given}
  source.write_text(json.dumps(row))
  found = {}
  for keep in (False, True):
    predict.predict(
      str(folder), str(source), str(out), 'jsonl', keep_entities=keep
    )
    found[keep] = json.loads(out.read_text('utf-8'))['entities']
  assert found[False]
  assert not [entity for entity in found[False] if entity['type'] == 'Word']
  both = [*given, *found[False]]
  both.sort(key=lambda entity: (entity['start'], entity['end'], entity['type']))
  assert found[True] == both


def test_tagging_does_not_depend_on_neighbours(trained):
  """A document alone is tagged as in company, in any order."""
  folder, _ = trained
  tagger = inference_tagger.Tagger(str(folder))
  lines = (ROOT / 'biobert_jax/sample/ner/paragraph.txt').read_text('utf-8')
  many = [
    documents.Document(str(i), line)
    for i, line in enumerate((lines + TEXT).splitlines())
  ]
  together = {d.id: d for d in tagger(many)}
  for document in many:
    (alone,) = tagger([document])
    company = together[document.id]
    assert [e.text for e in alone.entities] == [
      e.text for e in company.entities
    ]


def test_documents_without_words_pass_through(trained):
  folder, _ = trained
  blank = documents.Document('1', ' \u200b ')
  (out,) = inference_tagger.Tagger(str(folder))([blank])
  assert out == blank


@pytest.mark.parametrize('form', sorted(predict.JOBS['ner'].writers))
def test_every_format_is_written(trained, tmp_path, form):
  folder, _ = trained
  out = tmp_path / form
  source = ROOT / 'biobert_jax/sample/ner/paragraph.txt'
  report = predict.predict(str(folder), str(source), str(out), form)
  assert report['documents'] == 2
  files = list(out.iterdir()) if out.is_dir() else [out]
  assert files
  assert all(file.stat().st_size for file in files)


def test_commands_print_one_json_line(trained, tmp_path, capsys):
  folder, _ = trained
  assert command_line.main(['evaluate', f'--workdir={folder}']) == 0
  printed = capsys.readouterr().out.splitlines()
  assert json.loads(printed[-1])['split'] == 'test'


def test_an_unknown_split_is_named(trained, capsys):
  folder, _ = trained
  arguments = ['evaluate', f'--workdir={folder}', '--split=dev']
  assert command_line.main(arguments) == 3
  known = "split 'dev' is not one of train, devel, train_dev, test"
  assert known in capsys.readouterr().err


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['train', '--workdir=W'], 'needs --config'),
    (['train', '--config=configs/quickstart.py:tiny'], 'needs --workdir'),
    (['train', '--config=configs/none.py', '--workdir=W'], 'configs/none.py'),
    (
      ['train', '--config=configs/quickstart.py:huge', '--workdir=W'],
      "quickstart.py:huge: variant 'huge'; choose from",
    ),
    (
      [
        *('train', '--config=configs/quickstart.py', '--workdir=W'),
        '--config.optim.learning_rat=1',
      ],
      'did you mean --config.optim.learning_rate?',
    ),
    (
      [
        *('train', '--config=configs/quickstart.py', '--workdir=W'),
        '--config.batch_size=many',
      ],
      'batch_size=many',
    ),
    (
      ['evaluate', '--workdir=W', 'split=test'],
      "unexpected argument 'split=test'; did you mean --split=test?",
    ),
    (['evaluate', '--workdir=/no/such'], '/no/such/config.json'),
    (['predict', '--workdir=W', '--input=-'], 'needs --output'),
    (
      ['predict', '--model=M', '--pipeline=A,B', '--input=-', '--output=W'],
      'predict needs one of --model and --pipeline',
    ),
    (['evaluate', '--wrkdir=W'], 'no flag --wrkdir; did you mean --workdir?'),
    (['fly'], "no command 'fly'; `biobert-jax --help` lists the commands"),
  ],
)
def test_wrong_commands_end_with_3_and_one_line(
  arguments, message, capsys, monkeypatch
):
  monkeypatch.chdir(ROOT)
  assert command_line.main(arguments) == 3
  said = capsys.readouterr()
  assert message in said.err
  assert 'Traceback' not in said.err
  assert said.out == ''
  assert not (ROOT / 'W').exists()


def test_help(capsys):
  assert command_line.main(['--help']) == 0
  assert 'predict' in capsys.readouterr().out


def test_unreadable_text_is_an_error(trained, tmp_path):
  folder, _ = trained
  source = tmp_path / 'in.txt'
  source.write_bytes(b'good\n\xff\xfe\n')
  with pytest.raises(InputError, match='in.txt:2'):
    predict.predict(str(folder), str(source), str(tmp_path / 'o'), 'jsonl')
  assert not (tmp_path / 'o').exists()


def test_merge_refuses_a_word_without_prediction():
  from biobert_jax.tasks.ner import merge

  batch = {'words': np.asarray([[0, -1, 2]])}
  outputs = {'label': np.zeros((1, 3)), 'probability': np.zeros((1, 3))}
  with pytest.raises(RuntimeError, match='1 words'):
    merge(iter([(batch, outputs)]), 3)
