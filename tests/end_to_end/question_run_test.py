"""Question answering as a user meets it: whole runs on invented passages."""

import json
import pathlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from biobert_jax import errors
from biobert_jax.checkpoints import export, pretrained
from biobert_jax.commands import export as export_command
from biobert_jax.data.qa import span_decoding
from biobert_jax.inference import predict, question_answerer
from biobert_jax.inference import question_files as questions
from biobert_jax.training import evaluate, train
from tests.fixtures import model_folders, small_questions, small_run

ROOT = pathlib.Path(__file__).parents[2]
LINES = (
  {'id': 'one', 'question': 'What causes gout?', 'context': 'p53 causes gout.'},
  {
    'id': 'two',
    'question': 'What does ATM cause?',
    'passages': ['In rats ATM causes flu.', 'ATM causes flu, says \U0001f400.'],
  },
)


def losses_of(folder):
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  records = [json.loads(line) for line in lines]
  return [r['train/loss'] for r in records if 'train/loss' in r]


def run(tmp_path_factory, version):
  """A run, its report and its corpus."""
  folder = tmp_path_factory.mktemp(f'run{version[0]}')
  corpus = small_questions.write(folder / 'corpus', version)
  # Enough for every one of several seeds: not chance.
  long = {'train__steps': 300, 'optim__learning_rate': 3e-3}
  long['train__checkpoint_every_steps'] = 300  # A save takes as ten steps.
  config = small_run.qa(str(corpus), version, data__devel_split='devel', **long)
  return folder / 'run', train.train(config, str(folder / 'run')), corpus


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  return run(tmp_path_factory, '1.1')


@pytest.fixture(scope='module')
def trained_2(tmp_path_factory):
  return run(tmp_path_factory, '2.0')


def score(gold, predictions, *more):
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'biobert_jax', 'score', 'squad'),
      *(str(gold), str(predictions), *more),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


def asked(tmp_path):
  path = tmp_path / 'in.jsonl'
  path.write_text(''.join(json.dumps(row) + '\n' for row in LINES), 'utf-8')
  return str(path)


def test_learns_and_reports(trained):
  folder, report, _ = trained
  figures = report['results']['test']
  assert figures['f1'] > 50
  assert figures['questions'] == 18
  losses = losses_of(folder)
  assert losses[-1] < 0.5 * losses[0]
  record = json.loads((folder / 'config.json').read_text())
  assert record['labels'] == []
  for name in ('curves.png', 'predictions_test.json', 'errors_test.tsv'):
    assert (folder / name).stat().st_size > 0
  contexts = {
    row['id']: paragraph['context']
    for paragraph in small_questions.paragraphs(3, 6, '1.1')
    for row in paragraph['qas']
  }
  nbest = json.loads((folder / 'nbest_predictions_test.json').read_text())
  assert nbest.keys() == contexts.keys()
  for id_, candidates in nbest.items():
    assert sum(one['probability'] for one in candidates) == pytest.approx(1)
    for one in candidates:
      assert contexts[id_][one['start'] : one['end']] == one['text'] != ''


def test_evaluate_gives_the_figures_of_training(trained):
  folder, report, corpus = trained
  names = ('predictions_test.json', 'nbest_predictions_test.json')
  before = [(folder / name).read_text() for name in names]
  figures = evaluate.evaluate(str(folder), 'test', str(corpus))
  assert figures.items() >= report['results']['test'].items()
  assert [(folder / name).read_text() for name in names] == before
  assert evaluate.evaluate(str(folder), 'devel')['questions'] == 18


def test_the_score_tool_agrees(trained, trained_2):
  for folder, report, corpus in (trained, trained_2):
    found = score(corpus / 'test.json', folder / 'predictions_test.json')
    assert found.pop('ids_not_in_gold') == 0
    for name, value in found.items():
      if not name.endswith('interval_95'):
        assert report['results']['test'][name] == value
  # The best threshold is that of the official script, given the odds.
  odds = f'--null_odds={folder / "null_odds_test.json"}'
  found = score(corpus / 'test.json', folder / 'predictions_test.json', odds)
  best = {name for name in found if name.startswith('best_')}
  assert len(best) == 4
  assert {n: report['results']['test'][n] for n in best} == {
    n: found[n] for n in best
  }


def test_version_2_stays_silent(trained_2):
  folder, report, corpus = trained_2
  figures = report['results']['test']
  assert figures['NoAns_exact'] > 50
  said = json.loads((folder / 'predictions_test.json').read_text())
  odds = json.loads((folder / 'null_odds_test.json').read_text())
  assert {id_ for id_ in said if not said[id_]} == {
    id_ for id_ in odds if odds[id_] > 0
  }
  assert '' in said.values()


def test_predict_on_the_test_file_says_what_evaluation_said(
  trained, trained_2, tmp_path
):
  for folder, _, corpus in (trained, trained_2):
    for form, name in (
      ('squad', 'predictions'),
      ('nbest', 'nbest_predictions'),
    ):
      out = tmp_path / form
      report = predict.predict(
        str(folder), str(corpus / 'test.json'), str(out), form
      )
      ours = json.loads(out.read_text('utf-8'))
      assert len(ours) == report['questions'] == report['passages']
      theirs = json.loads((folder / f'{name}_test.json').read_text('utf-8'))
      if form == 'squad':
        assert ours == theirs
        continue
      for id_, candidates in theirs.items():
        assert [c['text'] for c in ours[id_]][0] == candidates[0]['text']
        np.testing.assert_allclose(
          ours[id_][0]['probability'], candidates[0]['probability'], atol=1e-4
        )


def test_answers_of_several_passages(trained, tmp_path):
  folder, _, _ = trained
  out = tmp_path / 'out.jsonl'
  report = predict.predict(str(folder), asked(tmp_path), str(out), 'jsonl')
  assert report == {
    'output': str(out),
    'questions': 2,
    'passages': 3,
    'with_answer': 2,
  }
  rows = [json.loads(line) for line in out.read_text('utf-8').splitlines()]
  assert [row['id'] for row in rows] == ['one', 'two']
  for row, line in zip(rows, LINES, strict=True):
    passages = line.get('passages', [line.get('context')])
    sums = [one['probability'] for one in row['answers']]
    assert sums == sorted(sums, reverse=True)
    assert sum(sums) == pytest.approx(len(passages))
    for one in row['answers']:
      passage = passages[one['passage']]
      assert passage[one['start'] : one['end']] == one['text']


@pytest.mark.parametrize('form', sorted(export.FORMATS))
def test_every_export_answers_the_same(form, trained_2, tmp_path):
  folder, report, corpus = trained_2
  model = tmp_path / form
  read = pretrained.load_pretrained(folder)
  score_int8 = export_command.int8_scorer(read)
  done = export.export(read, form, str(model), score_int8=score_int8)
  assert done['head'] == 'span'
  again = pretrained.load_pretrained(model)
  assert (again.head, again.labels) == ('span', ())
  assert again.settings['squad_version'] == '2.0'
  assert again.settings['max_seq_length'] == 64
  assert again.settings['doc_stride'] == 16
  card = (model / 'README.md').read_text()
  assert 'question-answering' in card
  assert '| split | exact match | F1 |' in card
  assert predict.task_of(again) == 'qa'
  files = []
  for one in (folder, model):
    out = tmp_path / 'out'
    predict.predict(str(one), str(corpus / 'test.json'), str(out), 'nbest')
    files.append(json.loads(out.read_text('utf-8')))
  for id_, candidates in files[0].items():
    ours, theirs = candidates[0], files[1][id_][0]
    assert ours['start_logit'] + ours['end_logit'] == pytest.approx(
      theirs['start_logit'] + theirs['end_logit'], abs=2e-3
    )
  if form == 'onnx':  # Run a window a row, by another program.
    f1 = report['results']['test']['f1']
    assert done['checked']['int8']['test_f1_float32'] == f1


def test_it_goes_on_from_squad_with_its_head(trained, tmp_path):
  """As BioBERT goes on to BioASQ."""
  folder, _, corpus = trained
  config = small_run.qa(
    str(corpus),
    init_from=str(folder),
    train__steps=1,
    optim__learning_rate=1e-4,
  )
  train.train(config, str(tmp_path / 'run'))
  before, after = (
    pretrained.load_pretrained(f).params for f in (folder, tmp_path / 'run')
  )
  assert (
    np.abs(after['qa_outputs/kernel'] - before['qa_outputs/kernel']).max()
    < 1e-3
  )


def test_a_foreign_model_answers_too(tmp_path):
  """With the windows of the defaults, cut to its positions."""
  model_folders.write_huggingface(tmp_path / 'span', 'span')
  assert predict.task_of(pretrained.load_pretrained(tmp_path / 'span')) == 'qa'
  out = tmp_path / 'out'
  report = predict.predict(
    str(tmp_path / 'span'), asked(tmp_path), str(out), 'squad'
  )
  assert report['questions'] == 2
  assert len(json.loads(out.read_text('utf-8'))) == 3


def test_what_does_not_fit_is_named(trained, tmp_path):
  folder, _, _ = trained
  out = str(tmp_path / 'out')
  with pytest.raises(errors.InputError, match="'brat'; of answers choose from"):
    predict.predict(str(folder), asked(tmp_path), out, 'brat')
  (tmp_path / 'raw').write_text('Only text.\n')
  with pytest.raises(errors.InputError, match='raw:1: is not JSON'):
    predict.predict(str(folder), str(tmp_path / 'raw'), out, 'jsonl')
  assert not (tmp_path / 'out').exists()
  model_folders.write_huggingface(tmp_path / 'tagger', 'token')
  with pytest.raises(errors.InputError, match='answers need a span head'):
    question_answerer.QuestionAnswerer(str(tmp_path / 'tagger'))


def test_chunks_of_questions_are_put_back_in_order(trained, monkeypatch):
  folder, _, corpus = trained
  found = []
  for size, windows in ((256, 512), (1, 1)):
    monkeypatch.setattr(question_answerer, '_SPAN_CHUNK', size)
    monkeypatch.setattr(span_decoding, '_CHUNK', windows)
    source = list(questions.read(str(corpus / 'test.json'), Counter()))[:5]
    replies = question_answerer.QuestionAnswerer(str(folder))(source)
    found.append([(r.request.id, r.by_passage[0].chosen.text) for r in replies])
  assert found[0] == found[1]
